"""``stirmilter trust import``, over a chain that OpenSSL made and signed."""

import base64
import hashlib
import json
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from hypothesis import given
from hypothesis import strategies as st

from stirmilter.cli import cli
from stirmilter.errors import ConfigError, StirmilterError
from stirmilter.stir import jws, trustlist
from stirmilter.stir.credential import TrustAnchors
from stirmilter.testca import TestCA
from tests.laboratory import NOW as LABORATORY
from tests.stir.certificates import (
    DAY,
    Issued,
    issue,
    leaf,
    pem,
    tn_auth_list,
    usage,
)

NOW = datetime.now(UTC)
"""OpenSSL's certificates begin at its own now."""

SOON = int((NOW + timedelta(days=30)).timestamp())
ONE = issue("one", ca=True, begin=NOW - DAY, end=NOW + 90 * DAY)
TWO = issue("two", ca=True, begin=NOW - DAY, end=NOW + 90 * DAY)
EXPIRED = issue("old", ca=True, begin=LABORATORY - 9 * DAY, end=LABORATORY)
BOTH = usage("key_cert_sign", "digital_signature")
NO_CA = issue("leaf", begin=NOW - DAY, end=NOW + DAY)
NO_SIGN = issue("odd", ca=True, use=usage("crl_sign"), begin=NOW - DAY, end=NOW + DAY)


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


@pytest.fixture(scope="session")
def administrator(tmp_path_factory: pytest.TempPathFactory) -> Administrator:
    return Administrator(tmp_path_factory.mktemp("sti-pa"))


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


@pytest.fixture
def importing(tmp_path: Path, administrator: Administrator) -> Import:
    return Import(tmp_path, administrator)


def certificates(*issued: Issued) -> list[x509.Certificate]:
    return [one.certificate for one in issued]


# A list that is good


@pytest.mark.conformance("C-16")
def test_a_signed_list_becomes_a_file_of_anchors(
    importing: Import, administrator: Administrator
) -> None:
    done = importing.signed(administrator.sign(listing(ONE, TWO)))

    assert done.exit_code == 0, done.output
    assert importing.written == certificates(ONE, TWO)
    lines = [line.split("\t") for line in done.stdout.splitlines()]
    assert [line[:2] for line in lines[:2]] == [
        ["added", "CN=one"],
        ["added", "CN=two"],
    ]
    assert lines[2][0] == "list"
    assert lines[2][1].startswith("2 authorities, sequence 7, expires ")
    record = json.loads((importing.folder / "us.pem.json").read_text())
    assert record["sequence"] == 7
    assert record["sha256"] == hashlib.sha256(importing.out.read_bytes()).hexdigest()


def test_the_next_list_says_what_comes_and_what_goes(
    importing: Import, administrator: Administrator
) -> None:
    importing.signed(administrator.sign(listing(ONE)))

    done = importing.signed(administrator.sign(listing(TWO, sequence=8)))

    words = [line.split("\t")[:2] for line in done.stdout.splitlines()]
    assert words[:2] == [["added", "CN=two"], ["removed", "CN=one"]]
    assert "the last import was 0 days ago" in done.stdout
    assert importing.written == certificates(TWO)


def test_a_dry_run_writes_nothing(
    importing: Import, administrator: Administrator
) -> None:
    done = importing.signed(administrator.sign(listing(ONE)), "--dry-run")

    assert done.exit_code == 0
    assert done.stdout.startswith("added\tCN=one\t")
    assert not importing.out.exists()
    assert not (importing.folder / "us.pem.json").exists()


def test_the_answer_of_the_interface_and_base64_are_read_too(
    importing: Import, administrator: Administrator
) -> None:
    signed = administrator.sign(listing(trustList=[der(ONE.certificate)])).decode()
    answer = json.dumps({"status": "success", "caList": signed}).encode()

    assert importing.signed(answer).exit_code == 0
    assert importing.written == certificates(ONE)


def test_the_signer_may_be_told(
    importing: Import, administrator: Administrator
) -> None:
    octets = administrator.sign(listing(ONE), {"x5c": None})
    signer = str(administrator.folder / "chain.pem")

    assert importing.signed(octets, "--signer", signer).exit_code == 0
    assert importing.signed(octets).exit_code == 2


def test_list_and_signer_are_fetched(
    importing: Import, administrator: Administrator, tmp_path: Path
) -> None:
    made = TestCA.create(tmp_path / "ca", NOW)
    settings = tmp_path / "fetch.toml"
    settings.write_text(f'fetch = {{laboratory = true, tls_ca = "{made.tls_ca}"}}\n')
    www = made.folder / "www"
    with made.publish() as base:
        header = {"x5c": None, "x5u": f"{base}/chain.pem"}
        (www / "list.pem").write_bytes(administrator.sign(listing(ONE), header))
        (www / "chain.pem").write_bytes(
            (administrator.folder / "chain.pem").read_bytes()
        )
        config = ("--config", str(settings))

        done = importing.signed(f"{base}/list.pem", *config)
        gone = importing.signed(f"{base}/gone.pem", *config)
        guarded = importing.signed(f"{base}/list.pem")

    assert done.exit_code == 0, done.output
    assert importing.written == certificates(ONE)
    assert gone.exit_code == 75
    assert guarded.exit_code == 1
    assert "is not" in guarded.stderr


def test_entries_that_are_no_authority_are_left_out_and_told(
    importing: Import, administrator: Administrator
) -> None:
    payload = listing(ONE, EXPIRED, NO_CA, NO_SIGN, ONE)
    assert isinstance(payload["trustList"], list)
    payload["trustList"] += ["garbage!", 7, pem(ONE, TWO).decode()]

    done = importing.signed(administrator.sign(payload))

    assert done.exit_code == 0
    assert importing.written == certificates(ONE)
    told = [line for line in done.stderr.splitlines() if "left out" in line]
    assert [line.partition("left out: ")[2].partition(": ")[0] for line in told] == [
        "CN=old",
        "CN=leaf",
        "CN=odd",
        "entry 6",
        "entry 7",
        "entry 8",
    ]


# A list that is not


def test_an_older_list_is_refused_and_the_same_one_is_not(
    importing: Import, administrator: Administrator
) -> None:
    importing.signed(administrator.sign(listing(ONE, sequence=8)))

    older = importing.signed(administrator.sign(listing(TWO)))
    same = importing.signed(administrator.sign(listing(ONE, sequence=8)))

    assert older.exit_code == 1
    assert "an older list: sequence 7, after 8" in older.stderr
    assert same.exit_code == 0
    assert importing.written == certificates(ONE)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        pytest.param({"exp": 1_700_000_000}, "the list has expired", id="expired"),
        pytest.param({"exp": "soon"}, "exp is not a time", id="exp-is-text"),
        pytest.param({"exp": 10**30}, "exp is not a time", id="exp-is-huge"),
        pytest.param({"sequence": True}, "sequence is not a number", id="sequence"),
        pytest.param({"sequence": -1}, "sequence is not a number", id="negative"),
        pytest.param({"trustList": "x"}, "not a list of certificates", id="no-list"),
        pytest.param({"trustList": []}, "not a list of certificates", id="empty"),
        pytest.param({"trustList": ["x"]}, "no authority is left", id="no-authority"),
    ],
)
def test_a_payload_that_is_none_is_refused(
    importing: Import, administrator: Administrator, change: dict[str, Any], why: str
) -> None:
    done = importing.signed(administrator.sign(listing(ONE, **change)))

    assert done.exit_code == 1
    assert why in done.stderr
    assert list(importing.folder.glob("us.pem*")) == []


def test_how_large_a_list_may_be_is_a_setting(
    importing: Import, administrator: Administrator
) -> None:
    octets = administrator.sign(listing(ONE, TWO))
    configuration = importing.folder / "limits.toml"

    def limited(**limits: int) -> Result:
        lines = [f"{name} = {value}\n" for name, value in limits.items()]
        configuration.write_text("[limits]\n" + "".join(lines))
        return importing.signed(octets, "--config", str(configuration))

    few = limited(trust_list_entries=1)
    small = limited(trust_list_octets=len(octets) - 1)
    assert (few.exit_code, small.exit_code) == (1, 1)
    assert "trustList has 2 entries, at most 1" in few.stderr
    assert f"more than {len(octets) - 1} octets" in small.stderr
    assert importing.written == []

    assert limited(trust_list_entries=2, trust_list_octets=len(octets)).exit_code == 0
    assert len(importing.written) == 2


def test_a_list_that_names_too_many_is_refused(
    importing: Import, administrator: Administrator
) -> None:
    done = importing.signed(administrator.sign(listing(trustList=["x"] * 1_001)))

    assert done.exit_code == 1
    assert "trustList has 1001 entries, at most 1000" in done.stderr


@pytest.mark.parametrize(
    ("header", "key", "why"),
    [
        pytest.param({}, "middle", "did not sign", id="signed-by-another-key"),
        pytest.param({"alg": "none"}, "signer", "alg is not ES256", id="alg-none"),
        pytest.param({"alg": "HS256"}, "signer", "alg is not ES256", id="alg-hs256"),
        pytest.param({"crit": ["x"]}, "signer", "crit", id="crit"),
        pytest.param({"x5c": "x"}, "signer", "x5c", id="x5c"),
        pytest.param({"x5c": ["x"]}, "signer", "no certificate", id="x5c-garbage"),
        pytest.param(
            {"x5c": None, "x5u": "file:///etc/passwd"},
            "signer",
            "x5u is no https URL",
            id="x5u",
        ),
        pytest.param(
            {"x5c": [der(NO_CA.certificate)]},
            "signer",
            "did not sign",
            id="other-chain",
        ),
    ],
)
def test_a_signature_that_is_none_is_refused(
    importing: Import,
    administrator: Administrator,
    header: dict[str, Any],
    key: str,
    why: str,
) -> None:
    done = importing.signed(administrator.sign(listing(ONE), header, key))

    assert done.exit_code == 1
    assert why in done.stderr
    assert not importing.out.exists()


def test_a_list_that_was_altered_is_refused(
    importing: Import, administrator: Administrator
) -> None:
    header, _, signature = administrator.sign(listing(ONE)).split(b".")
    other = jws.b64url_encode(json.dumps(listing(TWO)).encode()).encode()

    done = importing.signed(b".".join([header, other, signature]))

    assert done.exit_code == 1
    assert "did not sign" in done.stderr


def test_a_signer_below_another_root_is_refused(
    importing: Import, administrator: Administrator
) -> None:
    root = importing.folder / "other.pem"
    root.write_bytes(pem(ONE))

    done = importing(administrator.sign(listing(ONE)), "--anchors", str(root))

    assert done.exit_code == 1
    assert "the signer leads to no anchor" in done.stderr


@pytest.mark.parametrize(
    ("parts", "problem"),
    [
        ({"use": usage("crl_sign")}, "lacks digitalSignature"),
        ({"ca": True, "use": BOTH}, "the signer is an authority"),
        ({"extensions": [tn_auth_list()]}, "there to speak for numbers"),
    ],
)
def test_a_signer_who_is_there_for_something_else_is_refused(
    administrator: Administrator, parts: dict[str, Any], problem: str
) -> None:
    """Below the same root."""
    lister = issue("lister", ONE, begin=NOW - DAY, end=NOW + DAY, **parts)
    text = administrator.sign(listing(TWO)).decode().rpartition(".")[0]
    signature = jws.b64url_encode(jws.SoftwareKey(lister.key).sign(text.encode()))

    with pytest.raises(ValueError, match=problem):
        trustlist.verify(
            trustlist.parse(f"{text}.{signature}"),
            [lister.certificate],
            TrustAnchors(certificates(ONE)),
            NOW,
        )


def test_a_signed_list_needs_a_root(
    importing: Import, administrator: Administrator
) -> None:
    done = importing(administrator.sign(listing(ONE)))

    assert done.exit_code == 2
    assert "--anchors" in done.stderr


@pytest.mark.parametrize(
    "octets", [b"", b"garbage", b"{}", b'{"caList": 1}', b"a.b", b"\xff"]
)
def test_what_is_no_list_is_refused(importing: Import, octets: bytes) -> None:
    done = importing.signed(octets)

    assert done.exit_code == 1
    assert "not a list to be believed" in done.stderr


@given(st.text(max_size=60))
def test_any_text_is_a_list_or_refused(text: str) -> None:
    try:
        trustlist.parse(text)
    except ValueError:
        return


# A bundle that nobody signed


def test_a_bundle_is_believed_by_its_digest(importing: Import) -> None:
    octets = pem(ONE, TWO)
    digest = hashlib.sha256(octets).hexdigest()
    spoken = ":".join(digest[i : i + 2] for i in range(0, 64, 2)).upper()

    assert importing(octets, "--sha256", "0" * 64).exit_code == 1
    assert importing.written == []
    assert importing(octets, "--sha256", spoken).exit_code == 0
    assert importing.written == certificates(ONE, TWO)


def test_a_bundle_is_believed_when_the_operator_says_so(importing: Import) -> None:
    refused = importing(pem(ONE))
    done = importing(pem(ONE, leaf(ONE)), "--unsigned")

    assert refused.exit_code == 2
    assert hashlib.sha256(pem(ONE)).hexdigest() in refused.stderr
    assert done.exit_code == 0
    assert importing.written == certificates(ONE)


def test_a_bundle_does_not_take_the_place_of_a_signed_list(
    importing: Import, administrator: Administrator
) -> None:
    importing.signed(administrator.sign(listing(ONE)))

    done = importing(pem(TWO), "--unsigned")

    assert done.exit_code == 78
    assert importing.written == certificates(ONE)


@pytest.mark.parametrize(
    ("source", "code"), [("/nonexistent", 2), ("http://sti-pa.example/list", 1)]
)
def test_a_source_that_cannot_be_had_is_told(
    importing: Import, source: str, code: int
) -> None:
    assert importing.signed(source).exit_code == code


def test_a_record_that_broke_stops_the_import(
    importing: Import, administrator: Administrator
) -> None:
    """Otherwise an older list would not be noticed."""
    (importing.folder / "us.pem.json").write_text("{}")

    done = importing.signed(administrator.sign(listing(ONE)))

    assert isinstance(done.exception, StirmilterError)
    assert not isinstance(done.exception, ConfigError)
    assert not importing.out.exists()
