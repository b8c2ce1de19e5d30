"""A toy STI PKI: roots, an intermediate, signers, and a web server for their chains.

For laboratories, tests and the demonstration. Its keys lie unencrypted in one folder,
so nothing outside a laboratory may trust it.

    root.pem              trust anchor of the good signers
    untrusted-root.pem    a second root that nobody trusts
    sti-pa.pem            root of the policy administrator, who revokes for all issuers
    tls-ca.pem            anchor of the web server's certificate
    keys/NAME.key         private key of a signer
    www/NAME.pem          its chain, signer first; what the web server serves
    www/*.crl             revocation lists, after `crl` or `revoke`
    www/NAME.tnauthlist   the list of a signer whose certificate only refers to it
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from http.server import ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

from stirmilter.errors import ConfigError, reason
from stirmilter.stir import hazmat
from stirmilter.stir.tnauthlist import TNAuthList
from stirmilter.testca import issuing, revoking, server
from stirmilter.testca.issuing import LOOPBACK, Authority
from stirmilter.testca.revoking import Revoked

__all__ = ["LOOPBACK", "Authority", "SignerFiles", "TestCA"]

_DAY: Final = timedelta(days=1)


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
        """Make roots, intermediates, administrator and the web server's certificate.

        Raises:
            ConfigError: the folder has a test CA already, or cannot be made.
        """
        if (folder / "root.pem").exists():
            raise ConfigError(str(folder), "has a test CA already; remove it first")
        try:
            for name in ("keys", "www"):
                (folder / name).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(str(folder), reason(error)) from None
        for prefix in ("", "untrusted-"):
            root = issuing.authority(f"Laboratory STI {prefix}Root", None, now)
            name = f"Laboratory STI {prefix}Intermediate"
            issuing.write(folder, f"{prefix}root", root)
            issuing.write(
                folder, f"{prefix}intermediate", issuing.authority(name, root, now)
            )
        administrator = issuing.authority("Laboratory STI-PA Root", None, now)
        issuing.write(folder, "sti-pa", administrator)
        lister = issuing.list_signer("Laboratory STI-PA CRL", administrator, now)
        issuing.write(folder, "sti-pa-crl", lister)
        tls = issuing.authority("Laboratory TLS Root", None, now)
        issuing.write(folder, "tls-ca", tls)
        issuing.write(folder, "tls", issuing.web_server(tls, now))
        return cls(folder)

    @property
    def anchors(self) -> Path:
        """The file to trust."""
        return self.folder / "root.pem"

    @property
    def crl_issuers(self) -> Path:
        """The file of who may sign the indirect list."""
        return self.folder / "sti-pa-crl.pem"

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
        crl: str = "",
        reference: str = "",
    ) -> SignerFiles:
        """Issue a signer's certificate and write key and chain.

        Args:
            name: used in file names and as common name.
            covers: what it may speak for.
            now: the time to reckon validity from.
            valid: how long from `now`; negative for one that has expired.
            age: how long before `now` it began, or before the end if that is earlier.
            trusted: False issues it under the root that nobody trusts.
            crl: URL of the list that may revoke it. One that ends in ``sti-pa.crl`` is
                the administrator's, whom the certificate then names.
            reference: URL of its TNAuthList, which is written to be served; empty puts
                the list into the certificate.
        """
        issuer = self._load(revoking.ISSUERS[0 if trusted else 1])
        key = ec.generate_private_key(ec.SECP256R1())
        end = now + valid
        begin = min(now, end) - age
        builder = (
            issuing.builder(f"SHAKEN {name}", issuer, key, begin, end)
            .add_extension(
                x509.BasicConstraints(ca=False, path_length=None), critical=True
            )
            .add_extension(issuing.usage(digital_signature=True), critical=True)
        )
        for extension in (self._list(name, covers, reference), *self._revocation(crl)):
            builder = builder.add_extension(extension, critical=False)
        leaf = builder.sign(issuer.key, SHA256())
        files = self.files(name)
        issuing.write_key(files.key, key)
        files.chain.write_bytes(issuing.pem(leaf) + issuing.pem(issuer.certificate))
        return files

    def _list(
        self, name: str, covers: TNAuthList, reference: str
    ) -> x509.ExtensionType:
        """Say whom a signer speaks for, in the certificate or elsewhere."""
        der = issuing.encode(covers)
        if not reference:
            return x509.UnrecognizedExtension(hazmat.TN_AUTH_LIST, der)
        (self.folder / "www" / f"{name}.tnauthlist").write_bytes(der)
        url = x509.UniformResourceIdentifier(reference)
        access = x509.AccessDescription(hazmat.TN_AUTH_LIST_REFERENCE, url)
        return x509.AuthorityInformationAccess([access])

    def _revocation(self, crl: str) -> Iterable[x509.ExtensionType]:
        """Say where a signer's status stands, and on whose word."""
        if not crl:
            return
        issuer = None
        if crl.endswith("/sti-pa.crl"):
            lister = self._load("sti-pa-crl").certificate
            issuer = [x509.DirectoryName(lister.subject)]
        url = [x509.UniformResourceIdentifier(crl)]
        yield x509.CRLDistributionPoints(
            [x509.DistributionPoint(url, None, None, issuer)]
        )

    def revoke(self, name: str, now: datetime, valid: timedelta = _DAY) -> None:
        """Revoke a signer's certificate, and make the lists anew.

        Raises:
            ConfigError: there is no such signer.
        """
        path = self.files(name).chain
        try:
            leaf = x509.load_pem_x509_certificate(path.read_bytes())
        except OSError as error:
            raise ConfigError(str(path), f"no such signer: {error.strerror}") from None
        for issuer in revoking.ISSUERS:
            if self._load(issuer).certificate.subject == leaf.issuer:
                one = Revoked(leaf.serial_number, issuer, now.isoformat())
                others = revoking.load(self.folder)
                if one.serial not in {other.serial for other in others}:
                    revoking.save(self.folder, [*others, one])
        self.crl(now, valid)

    def crl(self, now: datetime, valid: timedelta = _DAY) -> tuple[Path, Path]:
        """Make the lists: the intermediate's own, and the administrator's of all."""
        www = self.folder / "www"
        paths = www / "intermediate.crl", www / "sti-pa.crl"
        paths[0].write_bytes(revoking.direct(self.folder, now, valid))
        paths[1].write_bytes(revoking.indirect(self.folder, now, valid))
        return paths

    @contextmanager
    def publish(self, port: int = 0) -> Iterator[str]:
        """Serve the chains over https on loopback; yields the base URL."""
        bound = self.server(port)
        thread = Thread(target=bound.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield f"https://{LOOPBACK}:{bound.server_port}"
        finally:
            bound.shutdown()
            bound.server_close()
            thread.join()

    def server(self, port: int = 0) -> ThreadingHTTPServer:
        """Bind the web server; its owner serves and closes it."""
        return server.serve(self.folder, self.folder / "www", port)

    def _load(self, name: str) -> Authority:
        return issuing.load(self.folder, name)
