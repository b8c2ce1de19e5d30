"""The certificates of zlint's SHAKEN lints: 76, each with a fault of its own."""

import csv
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

from stirmilter.stir import credential, hazmat
from stirmilter.stir.credential import TrustAnchors
from stirmilter.stir.result import Reason, Unverified
from stirmilter.stir.tnauthlist import TNAuthList
from tests.vectors import openssl, reading
from tests.vectors.reading import ACCEPTED, judge, odd_serial_numbers

EXPECTED = reading.table("zlint")
GOOD = "shakenCert.pem"
SPC = "3008a006160436363238"  # the code 6628 alone


def measured(vectors: Path) -> dict[str, dict[str, str]]:
    """Return what was measured of each file with OpenSSL and cryptography."""
    with (vectors / "zlint-shaken" / "measured.csv").open() as rows:
        return {row["file"]: row for row in csv.DictReader(rows)}


def kind(key: CertificatePublicKeyTypes) -> str:
    """Write a key as measured.csv does."""
    if isinstance(key, ec.EllipticCurvePublicKey):
        return f"ECPublicKey:{key.curve.name}"
    assert isinstance(key, rsa.RSAPublicKey)
    return "RSAPublicKey:"


def test_the_table_and_the_measurements_have_every_certificate(vectors: Path) -> None:
    names = {path.name for path in (vectors / "zlint-shaken").glob("*.pem")}

    assert len(names) == 76
    assert EXPECTED.keys() == names
    assert measured(vectors).keys() == names


@odd_serial_numbers
@pytest.mark.parametrize("name", EXPECTED)
def test_each_certificate_gets_its_verdict(vectors: Path, name: str) -> None:
    found = judge((vectors / "zlint-shaken" / name).read_bytes())

    assert found.code == EXPECTED[name]["verdict"]
    assert EXPECTED[name]["detail"] in found.detail


def test_an_acceptance_is_argued_where_zlint_finds_a_fault() -> None:
    accepted = {n for n, row in EXPECTED.items() if row["verdict"] == ACCEPTED}

    assert accepted - {n for n, row in EXPECTED.items() if row.get("why")} == {GOOD}


@odd_serial_numbers
def test_tn_auth_lists_have_the_octets_that_were_measured(vectors: Path) -> None:
    found, expected = {}, {}
    for name, row in measured(vectors).items():
        if row["cryptography_50.0.2"] == "ok":
            one = reading.certificate(vectors / "zlint-shaken" / name)
            octets = hazmat.extension(one, hazmat.TN_AUTH_LIST)
            found[name] = octets.hex() if octets else ""
            expected[name] = row["tnauthlist_hex"]

    assert found == expected
    assert list(expected.values()).count(SPC) == 25


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        pytest.param(GOOD, TNAuthList.build(spcs=["6628"]), id="one-code"),
        pytest.param(
            "shakenSubjectCN.pem", TNAuthList.build(spcs=["6629"]), id="another-code"
        ),
        pytest.param(
            "shakenTNAuthMultiple.pem",
            TNAuthList.build(spcs=["6628", "6628"]),
            id="one-code-twice",
        ),
        pytest.param(
            "shakenTNAuthWithoutSPC.pem",
            TNAuthList.build(numbers=["1234"]),
            id="a-number",
        ),
    ],
)
def test_tn_auth_lists_are_read_from_the_octets_that_were_measured(
    vectors: Path, name: str, meant: TNAuthList
) -> None:
    octets = bytes.fromhex(measured(vectors)[name]["tnauthlist_hex"])

    assert TNAuthList.decode(octets) == meant
    assert hazmat.encode_tn_auth_list(hazmat.decode_tn_auth_list(octets)) == octets


@odd_serial_numbers
def test_keys_are_of_the_kinds_that_were_measured(vectors: Path) -> None:
    rows = measured(vectors)
    readable = [n for n, row in rows.items() if row["cryptography_50.0.2"] == "ok"]

    found = {
        name: kind(reading.certificate(vectors / "zlint-shaken" / name).public_key())
        for name in readable
    }

    assert found == {name: rows[name]["key"] for name in readable}


@odd_serial_numbers
def test_only_certificates_of_version_2_cannot_be_read(vectors: Path) -> None:
    """OpenSSL reads them. RFC 5280 §4.1.2.1: what has extensions is of version 3."""
    rows = measured(vectors)
    unread = set()
    for name in rows:
        verdict = judge((vectors / "zlint-shaken" / name).read_bytes())
        if verdict.detail.startswith("not a certificate"):
            unread.add(name)

    assert unread == {"shakenCaVersion2.pem", "shakenCertV2.pem"}
    assert unread == {n for n in rows if rows[n]["cryptography_50.0.2"] != "ok"}
    assert {row["openssl_3.0.19"] for row in rows.values()} == {"ok"}


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("shakenRoot.pem", id="good"),
        pytest.param("shakenRootAKIWrong.pem", id="another-authority-key-identifier"),
        pytest.param("shakenRootCertPolicy.pem", id="with-a-policy"),
        pytest.param("shakenRootExtOdd.pem", id="with-an-extended-key-usage"),
        pytest.param("shakenRootNoAKI.pem", id="without-authority-key-identifier"),
    ],
)
def test_an_anchor_is_trusted_for_its_key_and_name_whatever_else_it_says(
    vectors: Path, name: str
) -> None:
    """RFC 5280 §6.1: a trust anchor is no part of the path that is validated."""
    root = reading.certificate(vectors / "zlint-shaken" / name)

    found = TrustAnchors([root]).path([root], root.not_valid_before_utc, 6)

    assert found == [root]


def issue(folder: Path, digest: str) -> tuple[Path, Path]:
    """Issue a signer's certificate over a digest that our own library will not use."""
    root, leaf = folder / "root.der", folder / "leaf.der"
    issuer = ("-CA", root, "-CAkey", folder / "root.der.key")
    tn_auth_list = f"{hazmat.TN_AUTH_LIST.dotted_string}=DER:{SPC}"
    extensions = ("-addext", tn_auth_list, "-addext", "basicConstraints=CA:FALSE")
    for path, options in (root, ()), (leaf, (digest, *issuer, *extensions)):
        subprocess.run(
            [
                *("openssl", "req", "-x509", "-newkey", "ec", "-noenc", "-days", "2"),
                *("-pkeyopt", "ec_paramgen_curve:P-256", "-outform", "DER"),
                *("-subj", f"/CN={path.stem}", "-keyout", f"{path}.key"),
                *("-out", path, *options),
            ],
            check=True,
            capture_output=True,
        )
    return leaf, root


@pytest.mark.parametrize(
    ("digest", "trusted"),
    [
        pytest.param("-sha256", True, id="sha-256"),
        pytest.param("-sha1", False, id="sha-1"),
    ],
)
def test_a_signature_over_sha_1_breaks_the_path(
    tmp_path: Path, digest: str, trusted: bool
) -> None:
    """`read` looks at no signature; OpenSSL, unless told otherwise, takes both."""
    leaf, root = issue(tmp_path, digest)
    anchors = TrustAnchors([reading.certificate(root)])
    signed = reading.certificate(leaf)
    at = signed.not_valid_before_utc

    assert judge(leaf.read_bytes()) == (ACCEPTED, "SPC 6628")
    if trusted:
        assert credential.validate([signed], anchors, at).tn_auth_list.spcs == ("6628",)
    else:
        with pytest.raises(Unverified, match="no path to a trust anchor") as caught:
            credential.validate([signed], anchors, at)
        assert caught.value.reason is Reason.CREDENTIAL_UNTRUSTED
    assert openssl.verify({leaf: at}, [root.read_bytes()], [], tmp_path) == {
        leaf.name: openssl.OK
    }
