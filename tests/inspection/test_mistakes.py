"""What people hand over instead: named, and told what to do."""

import hashlib

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    pkcs7,
    pkcs12,
)

from tests.inspection.reports import explain, facts, mail, message_token, problems
from tests.laboratory import NOW
from tests.stir.certificates import DAY, pem
from tests.stir.pki import LEAF, MIDDLE, ROOT

PEM, DER = Encoding.PEM, Encoding.DER
KEY: ec.EllipticCurvePrivateKey = LEAF.key
SECRET = BestAvailableEncryption(b"secret")
PLAIN = NoEncryption()
REQUEST = (
    x509.CertificateSigningRequestBuilder()
    .subject_name(LEAF.certificate.subject)
    .sign(KEY, SHA256())
)
REVOKED = (
    x509.CertificateRevocationListBuilder()
    .issuer_name(ROOT.certificate.subject)
    .last_update(NOW)
    .next_update(NOW + DAY)
    .sign(ROOT.key, SHA256())
)
ANYTHING = hashlib.shake_256(b"anything").digest(1 << 20)
BOTH = [LEAF.certificate, MIDDLE.certificate]
PUBLIC = PublicFormat.SubjectPublicKeyInfo


@pytest.mark.parametrize(
    ("octets", "kind"),
    [
        pytest.param(
            KEY.private_bytes(PEM, PrivateFormat.PKCS8, PLAIN),
            "a private key",
            id="key",
        ),
        pytest.param(
            KEY.private_bytes(PEM, PrivateFormat.TraditionalOpenSSL, PLAIN),
            "a private key",
            id="key in the older form",
        ),
        pytest.param(
            KEY.private_bytes(PEM, PrivateFormat.PKCS8, SECRET),
            "a private key",
            id="encrypted key",
        ),
        pytest.param(
            KEY.private_bytes(DER, PrivateFormat.PKCS8, PLAIN),
            "a private key",
            id="key in DER",
        ),
        pytest.param(
            KEY.private_bytes(DER, PrivateFormat.TraditionalOpenSSL, PLAIN),
            "a private key",
            id="key in DER in the older form",
        ),
        pytest.param(
            KEY.private_bytes(DER, PrivateFormat.PKCS8, SECRET),
            "a private key",
            id="encrypted key in DER",
        ),
        pytest.param(
            b"Bag Attributes\n" + KEY.private_bytes(PEM, PrivateFormat.PKCS8, PLAIN),
            "a private key",
            id="key as OpenSSL prints it",
        ),
        pytest.param(
            KEY.public_key().public_bytes(PEM, PUBLIC), "a public key", id="public key"
        ),
        pytest.param(
            KEY.public_key().public_bytes(DER, PUBLIC),
            "a public key",
            id="public key in DER",
        ),
        pytest.param(REQUEST.public_bytes(PEM), "a certificate request", id="request"),
        pytest.param(
            REQUEST.public_bytes(DER), "a certificate request", id="request in DER"
        ),
        pytest.param(
            REVOKED.public_bytes(PEM), "a list of revoked certificates", id="CRL"
        ),
        pytest.param(
            REVOKED.public_bytes(DER), "a list of revoked certificates", id="CRL in DER"
        ),
        pytest.param(
            pkcs7.serialize_certificates(BOTH, PEM),
            "certificates wrapped in PKCS #7",
            id="PKCS #7",
        ),
        pytest.param(
            pkcs7.serialize_certificates(BOTH, DER),
            "certificates wrapped in PKCS #7",
            id="PKCS #7 in DER",
        ),
        pytest.param(
            pkcs12.serialize_key_and_certificates(
                b"x", KEY, LEAF.certificate, None, PLAIN
            ),
            "a PKCS #12 store, which may hold a private key",
            id="PKCS #12",
        ),
        pytest.param(
            pkcs12.serialize_key_and_certificates(
                b"x", None, LEAF.certificate, None, SECRET
            ),
            "a PKCS #12 store, which may hold a private key",
            id="encrypted PKCS #12",
        ),
        pytest.param(b"", "nothing", id="empty input"),
        pytest.param(b" \r\n\n", "nothing", id="empty lines"),
        pytest.param(
            message_token().encode("utf-16"), "text in UTF-16", id="a Windows shell's"
        ),
        pytest.param(b"https://certs.example/a.pem", "an address", id="URL"),
        pytest.param(
            b"MESSAGE sip:+13125550100@example.net SIP/2.0\r\nFrom: x\r\n\r\n",
            "a SIP message",
            id="SIP request",
        ),
        pytest.param(b"SIP/2.0 438 Invalid Identity\r\n", "a SIP message", id="answer"),
        pytest.param(
            b"From alice@example.net Fri Jan  2 12:00:00 2026\n" + mail().encode(),
            "an mbox",
            id="mbox",
        ),
        pytest.param(b'{"iat": 1}', "JSON", id="decoded payload"),
    ],
)
def test_a_mistake_is_named_and_corrected(octets: bytes, kind: str) -> None:
    report = explain(octets)

    assert report.kind == kind
    assert report.facts == []
    assert len(report.problems) == 1


def test_no_octet_of_a_private_key_is_shown() -> None:
    octets = KEY.private_bytes(PEM, PrivateFormat.PKCS8, PLAIN)

    shown = "\n".join(explain(octets).lines())

    assert not any(line in shown for line in octets.decode().splitlines())


@pytest.mark.parametrize(
    "octets",
    [
        pytest.param(ANYTHING, id="random octets"),
        pytest.param(bytes(1 << 20), id="NUL"),
        pytest.param(b"A" * (1 << 20), id="one letter"),
        pytest.param(b"0" * (1 << 20), id="zeros that begin like DER"),
        pytest.param(b":" * (1 << 20), id="colons"),
        pytest.param(b"." * (1 << 20), id="dots"),
        pytest.param(b'ey;a="' * (1 << 17), id="quotation marks never closed"),
        pytest.param(b"A:\n" * (1 << 18), id="empty header fields"),
        pytest.param(b"\x30\x83" + ANYTHING, id="DER of anything"),
        pytest.param(b"-----BEGIN CERTIFICATE-----\n" * (1 << 15), id="PEM of nothing"),
        pytest.param(b"-----BEGIN CRL-----\n" * (1 << 15), id="CRL of nothing"),
        pytest.param(b"[" * (1 << 20), id="JSON too deep"),
    ],
)
def test_a_megabyte_of_anything_has_a_short_answer(octets: bytes) -> None:
    report = explain(octets)

    assert report.problems
    assert sum(map(len, report.lines())) < 1000


@pytest.mark.parametrize(
    ("text", "begins"),
    [
        pytest.param("Hello\n", "Hello\\u{a}", id="prose"),
        pytest.param("Dear all. Hello.", "Dear all. Hello.", id="two sentences"),
        pytest.param("0", "0", id="a number"),
        pytest.param("0 to 9", "0 to 9", id="prose that begins like DER"),
        pytest.param("eye to eye", "eye to eye", id="word like a token"),
        pytest.param("\x1b[2Jx", "\\u{1b}[2Jx", id="terminal escapes"),
        pytest.param(
            "-----BEGIN PGP MESSAGE-----",
            "-----BEGIN PGP MESSAGE-----",
            id="armour of another kind",
        ),
        pytest.param("gr\u00fc\u00df", "gr\\xc3\\xbc\\xc3\\x9f", id="letters"),
    ],
)
def test_what_is_nothing_known_is_shown_from_its_beginning(
    text: str, begins: str
) -> None:
    report = explain(text)

    assert facts(report, "it begins") == [begins]
    assert problems(report) == [
        ("expected a token, a header field, a message, or certificates", "")
    ]


def test_a_broken_line_of_a_header_is_told() -> None:
    report = explain("Subject: x\n\x1b[31m bad line\nFrom: y\n")

    [said] = facts(report, "as a message")
    assert said.startswith("not a header field: ")
    assert "bad line" in said


def test_a_certificate_in_the_body_of_a_message_makes_it_no_certificate() -> None:
    report = explain(mail(text=pem(LEAF).decode()))

    assert report.kind == "a message"
