"""What people hand over instead of what they mean, and what to do then."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    load_der_private_key,
    load_der_public_key,
    pkcs7,
    pkcs12,
)

from stirmilter.inspection.report import Report

_KEY: Final = (
    "a private key",
    "nobody else may see it: inspect the certificate that belongs to it",
    "",
)
_PUBLIC: Final = (
    "a public key",
    "a token is verified with a certificate: inspect the one that holds the key",
    "RFC 8226 §4",
)
_REQUEST: Final = (
    "a certificate request",
    "no CA has signed it yet: inspect the certificate that comes back",
    "RFC 2986 §4",
)
_CRL: Final = (
    "a list of revoked certificates",
    "inspect the certificates themselves; revocation is not checked",
    "RFC 5280 §5",
)
_PKCS7: Final = (
    "certificates wrapped in PKCS #7",
    "x5u serves PEM: unwrap them (openssl pkcs7 -print_certs; DER: -inform DER)",
    "RFC 7515 §4.1.5",
)
_PKCS12: Final = (
    "a PKCS #12 store, which may hold a private key",
    "take the certificates out (openssl pkcs12 -nokeys)",
    "RFC 7515 §4.1.5",
)

Mistake = tuple[str, str, str]
"""What it is, what to do, and the rule that says so."""

_LABEL: Final = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----")
_LONG: Final = re.compile(rb"\x30[\x81-\x84]")
_LABELS: Final[tuple[tuple[bytes, Mistake], ...]] = (
    (b"PRIVATE KEY", _KEY),
    (b"PUBLIC KEY", _PUBLIC),
    (b"CERTIFICATE REQUEST", _REQUEST),
    (b"CRL", _CRL),
    (b"PKCS7", _PKCS7),
    (b"CMS", _PKCS7),
)
_DER: Final[tuple[tuple[Callable[[bytes], object], Mistake], ...]] = (
    (lambda octets: load_der_private_key(octets, None), _KEY),
    (load_der_public_key, _PUBLIC),
    (x509.load_der_x509_csr, _REQUEST),
    (x509.load_der_x509_crl, _CRL),
    (pkcs7.load_der_pkcs7_certificates, _PKCS7),
    (lambda octets: pkcs12.load_pkcs12(octets, None), _PKCS12),
)
_STARTS: Final[tuple[tuple[re.Pattern[bytes], Mistake], ...]] = (
    (re.compile(rb"\Z"), ("nothing", "the input is empty", "")),
    (
        re.compile(rb"\xff\xfe|\xfe\xff"),
        ("text in UTF-16", "save it as ASCII or UTF-8", ""),
    ),
    (
        re.compile(rb"https?://", re.IGNORECASE),
        ("an address", "nothing is fetched: get it, and inspect the file", ""),
    ),
    (
        re.compile(rb"[^\r\n]{0,1000} SIP/2\.0\s|SIP/2\.0 "),
        ("a SIP message", "inspect its Identity field alone", "RFC 8224 §4"),
    ),
    (
        re.compile(rb"From [^\r\n:]"),
        ("an mbox", "inspect one message without the line that begins with From", ""),
    ),
    (
        re.compile(rb"[{\[]"),
        (
            "JSON",
            "a token is header.payload.signature, each in base64url",
            "RFC 7515 §7.1",
        ),
    ),
)


def labels(octets: bytes) -> set[bytes]:
    """Name the kinds of PEM blocks in a file."""
    return set(_LABEL.findall(octets))


def holds_key(octets: bytes) -> bool:
    """Tell whether a PEM file holds a private key."""
    return any(label.endswith(b"PRIVATE KEY") for label in labels(octets))


def explain(octets: bytes) -> Report | None:
    """Explain what is none of the things that can be inspected; None if it may be."""
    found = _start(octets) or _pem(octets) or _der(octets)
    if found is None:
        return None
    kind, advice, rule = found
    report = Report(kind)
    report.problem(advice, rule)
    return report


def _start(octets: bytes) -> Mistake | None:
    for start, mistake in _STARTS:
        if start.match(octets):
            return mistake
    return None


def _pem(octets: bytes) -> Mistake | None:
    found = labels(octets)
    if b"CERTIFICATE" in found:
        return None
    for ending, mistake in _LABELS:
        if any(label.endswith(ending) for label in found):
            return mistake
    return None


def is_der(octets: bytes) -> bool:
    """Tell a DER SEQUENCE from text that begins with 0 (X.690 §8.1.3)."""
    short = octets[:1] == b"\x30" and list(octets[1:2]) == [len(octets) - 2]
    return short or _LONG.match(octets) is not None


def _der(octets: bytes) -> Mistake | None:
    if not is_der(octets) or _reads(x509.load_der_x509_certificate, octets):
        return None
    for read, mistake in _DER:
        if _reads(read, octets):
            return mistake
    return None


def _reads(read: Callable[[bytes], object], octets: bytes) -> bool:
    try:
        read(octets)
    except Exception as error:  # noqa: BLE001 - of many types, and all mean no
        # A reader that misses a password has recognized what it reads.
        return isinstance(error, TypeError) or "password" in str(error).lower()
    return True
