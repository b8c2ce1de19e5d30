"""OpenSSL reads our revocation lists, and we read OpenSSL's."""

import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from stirmilter.stir import credential, crlreader, names, revocation
from stirmilter.stir.credential import TrustAnchors
from stirmilter.stir.tnauthlist import TNAuthList
from stirmilter.testca import TestCA

ALICES = TNAuthList.build(numbers=["12025550123"])


def openssl(*arguments: object, cwd: Path | None = None) -> str:
    done = subprocess.run(
        ["openssl", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
    )
    return done.stdout + done.stderr


@pytest.fixture
def made(tmp_path: Path) -> TestCA:
    """A test CA of today: OpenSSL reads the clock."""
    now = datetime.now(UTC)
    made = TestCA.create(tmp_path / "ca", now)
    made.signer("good", ALICES, now)
    made.signer("bad", ALICES, now)
    made.revoke("bad", now)
    return made


@pytest.mark.parametrize(
    ("name", "said"), [("good", "OK"), ("bad", "certificate revoked")]
)
def test_openssl_judges_by_our_direct_list(
    made: TestCA, tmp_path: Path, name: str, said: str
) -> None:
    octets = (made.folder / "www" / "intermediate.crl").read_bytes()
    (tmp_path / "list.der").write_bytes(octets)
    openssl(
        "crl",
        "-inform",
        "DER",
        "-in",
        tmp_path / "list.der",
        "-out",
        "l.pem",
        cwd=tmp_path,
    )
    chain = made.files(name).chain

    found = openssl(
        *("verify", "-crl_check", "-CRLfile", tmp_path / "l.pem"),
        *("-CAfile", made.anchors, "-untrusted", chain, chain),
    )

    assert said in found


@pytest.mark.parametrize(
    ("name", "signer"),
    [("intermediate.crl", "intermediate.pem"), ("sti-pa.crl", "sti-pa-crl.pem")],
)
def test_openssl_verifies_the_signature_of_our_lists(
    made: TestCA, name: str, signer: str
) -> None:
    text = openssl(
        *(
            "crl",
            "-inform",
            "DER",
            "-in",
            made.folder / "www" / name,
            "-noout",
            "-text",
        ),
        *("-CAfile", made.folder / signer),
    )

    assert "verify OK" in text
    assert "Revoked Certificates:" in text
    if name == "sti-pa.crl":
        assert "Indirect CRL" in text
        assert "X509v3 Certificate Issuer: critical" in text


def test_our_lists_say_to_us_what_they_say_to_openssl(made: TestCA) -> None:
    now = datetime.now(UTC)
    signers = TrustAnchors(credential.load_chain(made.crl_issuers.read_bytes()))
    for file in ("intermediate.crl", "sti-pa.crl"):
        found = crlreader.read((made.folder / "www" / file).read_bytes())
        for name, revoked in (("good", False), ("bad", True)):
            leaf, issuer = credential.load_chain(made.files(name).chain.read_bytes())
            said = revocation.answer(found, leaf, issuer, signers, now)
            assert said.revoked is revoked


CONFIGURATION = """
[ca]
default_ca = it
[it]
dir = {folder}
database = $dir/index.txt
crlnumber = $dir/crlnumber
certificate = $dir/ca.pem
private_key = $dir/ca.key
default_md = {digest}
default_crl_days = 2
crl_extensions = extensions
[extensions]
authorityKeyIdentifier = keyid
"""


@pytest.mark.parametrize("digest", ["sha256", "sha384"])
@pytest.mark.parametrize("kind", ["ec", "rsa"])
def test_we_read_a_list_that_openssl_made(
    tmp_path: Path, digest: str, kind: str
) -> None:
    key = {
        "ec": ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
        "rsa": ("-newkey", "rsa:2048"),
    }[kind]
    openssl(
        *("req", "-x509", *key, "-nodes", "-keyout", "ca.key", "-out", "ca.pem"),
        *("-subj", "/C=US/O=STI-PA/CN=STI-PA CRL", "-days", "9"),
        *("-addext", "keyUsage=critical,keyCertSign,cRLSign"),
        cwd=tmp_path,
    )
    (tmp_path / "conf").write_text(CONFIGURATION.format(folder=tmp_path, digest=digest))
    lines = (
        f"R\t300101000000Z\t260101000000Z{reason}\t{serial}\tunknown\t/CN=x\n"
        for serial, reason in (
            ("0A", ""),
            ("FF00112233445566778899AABBCCDDEEFF0011", ",keyCompromise"),
            ("0C", ",certificateHold"),
        )
    )
    (tmp_path / "index.txt").write_text("".join(lines))
    (tmp_path / "crlnumber").write_text("1000\n")
    openssl("ca", "-config", "conf", "-gencrl", "-out", "list.pem", cwd=tmp_path)

    found = crlreader.read((tmp_path / "list.pem").read_bytes())

    issuer = x509.load_pem_x509_certificate((tmp_path / "ca.pem").read_bytes())
    assert found.signed_by(issuer)
    assert found.issuer == names.key(issuer.subject.public_bytes())
    assert found.next_update - found.this_update == timedelta(days=2)
    serials = found.revoked[found.issuer]
    asked = (0x0A, 0x0B, 0x0C, 0xFF00112233445566778899AABBCCDDEEFF0011)
    assert [serial in serials for serial in asked] == [True, False, True, True]
