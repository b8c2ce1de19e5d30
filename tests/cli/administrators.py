"""An administrator of trust anchors, by OpenSSL, and the command that imports."""

import base64
import json
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from stirmilter.cli import cli
from stirmilter.stir import jws
from tests.stir.certificates import DAY, Issued, issue, pem

NOW = datetime.now(UTC)
"""OpenSSL's certificates begin at its own now."""

SOON = int((NOW + timedelta(days=30)).timestamp())
ONE = issue("one", ca=True, begin=NOW - DAY, end=NOW + 90 * DAY)
TWO = issue("two", ca=True, begin=NOW - DAY, end=NOW + 90 * DAY)
NO_CA = issue("leaf", begin=NOW - DAY, end=NOW + DAY)


def openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, capture_output=True, check=True)


class Administrator:
    """A root, an intermediate and a signer of lists, by OpenSSL."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        new = ("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
        ca = ("-addext", "basicConstraints=critical,CA:TRUE")
        openssl(
            folder, *new, "-x509", *ca, "-subj", "/CN=STI-PA Root", "-days", "99",
            "-keyout", "root.key", "-out", "root.pem",
        )  # fmt: skip
        for name, above, extension in (
            ("middle", "root", "basicConstraints=critical,CA:TRUE"),
            ("signer", "middle", "keyUsage=critical,digitalSignature"),
        ):
            (folder / f"{name}.ext").write_text(extension + "\n")
            openssl(
                folder, *new, "-subj", f"/CN=STI-PA {name}",
                "-keyout", f"{name}.key", "-out", f"{name}.csr",
            )  # fmt: skip
            openssl(
                folder, "x509", "-req", "-in", f"{name}.csr", "-days", "90",
                "-CA", f"{above}.pem", "-CAkey", f"{above}.key", "-CAcreateserial",
                "-extfile", f"{name}.ext", "-out", f"{name}.pem",
            )  # fmt: skip
        chain = b"".join(
            (folder / f"{n}.pem").read_bytes() for n in ("signer", "middle")
        )
        (folder / "chain.pem").write_bytes(chain)

    @property
    def root(self) -> str:
        return str(self.folder / "root.pem")

    @property
    def x5c(self) -> list[str]:
        chain = x509.load_pem_x509_certificates(
            (self.folder / "chain.pem").read_bytes()
        )
        return [der(one) for one in chain]

    def sign(
        self,
        payload: Mapping[str, Any] | bytes,
        header: Mapping[str, Any] | None = None,
        key: str = "signer",
    ) -> bytes:
        """Write a compact JWS, with its chain inside unless `header` says otherwise."""
        header = {"alg": "ES256", "x5c": self.x5c, **(header or {})}
        octets = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        parts = [json.dumps(header).encode(), octets]
        text = ".".join(map(jws.b64url_encode, parts))
        private = load_pem_private_key((self.folder / f"{key}.key").read_bytes(), None)
        assert isinstance(private, ec.EllipticCurvePrivateKey)
        signature = jws.SoftwareKey(private).sign(text.encode())
        return f"{text}.{jws.b64url_encode(signature)}".encode()


def der(one: x509.Certificate) -> str:
    return base64.b64encode(one.public_bytes(Encoding.DER)).decode()


def listing(*authorities: Issued, **change: object) -> dict[str, object]:
    """The payload of a list, as the STI-PA writes it."""
    entries = [pem(one).decode() for one in authorities]
    return {"version": "1.0", "sequence": 7, "exp": SOON, "trustList": entries} | change


class Import:
    """Runs the command in a folder."""

    def __init__(self, folder: Path, administrator: Administrator) -> None:
        self.folder = folder
        self.out = folder / "us.pem"
        self.administrator = administrator

    def __call__(self, octets: bytes | str, *arguments: str) -> Result:
        if isinstance(octets, bytes):
            (self.folder / "list").write_bytes(octets)
            octets = str(self.folder / "list")
        given = ["trust", "import", octets, "--out", str(self.out), *arguments]
        return CliRunner().invoke(cli, given)

    def signed(self, octets: bytes | str, *arguments: str) -> Result:
        return self(octets, "--anchors", self.administrator.root, *arguments)

    @property
    def written(self) -> list[x509.Certificate]:
        if not self.out.exists():
            return []
        return x509.load_pem_x509_certificates(self.out.read_bytes())


def certificates(*issued: Issued) -> list[x509.Certificate]:
    return [one.certificate for one in issued]
