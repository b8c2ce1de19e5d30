"""Revocation lists to order: one builder, each part of which a test can spoil."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256, SHA384
from cryptography.hazmat.primitives.serialization import Encoding

from stirmilter.stir import crlreader
from stirmilter.stir.revocation import RevocationList
from tests.laboratory import NOW
from tests.stir.certificates import Issued, issue, usage

HOUR: Final = timedelta(hours=1)
URL: Final = "https://crl.example/list.crl"

Entry = tuple[int, Sequence[x509.ExtensionType]]


def authority(name: str, issuer: Issued | None = None) -> Issued:
    """Issue a CA certificate that may sign lists as well."""
    return issue(name, issuer, ca=True, use=usage("key_cert_sign", "crl_sign"))


def named(issuer: x509.Certificate) -> x509.CertificateIssuer:
    """Name the issuer of an entry, and of those that follow it."""
    return x509.CertificateIssuer([x509.DirectoryName(issuer.subject)])


def point(**parts: Any) -> x509.IssuingDistributionPoint:  # noqa: ANN401
    """Say what a list is about."""
    parts = {
        "full_name": None,
        "relative_name": None,
        "only_contains_user_certs": False,
        "only_contains_ca_certs": False,
        "only_some_reasons": None,
        "indirect_crl": False,
        "only_contains_attribute_certs": False,
    } | parts
    return x509.IssuingDistributionPoint(**parts)


def points(
    *urls: str,
    issuer: x509.Name | None = None,
    reasons: Any = None,  # noqa: ANN401
) -> x509.CRLDistributionPoints:
    """Say where the status of a certificate stands."""
    names = [x509.DirectoryName(issuer)] if issuer else None
    return x509.CRLDistributionPoints(
        [
            x509.DistributionPoint(
                [x509.UniformResourceIdentifier(url)], None, reasons, names
            )
            for url in urls
        ]
    )


def crl(
    issuer: Issued,
    *entries: Entry,
    extensions: Sequence[x509.ExtensionType] = (),
    critical: bool = True,
    begin: datetime = NOW - HOUR,
    end: datetime = NOW + 24 * HOUR,
    hashed: SHA256 | SHA384 | None = None,
) -> bytes:
    """Make a list in DER; `critical` is about every extension."""
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.certificate.subject)
        .last_update(begin)
        .next_update(end)
    )
    for extension in extensions:
        builder = builder.add_extension(extension, critical)
    for serial, theirs in entries:
        entry = (
            x509.RevokedCertificateBuilder()
            .serial_number(serial)
            .revocation_date(NOW - HOUR)
        )
        for extension in theirs:
            entry = entry.add_extension(extension, critical)
        builder = builder.add_revoked_certificate(entry.build())
    return builder.sign(issuer.key, hashed or SHA256()).public_bytes(Encoding.DER)


def listed(issuer: Issued, *entries: Entry, **parts: Any) -> RevocationList:  # noqa: ANN401
    return crlreader.read(crl(issuer, *entries, **parts))
