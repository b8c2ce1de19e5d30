"""The authentication service: PASSporTs for numbers that are ours (RFC 8224 §6.1).

`sign` vouches for a message of a number of ours, `divert` for our forwarding of one
that came to a number of ours (RFC 8946).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from stirmilter.errors import SigningError
from stirmilter.services.message import Message, read_value
from stirmilter.stir import (
    claims,
    credential,
    delegation,
    diversion,
    identity,
    jws,
    passport,
    uri,
)
from stirmilter.stir.claims import Claims, Identity
from stirmilter.stir.credential import CERTIFICATES, Credential
from stirmilter.stir.passport import Limits, Passport
from stirmilter.stir.result import Unverified
from stirmilter.stir.tn import NumberSet

_OUR_CLAIMS: Final = {"dest": {}, "iat": 0, "msgi": "", "orig": {}}
"""Names of the claims we emit; values are checked with each message."""

_SECOND: Final = timedelta(seconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """One key, the certificate that names what it may say, and where that is served."""

    name: str
    key: ec.EllipticCurvePrivateKey
    credential: Credential
    x5u: str
    numbers: NumberSet
    domains: frozenset[str] = frozenset()
    """Hosts whose URIs it signs for."""

    @classmethod
    def load(
        cls,
        *,
        name: str,
        key: bytes,
        chain: bytes,
        x5u: str,
        numbers: NumberSet,
        domains: Iterable[str] = (),
        certificates: int = CERTIFICATES,
    ) -> Signer:
        """Make a signer of two PEM files, and refuse what no verifier would accept.

        Args:
            name: for the log.
            key: an unencrypted P-256 key.
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
        try:
            private = load_pem_private_key(key, password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise ValueError("not an unencrypted PEM key") from None
        if not isinstance(private, ec.EllipticCurvePrivateKey) or not jws.is_p256(
            private
        ):
            raise ValueError("not a P-256 key, which ES256 needs")
        if found.public_key != private.public_key():
            raise ValueError("not the key of the first certificate in the chain")
        return cls(
            name=name,
            key=private,
            credential=found,
            x5u=x5u,
            numbers=numbers,
            domains=frozenset(domains),
        )

    def serves(self, sender: str) -> bool:
        """Tell whether the operator gave this signer a number or URI to sign for."""
        if ":" in sender:
            return (
                uri.canonical(sender) == sender and uri.domain(sender) in self.domains
            )
        return sender in self.numbers


class AuthenticationService:
    """Makes PASSporTs for messages from numbers that we hold authority over."""

    def __init__(
        self,
        signers: Sequence[Signer],
        *,
        algorithm: str = "sha256",
        freshness: timedelta = timedelta(hours=24),
        diversions: int = 4,
        uris: bool = True,
        limits: Limits = Limits(),  # noqa: B008 - frozen
    ) -> None:
        """Take the signers and what holds for all of them.

        Args:
            signers: in order of preference.
            algorithm: name of the msgi digest.
            freshness: how long a token of ours keeps a message from another one.
            diversions: greatest length of a chain of ``div`` tokens.
            uris: whether to speak for URIs, within the domains of the signers.
            limits: what our own verifiers would accept; more is not signed.
        """
        self.signers = tuple(signers)
        self.algorithm = algorithm
        self.freshness = freshness
        self.diversions = diversions
        self.uris = uris
        self.limits = limits

    def sign(self, message: Message, now: datetime) -> Passport:
        """Make the PASSporT of a message, or say why there is none.

        Source: RFC 8224 §6.1. That the sender may use the number at all (step 2) is the
        caller's to know.

        Raises:
            SigningError: `failure` tells a fault of ours from a message that is simply
                not ours to sign (RFC 8224 §6.1 step 1: pass it on without).
        """
        if message.orig is None:
            raise SigningError("no-originator", "no single originating number")
        if not message.dest:
            raise SigningError("no-recipient", "no recipient is a telephone number")
        signer = self.signer_for(message.orig)
        content = Claims.message(
            message.orig,
            self._within_limit(message.dest),
            int(now.timestamp()),
            message.body.value(self.algorithm),
        )
        if signer is None:
            raise SigningError("no-signer", "no signer serves the number")
        return _issue(signer, message.orig, content, now)

    def divert(
        self, message: Message, values: Iterable[str], now: datetime
    ) -> Passport:
        """Make the ``div`` token of a message that a number of ours sends on.

        Source: RFC 8946 §4.1. The tokens that came with the message stay. Their
        signatures are not checked here: what ours says, that the message was diverted,
        is true without, and a verifier checks the whole chain.

        Args:
            message: as it leaves: `dest` is whom it goes to now.
            values: header values of the tokens that it carries.
            now: aware time.

        Raises:
            SigningError: ``not-diverted`` when there is nothing to say, and everything
                that `sign` raises.
        """
        tokens = self._readable(values)
        followed = [token for token in tokens if token.claims.div is not None]
        for token in tokens:
            if token.claims.div is None and self._holds(token.claims, message, now):
                innermost = token.claims
                break
        else:
            raise SigningError("not-diverted", "no fresh token of this message")
        named = diversion.reach(innermost, followed, self.diversions)
        targets = message.dest - named
        if not targets:
            raise SigningError("not-diverted", "its tokens name every recipient")
        served = [
            (number, signer)
            for number in diversion.last(innermost, followed, self.diversions)
            if (signer := self.signer_for(number))
        ]
        if not served:
            raise SigningError("no-signer", "no signer serves whom it was sent to")
        if len(served) > 1:
            detail = f"{len(served)} numbers of ours may have sent it on"
            raise SigningError("ambiguous-diversion", detail)
        [(diverting, signer)] = served
        content = innermost.diverted(diverting, self._within_limit(targets))
        if signer.credential.validity[0] > datetime.fromtimestamp(content.iat, UTC):
            # ``iat`` is that of the message, and no verifier would take it.
            detail = f"{signer.name}: the certificate is younger than the message"
            raise SigningError("credential-too-young", detail)
        return _issue(signer, diverting, content, now)

    def signer_for(self, sender: str) -> Signer | None:
        """Return the first signer that serves a canonical number or URI."""
        if ":" in sender and not self.uris:
            return None
        return next((s for s in self.signers if s.serves(sender)), None)

    def signed(self, message: Message, values: Iterable[str], now: datetime) -> bool:
        """Tell whether a message carries a good and fresh PASSporT of ours already.

        A message that passes us twice, after a content filter say, keeps its first
        token (H-10), and the ``div`` token that took it on to its recipients.
        """
        keys = {s.x5u: s.credential.public_key for s in self.signers}
        tokens = self._readable(values)
        followed = [token for token in tokens if token.claims.div is not None]
        for token in tokens:
            named = diversion.reach(token.claims, followed, self.diversions)
            if (
                token.x5u in keys
                and token.claims.msgi == message.body.value(self.algorithm)
                and token.claims.named <= message.dest <= named
                and self._holds(token.claims, message, now)
            ):
                try:
                    jws.verify(token.signing_input, token.signature, keys[token.x5u])
                except Unverified:
                    continue
                return True
        return False

    def _readable(self, values: Iterable[str]) -> list[Passport]:
        found = []
        for value in values:
            try:
                token, parameters = read_value(value, self.limits)
                identity.check_mirrors(parameters, token)
            except Unverified:
                continue
            found.append(token)
        return found

    def _holds(self, content: Claims, message: Message, now: datetime) -> bool:
        """Tell whether claims are fresh, and about this originator and this body."""
        try:
            claims.check_freshness(content, now, self.freshness, _SECOND)
        except Unverified:
            return False
        msgi = content.msgi
        if message.orig is None or msgi is None:
            return False
        found = message.body.digests.get(("exact", msgi.algorithm))
        return content.orig == Identity.of(message.orig) and found == msgi.octets

    def _within_limit(self, dest: Iterable[str]) -> frozenset[str]:
        found = frozenset(dest)
        if len(found) > self.limits.dest:
            detail = f"{len(found)} numbers, at most {self.limits.dest}"
            raise SigningError("too-many-recipients", detail)
        return found


def _issue(signer: Signer, speaker: str, content: Claims, now: datetime) -> Passport:
    """Sign, if the certificate covers `speaker` and lets the claims be made now."""
    try:
        signer.credential.authority(speaker)
        signer.credential.constraints.check(content.raw)
    except Unverified as error:
        raise SigningError(
            error.reason.code, f"{signer.name}: {error.detail}", failure=True
        ) from None
    if not signer.credential.valid_at(now):
        raise SigningError(
            "credential-expired",
            f"{signer.name}: the certificate is not valid now",
            failure=True,
        )
    return passport.issue(content, signer.x5u, signer.key)
