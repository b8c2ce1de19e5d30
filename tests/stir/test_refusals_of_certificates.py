"""What is said of octets that are no certificate, or one that costs too much."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from stirmilter.stir import credential
from stirmilter.stir.result import Reason
from tests.laboratory import ALICE, NOW
from tests.stir.certificates import DAY, pem, tn_auth_list
from tests.stir.pki import LEAF, MIDDLE, ROOT
from tests.stir.refusals import Said, said

OCTETS: Final = LEAF.certificate.public_bytes(Encoding.DER)
AUTHORITY_KEY: Final = bytes.fromhex("0603551d23")
SUBJECT_KEY: Final = bytes.fromhex("0603551d0e")
P256: Final = bytes.fromhex("2a8648ce3d030107")


def make(
    key: ec.EllipticCurvePublicKey | rsa.RSAPublicKey,
    *extensions: x509.ExtensionType,
    begin: datetime = NOW - DAY,
    end: datetime = NOW + DAY,
) -> x509.Certificate:
    """Issue a certificate below ROOT with these extensions and no others."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "made")])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(ROOT.certificate.subject)
        .public_key(key)
        .serial_number(1)
        .not_valid_before(begin)
        .not_valid_after(end)
    )
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    return builder.sign(ROOT.key, SHA256())


def test_a_leaf_may_have_a_list_and_nothing_else() -> None:
    """Without a key usage, a key may be used for anything (RFC 5280 §4.2.1.3)."""
    certificate = make(LEAF.key.public_key(), tn_auth_list())

    assert credential.read(certificate).authority(ALICE) == "tn"


@pytest.mark.parametrize(
    ("octets", "expected"),
    [
        pytest.param(
            pem(LEAF, MIDDLE)[:-60],
            (
                Reason.CREDENTIAL_MALFORMED,
                "not a certificate: the last one breaks off",
                "RFC 5280 §4",
            ),
            id="second-one-cut-off",
        ),
        pytest.param(
            pem(*[LEAF] * 7),
            (
                Reason.CREDENTIAL_MALFORMED,
                "7 certificates, at most 6",
                "RFC 8725 §3",
            ),
            id="seven-certificates",
        ),
    ],
)
def test_refusals_of_a_chain(octets: bytes, expected: Said) -> None:
    assert said(lambda: credential.load_chain(octets)) == expected


def test_six_certificates_are_a_chain() -> None:
    assert len(credential.load_chain(pem(*[LEAF] * 6))) == 6


def rsa_key(bits: int, exponent: int) -> rsa.RSAPublicKey:
    """Make a key that nobody has: no prime is looked for."""
    return rsa.RSAPublicNumbers(exponent, (1 << (bits - 1)) + 1).public_key()


@pytest.mark.parametrize(
    ("bits", "exponent"),
    [
        pytest.param(2048, 3, id="small-and-quick"),
        pytest.param(4096, 65_537, id="as-costly-as-allowed"),
    ],
)
def test_an_issuer_may_have_an_rsa_key(bits: int, exponent: int) -> None:
    octets = make(rsa_key(bits, exponent)).public_bytes(Encoding.DER)

    assert len(credential.load_chain(octets)) == 1


@pytest.mark.parametrize(
    ("bits", "exponent"),
    [
        pytest.param(4097, 65_537, id="one-bit-too-long"),
        pytest.param(2048, 65_539, id="exponent-too-great"),
    ],
)
def test_rsa_keys_that_cost_more_are_refused(bits: int, exponent: int) -> None:
    octets = make(rsa_key(bits, exponent)).public_bytes(Encoding.DER)

    assert said(lambda: credential.load_chain(octets)) == (
        Reason.CREDENTIAL_MALFORMED,
        "not a certificate: a kind of key that STIR certificates do not have",
        "RFC 5280 §4",
    )


def spoil(old: bytes, new: bytes, octets: bytes = OCTETS) -> bytes:
    assert octets.count(old) == 1
    return octets.replace(old, new)


def with_years(begin: bytes, end: bytes) -> bytes:
    """Write a certificate with years that its builder would refuse."""
    certificate = make(
        LEAF.key.public_key(),
        begin=datetime(2055, 1, 1, tzinfo=UTC),
        end=datetime(2056, 2, 2, tzinfo=UTC),
    )
    octets = certificate.public_bytes(Encoding.DER)
    octets = spoil(b"20550101000000Z", begin + b"0101000000Z", octets)
    return spoil(b"20560202000000Z", end + b"0202000000Z", octets)


@pytest.mark.parametrize(
    "octets",
    [
        pytest.param(lambda: spoil(b"leaf", b"le\xff\xff"), id="subject-no-text"),
        pytest.param(lambda: spoil(b"middle", b"midd\xff\xff"), id="issuer-no-text"),
        pytest.param(lambda: spoil(AUTHORITY_KEY, SUBJECT_KEY), id="extension-twice"),
        pytest.param(
            lambda: spoil(SUBJECT_KEY + b"\x04\x16\x04", SUBJECT_KEY + b"\x04\x16\x05"),
            id="extension-not-of-its-form",
        ),
        pytest.param(lambda: spoil(P256, P256[:-1] + b"\x7f"), id="unknown-curve"),
        pytest.param(
            lambda: with_years(b"0000", b"2056"), id="valid-from-the-year-zero"
        ),
        pytest.param(lambda: with_years(b"2055", b"0000"), id="valid-to-the-year-zero"),
    ],
)
def test_what_the_library_finds_late_is_found_at_once(
    octets: Callable[[], bytes],
) -> None:
    """It reads the parts of a certificate when they are asked for."""
    reason, detail, rule = said(lambda: credential.load_chain(octets()))

    assert (reason, rule) == (Reason.CREDENTIAL_MALFORMED, "RFC 5280 §4")
    assert detail.startswith("not a certificate: ")


def test_a_certificate_may_be_valid_in_any_year() -> None:
    assert len(credential.load_chain(with_years(b"0001", b"9999"))) == 1
