"""From an x5u and a time to a credential that an anchor vouches for."""

from __future__ import annotations

from datetime import datetime

from cryptography import x509

from stirmilter.services.message import CertificateRepository
from stirmilter.stir import credential
from stirmilter.stir.credential import CERTIFICATES, Credential, TrustAnchors


class CredentialService:
    """Has chains fetched and validates them, each once for as long as it is valid."""

    def __init__(
        self,
        repository: CertificateRepository,
        anchors: TrustAnchors,
        *,
        certificates: int = CERTIFICATES,
        paths: int = 2_000,
    ) -> None:
        """Take where chains come from, and whom to trust.

        Args:
            repository: by URL.
            anchors: the roots.
            certificates: longest chain, anchor not counted.
            paths: validated chains that are remembered.
        """
        self.repository = repository
        self.anchors = anchors
        self._certificates = certificates
        self._limit = paths
        # By identity: a repository returns the tuple that it has, and hashing all the
        # octets of a chain would cost more than any other step but the signature.
        self._paths: dict[int, tuple[tuple[x509.Certificate, ...], Credential]] = {}

    def at(self, x5u: str, signed_at: datetime) -> Credential:
        """Fetch a chain and validate it at ``iat``, or remember that it is valid.

        Raises:
            FetchError: the chain cannot be had.
            Unverified: it gives nobody the right to sign.
        """
        chain = self.repository.chain(x5u)
        known = self._paths.get(id(chain))
        if known and known[0] is chain and known[1].valid_at(signed_at):
            return known[1]
        found = credential.validate(chain, self.anchors, signed_at, self._certificates)
        if len(self._paths) >= self._limit:
            self._paths.clear()
        self._paths[id(chain)] = chain, found
        return found
