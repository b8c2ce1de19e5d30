"""A toy STI PKI: roots, an intermediate, signers, and a web server for their chains.

For laboratories, tests and the demonstration. Its keys lie unencrypted in one folder,
so nothing outside a laboratory may trust it.

    root.pem              trust anchor of the good signers
    untrusted-root.pem    a second root that nobody trusts
    tls-ca.pem            anchor of the web server's certificate
    keys/NAME.key         private key of a signer
    www/NAME.pem          its chain, signer first; what the web server serves
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from threading import Thread
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import NameOID

from stirmilter.errors import ConfigError
from stirmilter.stir import hazmat
from stirmilter.stir.tnauthlist import TNAuthList

LOOPBACK: Final = "127.0.0.1"
_YEARS: Final = timedelta(days=3650)
_SERVED: Final = "application/pem-certificate-chain"  # RFC 9060 §7


@dataclass(frozen=True, slots=True)
class Authority:
    """A CA certificate with its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


@dataclass(frozen=True, slots=True, kw_only=True)
class SignerFiles:
    """Where a signer's key and chain lie."""

    name: str
    key: Path
    chain: Path


class TestCA:
    """The PKI in one folder."""

    __test__ = False  # pytest: this is no test

    def __init__(self, folder: Path) -> None:
        """Take a folder that `create` has filled.

        Raises:
            ConfigError: it has not.
        """
        self.folder = folder
        if not (folder / "root.pem").exists():
            raise ConfigError(
                str(folder), f"no test CA; run: stirmilter testca create {folder}"
            )

    @classmethod
    def create(cls, folder: Path, now: datetime) -> TestCA:
        """Make roots, intermediates and the web server's certificate.

        Raises:
            ConfigError: the folder has a test CA already.
        """
        if (folder / "root.pem").exists():
            raise ConfigError(str(folder), "has a test CA already; remove it first")
        for name in ("keys", "www"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        for prefix in ("", "untrusted-"):
            root = _authority(f"Laboratory STI {prefix}Root", None, now)
            middle = _authority(f"Laboratory STI {prefix}Intermediate", root, now)
            _write(folder, f"{prefix}root", root)
            _write(folder, f"{prefix}intermediate", middle)
        tls = _authority("Laboratory TLS Root", None, now)
        _write(folder, "tls-ca", tls)
        _write(folder, "tls", _web_server(tls, now))
        return cls(folder)

    @property
    def anchors(self) -> Path:
        """The file to trust."""
        return self.folder / "root.pem"

    @property
    def tls_ca(self) -> Path:
        """The anchor of the web server."""
        return self.folder / "tls-ca.pem"

    def files(self, name: str) -> SignerFiles:
        """Name the files of a signer."""
        return SignerFiles(
            name=name,
            key=self.folder / "keys" / f"{name}.key",
            chain=self.folder / "www" / f"{name}.pem",
        )

    def signer(
        self,
        name: str,
        covers: TNAuthList,
        now: datetime,
        *,
        valid: timedelta = timedelta(days=30),
        age: timedelta = timedelta(hours=1),
        trusted: bool = True,
    ) -> SignerFiles:
        """Issue a signer's certificate and write key and chain.

        Args:
            name: used in file names and as common name.
            covers: what it may speak for.
            now: the time to reckon validity from.
            valid: how long from `now`; negative for one that has expired.
            age: how long before `now` it began, or before the end if that is earlier.
            trusted: False issues it under the root that nobody trusts.
        """
        issuer = self._load("intermediate" if trusted else "untrusted-intermediate")
        key = ec.generate_private_key(ec.SECP256R1())
        end = now + valid
        begin = min(now, end) - age
        builder = _builder(f"SHAKEN {name}", issuer, key, begin, end).add_extension(
            x509.BasicConstraints(ca=False, path_length=None), critical=True
        )
        der = hazmat.encode_tn_auth_list(
            [
                *(("spc", spc, 1) for spc in covers.spcs),
                *(("one", number, 1) for number in sorted(covers.numbers)),
                *(
                    ("range", first, int(last) - int(first) + 1)
                    for first, last in covers.ranges
                ),
            ]
        )
        builder = builder.add_extension(
            _usage(digital_signature=True), critical=True
        ).add_extension(
            x509.UnrecognizedExtension(hazmat.TN_AUTH_LIST, der), critical=False
        )
        leaf = builder.sign(issuer.key, SHA256())
        files = self.files(name)
        _write_key(files.key, key)
        files.chain.write_bytes(_pem(leaf) + _pem(issuer.certificate))
        return files

    @contextmanager
    def publish(self, port: int = 0) -> Iterator[str]:
        """Serve the chains over https on loopback; yields the base URL."""
        server = self.server(port)
        thread = Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield f"https://{LOOPBACK}:{server.server_port}"
        finally:
            server.shutdown()
            server.server_close()
            thread.join()

    def server(self, port: int = 0) -> ThreadingHTTPServer:
        """Bind the web server; its owner serves and closes it."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.folder / "tls.pem", self.folder / "tls.key")
        www = str(self.folder / "www")
        server = ThreadingHTTPServer(
            (LOOPBACK, port), lambda *a: _Handler(*a, directory=www)
        )
        server.daemon_threads = True
        # The handshake belongs to the request's thread, not to the accepting one.
        server.socket = context.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
        return server

    def _load(self, name: str) -> Authority:
        key = serialization.load_pem_private_key(
            (self.folder / f"{name}.key").read_bytes(), None
        )
        assert isinstance(key, ec.EllipticCurvePrivateKey)  # noqa: S101 - `create` made it
        return Authority(
            x509.load_pem_x509_certificate((self.folder / f"{name}.pem").read_bytes()),
            key,
        )


class _Handler(SimpleHTTPRequestHandler):
    extensions_map = {".pem": _SERVED, "": _SERVED}  # noqa: RUF012 - inherited
    timeout = 10  # a client that stops talking must not keep its thread

    def list_directory(self, path: str) -> None:  # type: ignore[override] # noqa: ARG002
        self.send_error(404)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - inherited
        """Say nothing: whoever fetches logs what came of it."""


def _authority(name: str, issuer: Authority | None, now: datetime) -> Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    begin = now - timedelta(days=365)
    builder = (
        _builder(name, issuer, key, begin, now + _YEARS)
        .add_extension(
            x509.BasicConstraints(ca=True, path_length=0 if issuer else None),
            critical=True,
        )
        .add_extension(_usage(key_cert_sign=True), critical=True)
    )
    return Authority(builder.sign(issuer.key if issuer else key, SHA256()), key)


def _web_server(issuer: Authority, now: datetime) -> Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    names = [x509.IPAddress(ip_address(LOOPBACK)), x509.DNSName("localhost")]
    builder = (
        _builder("localhost", issuer, key, now - timedelta(days=1), now + _YEARS)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(_usage(digital_signature=True), critical=True)
    )
    return Authority(builder.sign(issuer.key, SHA256()), key)


def _builder(
    name: str,
    issuer: Authority | None,
    key: ec.EllipticCurvePrivateKey,
    begin: datetime,
    end: datetime,
) -> x509.CertificateBuilder:
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


def _name(common: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "US"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "stirmilter laboratory"),
            x509.NameAttribute(NameOID.COMMON_NAME, common[:64]),
        ]
    )


def _usage(
    *, digital_signature: bool = False, key_cert_sign: bool = False
) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        key_cert_sign=key_cert_sign,
        crl_sign=key_cert_sign,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _write(folder: Path, name: str, authority: Authority) -> None:
    (folder / f"{name}.pem").write_bytes(_pem(authority.certificate))
    _write_key(folder / f"{name}.key", authority.key)


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    path.touch(mode=0o600)
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
