"""Revocation lists of the toy PKI: what was revoked, and two lists of it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from stirmilter.testca import issuing
from stirmilter.testca.issuing import Authority

ISSUERS: Final = ("intermediate", "untrusted-intermediate")


@dataclass(frozen=True, slots=True)
class Revoked:
    """One certificate that was revoked."""

    serial: int
    issuer: str
    """One of `ISSUERS`."""

    time: str


def load(folder: Path) -> list[Revoked]:
    """Return what has been revoked so far."""
    path = folder / "revoked.json"
    return (
        [Revoked(**one) for one in json.loads(path.read_text())]
        if path.exists()
        else []
    )


def save(folder: Path, revoked: Iterable[Revoked]) -> None:
    """Remember what has been revoked."""
    table = json.dumps([asdict(one) for one in revoked], indent=2)
    (folder / "revoked.json").write_text(f"{table}\n")


def direct(folder: Path, now: datetime, valid: timedelta) -> bytes:
    """Make the list of the intermediate, of what it issued itself."""
    issuer = issuing.load(folder, ISSUERS[0])
    builder = _builder(issuer, now, valid)
    for one in load(folder):
        if one.issuer == ISSUERS[0]:
            builder = builder.add_revoked_certificate(_entry(one).build())
    return _signed(builder, issuer)


def indirect(folder: Path, now: datetime, valid: timedelta) -> bytes:
    """Make the list of the policy administrator, of whatever anybody issued.

    An entry names its issuer only where that changes (RFC 5280 §5.3.3).
    """
    signer = issuing.load(folder, "sti-pa-crl")
    builder = _builder(signer, now, valid).add_extension(_INDIRECT, critical=True)
    last = ""
    for one in sorted(load(folder), key=lambda one: one.issuer):
        entry = _entry(one)
        if one.issuer != last:
            last = one.issuer
            name = issuing.load(folder, last).certificate.subject
            named = x509.CertificateIssuer([x509.DirectoryName(name)])
            entry = entry.add_extension(named, critical=True)
        builder = builder.add_revoked_certificate(entry.build())
    return _signed(builder, signer)


_INDIRECT: Final = x509.IssuingDistributionPoint(
    full_name=None,
    relative_name=None,
    only_contains_user_certs=False,
    only_contains_ca_certs=False,
    only_some_reasons=None,
    indirect_crl=True,
    only_contains_attribute_certs=False,
)


def _builder(
    signer: Authority, now: datetime, valid: timedelta
) -> x509.CertificateRevocationListBuilder:
    return (
        x509.CertificateRevocationListBuilder()
        .issuer_name(signer.certificate.subject)
        .last_update(now)
        .next_update(now + valid)
        .add_extension(x509.CRLNumber(int(now.timestamp())), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.key.public_key()),
            critical=False,
        )
    )


def _entry(one: Revoked) -> x509.RevokedCertificateBuilder:
    return (
        x509.RevokedCertificateBuilder()
        .serial_number(one.serial)
        .revocation_date(datetime.fromisoformat(one.time))
    )


def _signed(builder: x509.CertificateRevocationListBuilder, signer: Authority) -> bytes:
    return builder.sign(signer.key, SHA256()).public_bytes(Encoding.DER)
