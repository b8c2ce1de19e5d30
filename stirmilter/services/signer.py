"""With what we sign: a key, its certificate, and where that is served."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    load_pem_private_key,
)

from stirmilter.stir import credential, delegation, uri
from stirmilter.stir.credential import CERTIFICATES, Credential
from stirmilter.stir.jws import SigningKey, SoftwareKey
from stirmilter.stir.tn import NumberSet

_OUR_CLAIMS: Final = {"dest": {}, "iat": 0, "msgi": "", "orig": {}}
"""Names of the claims we emit; values are checked with each message."""

Keyring = Callable[[ec.EllipticCurvePublicKey], SigningKey]
"""Finds the key that belongs to a public key, in a token say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """One key, the certificate that names what it may say, and where that is served."""

    name: str
    key: SigningKey
    credential: Credential
    x5u: str
    numbers: NumberSet
    domains: frozenset[str] = frozenset()
    """Hosts whose URIs it signs for."""

    proven: bool = True
    """Whether it may be used. A daemon first sees that the x5u serves the chain."""

    @classmethod
    def load(
        cls,
        *,
        name: str,
        key: bytes | Keyring,
        chain: bytes,
        x5u: str,
        numbers: NumberSet,
        domains: Iterable[str] = (),
        certificates: int = CERTIFICATES,
    ) -> Signer:
        """Make a signer of two PEM files, and refuse what no verifier would accept.

        A TNAuthList that a CA certificate refers to is not asked for: whether the chain
        keeps within it, a daemon sees when it has the signer proven.

        Args:
            name: for the log.
            key: an unencrypted P-256 key, or who has it.
            chain: certificates, signer first (RFC 9060 §7).
            x5u: the URL where exactly that chain is served.
            numbers: whom it signs for, within what the certificate covers.
            domains: hosts of the URIs that it signs for.
            certificates: longest chain, anchor not counted.

        Raises:
            Unverified: the chain; no trust anchor has been asked.
            ValueError: the key, or that it is not the one of the first certificate.
        """
        path = credential.load_chain(chain, certificates)
        found = credential.read(path[0], path)
        delegation.check(path, path)
        found.constraints.check(_OUR_CLAIMS)
        held = _read(key) if isinstance(key, bytes) else key(found.public_key)
        if found.public_key != held.public_key:
            raise ValueError("not the key of the first certificate in the chain")
        return cls(
            name=name,
            key=held,
            credential=found,
            x5u=x5u,
            numbers=numbers,
            domains=frozenset(domains),
        )

    @property
    def chain_digest(self) -> str:
        """SHA-256 of the whole chain: what its x5u has to serve."""
        digest = hashlib.sha256()
        for certificate in self.credential.path:
            digest.update(certificate.public_bytes(Encoding.DER))
        return digest.hexdigest()

    def serves(self, sender: str) -> bool:
        """Tell whether the operator gave this signer a number or URI to sign for."""
        if ":" in sender:
            return (
                uri.canonical(sender) == sender and uri.domain(sender) in self.domains
            )
        return sender in self.numbers

    def usable_at(self, now: datetime) -> bool:
        """Tell whether its signature would be believed now."""
        return self.proven and self.credential.valid_at(now)


@dataclass(frozen=True, slots=True)
class FormerKey:
    """A key that we signed with until a while ago: its tokens are still ours (H-10)."""

    x5u: str
    public_key: ec.EllipticCurvePublicKey
    until: datetime
    """When the last of them is stale."""


def _read(pem: bytes) -> SoftwareKey:
    try:
        private = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ValueError("not an unencrypted PEM key") from None
    return SoftwareKey(private)
