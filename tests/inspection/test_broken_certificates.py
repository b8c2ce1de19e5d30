"""Certificates that cannot be read, or should not be as they are."""

from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from stirmilter.stir import hazmat
from tests.inspection.reports import explain, facts, problems
from tests.stir.certificates import Issued, issue, leaf, pem
from tests.stir.pki import LEAF, MIDDLE, ROOT


def test_a_root_that_another_key_signed_is_a_problem() -> None:
    forged = issue("root", ROOT, ca=True)

    assert problems(explain(pem(forged))) == [
        (
            "it names itself as its issuer, but another key signed it",
            "RFC 5280 §6.1",
        )
    ]


@pytest.mark.parametrize(
    ("oid", "name", "problem", "rule"),
    [
        pytest.param(
            hazmat.TN_AUTH_LIST, "speaks for", "TNAuthList: ", "RFC 8226 §9", id="list"
        ),
        pytest.param(
            hazmat.CLAIM_CONSTRAINTS,
            "its tokens",
            "claim constraints: ",
            "RFC 8226 §8",
            id="constraints",
        ),
    ],
)
@pytest.mark.parametrize("alone", [True, False], ids=["alone", "in a chain"])
def test_an_extension_that_cannot_be_read_is_told_once(
    oid: x509.ObjectIdentifier, name: str, problem: str, rule: str, alone: bool
) -> None:
    odd = leaf(MIDDLE, x509.UnrecognizedExtension(oid, b"\x16\x041234"))

    report = explain(pem(odd) if alone else pem(odd, MIDDLE))

    [found] = facts(report, name)
    assert found.startswith(f"unreadable: {problem}")
    [(text, source)] = problems(report)
    assert text.startswith(f"credential-malformed: {problem}")
    assert source == rule


@pytest.mark.parametrize(
    "above",
    [
        pytest.param([], id="alone"),
        pytest.param([ROOT], id="below its issuer"),
        pytest.param([MIDDLE], id="below somebody else"),
    ],
)
def test_a_list_of_a_ca_that_cannot_be_read_is_told(above: list[Issued]) -> None:
    unreadable = x509.UnrecognizedExtension(hazmat.TN_AUTH_LIST, b"\x16\x041234")
    odd = issue("odd", ROOT, [unreadable], ca=True)

    report = explain(pem(odd, *above))

    texts = [text for text, _ in problems(report)]
    assert [text for text in texts if text.startswith("credential-malformed: TNAuth")]
    assert facts(report, "hands on")[0].startswith("unreadable: TNAuthList: ")


def test_more_certificates_than_anybody_wants_to_see_are_counted() -> None:
    assert explain(pem(*[LEAF] * 100)).kind == "a chain of 100 certificates"
    assert problems(explain(pem(*[LEAF] * 101))) == [
        ("credential-malformed: 101 certificates, at most 100", "RFC 8725 §3")
    ]


def test_a_private_key_beside_a_certificate_is_a_problem() -> None:
    form = (Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    report = explain(LEAF.key.private_bytes(*form) + pem(LEAF))

    assert facts(report, "subject") == ["CN=leaf"]
    assert problems(report) == [
        ("a private key stands beside it: take it out, x5u would publish it", "")
    ]


@pytest.mark.parametrize(
    "octets",
    [
        pytest.param(b"-----BEGIN CERTIFICATE-----\nxx", id="PEM cut short"),
        pytest.param(pem(LEAF)[:-40], id="PEM without its end"),
        pytest.param(pem(LEAF, MIDDLE)[:-40], id="chain that breaks off"),
        pytest.param(b"\x30\x82\x01", id="DER cut short"),
        pytest.param(
            LEAF.certificate.public_bytes(Encoding.DER) + b"\0", id="octet too much"
        ),
    ],
)
def test_a_certificate_that_breaks_off_is_told(octets: bytes) -> None:
    [(text, rule)] = problems(explain(octets))

    assert text.startswith("credential-malformed: not a certificate: ")
    assert rule == "RFC 5280 §4"


@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")
def test_a_serial_number_that_may_not_be_is_told(vectors: Path) -> None:
    """As OpenSSL prints it: text that begins like a header field, then PEM."""
    path = vectors / "zlint-shaken" / "shakenSerialNumberNegative.pem"

    report = explain(path.read_bytes())

    assert facts(report, "serial") == [
        "-7efdfcfbfaf9f8f8: not positive (RFC 5280 section 4.1.2.2)"
    ]
