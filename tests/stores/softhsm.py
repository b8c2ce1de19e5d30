"""A token of SoftHSM, filled as docs/operations.md says."""

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self
from urllib.parse import quote

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

MODULE: Final = "/usr/lib/softhsm/libsofthsm2.so"
PIN: Final = "314159"
LABEL: Final = "stirmilter"


@dataclass(frozen=True)
class SoftToken:
    """One token, in one folder."""

    folder: Path

    @property
    def configuration(self) -> Path:
        """For SOFTHSM2_CONF, of whoever uses the token."""
        return self.folder / "softhsm2.conf"

    @classmethod
    def create(cls, folder: Path) -> Self:
        made = cls(folder)
        (folder / "tokens").mkdir()
        made.configuration.write_text(
            f"directories.tokendir = {folder}/tokens\nlog.level = ERROR\n"
        )
        (folder / "pin").write_text(f"{PIN}\n")
        (folder / "pin").chmod(0o600)
        made._run("--init-token", "--free", "--label", LABEL, "--so-pin", "271828")
        return made

    def put(self, key: ec.EllipticCurvePrivateKey, label: str, identifier: str) -> None:
        """Import a key."""
        form = Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        self.put_pem(key.private_bytes(*form), label, identifier)

    def put_pem(self, pem: bytes, label: str, identifier: str) -> None:
        path = self.folder / "import.pem"
        path.touch(0o600)
        path.write_bytes(pem)
        where = ("--token", LABEL, "--label", label, "--id", identifier)
        self._run("--import", str(path), *where)
        path.unlink()

    def uri(self, label: str, token: str = LABEL, module: str = MODULE) -> str:
        return (
            f"pkcs11:token={quote(token)};object={quote(label)};type=private"
            f"?module-path={module}&pin-source={self.folder}/pin"
        )

    def _run(self, *words: str) -> None:
        subprocess.run(
            ["softhsm2-util", *words, "--pin", PIN],
            env={"SOFTHSM2_CONF": str(self.configuration)},
            check=True,
            capture_output=True,
        )
