"""Certificates of the toy PKI, and the files that they lie in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import NameOID

from stirmilter.stir import hazmat
from stirmilter.stir.tnauthlist import TNAuthList

LOOPBACK: Final = "127.0.0.1"
_YEARS: Final = timedelta(days=3650)


@dataclass(frozen=True, slots=True)
class Authority:
    """A CA certificate with its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


def authority(name: str, issuer: Authority | None, now: datetime) -> Authority:
    """Make a root, or an authority below one."""
    key = ec.generate_private_key(ec.SECP256R1())
    begin = now - timedelta(days=365)
    made = (
        builder(name, issuer, key, begin, now + _YEARS)
        .add_extension(
            x509.BasicConstraints(ca=True, path_length=0 if issuer else None),
            critical=True,
        )
        .add_extension(usage(key_cert_sign=True, crl_sign=True), critical=True)
    )
    return Authority(made.sign(issuer.key if issuer else key, SHA256()), key)


def list_signer(name: str, issuer: Authority, now: datetime) -> Authority:
    """Make a certificate that signs revocation lists and nothing else."""
    key = ec.generate_private_key(ec.SECP256R1())
    begin = now - timedelta(days=365)
    made = builder(name, issuer, key, begin, now + _YEARS).add_extension(
        usage(crl_sign=True), critical=True
    )
    return Authority(made.sign(issuer.key, SHA256()), key)


def web_server(issuer: Authority, now: datetime) -> Authority:
    """Make the certificate of the web server."""
    key = ec.generate_private_key(ec.SECP256R1())
    names = [x509.IPAddress(ip_address(LOOPBACK)), x509.DNSName("localhost")]
    made = (
        builder("localhost", issuer, key, now - timedelta(days=1), now + _YEARS)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(usage(digital_signature=True), critical=True)
    )
    return Authority(made.sign(issuer.key, SHA256()), key)


def builder(
    name: str,
    issuer: Authority | None,
    key: ec.EllipticCurvePrivateKey,
    begin: datetime,
    end: datetime,
) -> x509.CertificateBuilder:
    """Begin a certificate, with what all of them have."""
    subject = _name(name)
    issuer_key = issuer.key if issuer else key
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin.astimezone(UTC))
        .not_valid_after(end.astimezone(UTC))
        .add_extension(
            x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
        )
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()),
            critical=False,
        )
    )


def usage(
    *,
    digital_signature: bool = False,
    key_cert_sign: bool = False,
    crl_sign: bool = False,
) -> x509.KeyUsage:
    """Say what a key is for."""
    return x509.KeyUsage(
        digital_signature=digital_signature,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def encode(covers: TNAuthList) -> bytes:
    """Write a TNAuthList in DER."""
    return hazmat.encode_tn_auth_list(
        [
            *(("spc", spc, 1) for spc in covers.spcs),
            *(("one", number, 1) for number in sorted(covers.numbers)),
            *(
                ("range", first, int(last) - int(first) + 1)
                for first, last in covers.ranges
            ),
        ]
    )


def write(folder: Path, name: str, made: Authority) -> None:
    """Write a certificate and its key."""
    (folder / f"{name}.pem").write_bytes(pem(made.certificate))
    write_key(folder / f"{name}.key", made.key)


def load(folder: Path, name: str) -> Authority:
    """Read what `write` wrote."""
    key = serialization.load_pem_private_key(
        (folder / f"{name}.key").read_bytes(), None
    )
    assert isinstance(key, ec.EllipticCurvePrivateKey)  # noqa: S101 - `write` wrote it
    octets = (folder / f"{name}.pem").read_bytes()
    return Authority(x509.load_pem_x509_certificate(octets), key)


def write_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    """Write a key that nobody else may read."""
    path.touch(mode=0o600)
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )


def pem(certificate: x509.Certificate) -> bytes:
    """Write a certificate in PEM."""
    return certificate.public_bytes(serialization.Encoding.PEM)


def _name(common: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "US"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "stirmilter laboratory"),
            x509.NameAttribute(NameOID.COMMON_NAME, common[:64]),
        ]
    )
