"""A root whose key is the same in every process, so that inputs keep their meaning."""

from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import NameOID

from tests.laboratory import NOW
from tests.stir.certificates import DAY, Issued, usage
from tests.stir.tokens import KEY


def _root() -> Issued:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "root")])
    identifier = x509.SubjectKeyIdentifier.from_public_key(KEY.public_key())
    builder = (
        x509.CertificateBuilder(name, name, KEY.public_key(), 1)
        .not_valid_before(NOW - 9 * DAY)
        .not_valid_after(NOW + 9 * DAY)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(usage("key_cert_sign"), critical=True)
        .add_extension(identifier, critical=False)
    )
    return Issued(builder.sign(KEY, SHA256()), KEY)


ROOT: Final = _root()


def sign(to_be_signed: bytes) -> bytes:
    """Sign a certificate in the name of the root, whatever it says."""
    return KEY.sign(to_be_signed, ec.ECDSA(SHA256()))
