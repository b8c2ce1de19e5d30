"""Odd certificates: one builder, each part of which a test can spoil."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from stirmilter.stir import hazmat
from tests.laboratory import ALICE, NOW
from tests.stir import der

DAY: Final = timedelta(days=1)
UNKNOWN: Final = x509.UnrecognizedExtension(
    x509.ObjectIdentifier("1.3.6.1.4.1.55555.1"), b"\x05\x00"
)
_USAGES: Final = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)


@dataclass(frozen=True)
class Issued:
    """A certificate with its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


def usage(*names: str) -> x509.KeyUsage:
    return x509.KeyUsage(**{name: name in names for name in _USAGES})


def tn_auth_list(*entries: bytes) -> x509.UnrecognizedExtension:
    """Make the extension of entries that `der` wrote; ALICE's number if none."""
    octets = der.sequence(*(entries or (der.one(ALICE),)))
    return x509.UnrecognizedExtension(hazmat.TN_AUTH_LIST, octets)


def issue(
    name: str,
    issuer: Issued | None = None,
    extensions: Sequence[x509.ExtensionType] = (),
    *,
    critical: bool = False,
    ca: bool | None = False,
    path_length: int | None = None,
    use: x509.KeyUsage | None = None,
    begin: datetime = NOW - DAY,
    end: datetime = NOW + DAY,
    curve: ec.EllipticCurve | None = None,
) -> Issued:
    """Issue a certificate, self-signed without an issuer.

    `critical` is about `extensions`; `ca` None leaves the basic constraints out.
    """
    key = ec.generate_private_key(curve or ec.SECP256R1())
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(issuer.certificate.subject if issuer else _name(name))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(end)
        .add_extension(
            use or usage("key_cert_sign" if ca else "digital_signature"), critical=True
        )
    )
    if ca is not None:
        builder = builder.add_extension(
            x509.BasicConstraints(ca, path_length), critical=True
        )
    issuer_key = (issuer.key if issuer else key).public_key()
    builder = builder.add_extension(
        x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
    ).add_extension(
        x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key), critical=False
    )
    for extension in extensions:
        builder = builder.add_extension(extension, critical=critical)
    return Issued(builder.sign((issuer.key if issuer else key), SHA256()), key)


def leaf(issuer: Issued, *extensions: x509.ExtensionType) -> Issued:
    """Issue a signer's certificate; for ALICE, unless a TNAuthList is given."""
    if not any(e.oid == hazmat.TN_AUTH_LIST for e in extensions):
        extensions = (tn_auth_list(), *extensions)
    return issue("leaf", issuer, extensions)


def pem(*chain: Issued) -> bytes:
    return b"".join(one.certificate.public_bytes(Encoding.PEM) for one in chain)


def publish(folder: Path, name: str, *chain: Issued) -> None:
    """Put a chain where a `FolderRepository` finds it."""
    (folder / f"{name}.pem").write_bytes(pem(*chain))


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])
