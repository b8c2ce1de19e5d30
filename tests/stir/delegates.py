"""Certificates that hand numbers on, with any list and any key identifiers."""

from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import NameOID

from tests.laboratory import NOW
from tests.stir.certificates import DAY, Issued, tn_auth_list, usage

RIGHT: Final = b"right"
"""As a key identifier: the one that belongs there."""


def delegate(
    name: str,
    issuer: Issued | None,
    *entries: bytes,
    ca: bool = True,
    authority: bytes | None = RIGHT,
    subject: bytes | None = RIGHT,
    by_serial: bool = False,
) -> Issued:
    """Issue a certificate with these entries in its TNAuthList; none without any.

    `authority` and `subject` are key identifiers, left out if None. `by_serial` makes
    the authority known by issuer and serial number instead (RFC 5280 §4.2.1.1).
    """
    key = ec.generate_private_key(ec.SECP256R1())
    signing = issuer.key if issuer else key
    above = x509.SubjectKeyIdentifier.from_public_key(signing.public_key())
    own = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(issuer.certificate.subject if issuer else _name(name))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - DAY)
        .not_valid_after(NOW + DAY)
        .add_extension(x509.BasicConstraints(ca, None), critical=True)
        .add_extension(
            usage("key_cert_sign" if ca else "digital_signature"), critical=True
        )
    )
    if authority is not None or by_serial:
        digest = above.digest if authority == RIGHT else authority
        builder = builder.add_extension(
            x509.AuthorityKeyIdentifier(None, [x509.DirectoryName(_name("x"))], 1)
            if by_serial
            else x509.AuthorityKeyIdentifier(digest, None, None),
            critical=False,
        )
    if subject is not None:
        digest = own.digest if subject == RIGHT else subject
        builder = builder.add_extension(
            x509.SubjectKeyIdentifier(digest), critical=False
        )
    if entries:
        builder = builder.add_extension(tn_auth_list(*entries), critical=False)
    return Issued(builder.sign(signing, SHA256()), key)


def end(issuer: Issued, *entries: bytes, **identifiers: bytes | None) -> Issued:
    """Issue a signer's certificate."""
    return delegate("end", issuer, *entries, ca=False, **identifiers)  # type: ignore[arg-type]


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])
