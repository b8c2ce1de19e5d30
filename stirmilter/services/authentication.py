"""The authentication service: PASSporTs for numbers that are ours (RFC 8224 §6.1).

`sign` vouches for a message of a number of ours, `divert` for our forwarding of one
that came to a number of ours (RFC 8946).
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec

from stirmilter.errors import SigningError, StoreError
from stirmilter.services.message import Message, read_value
from stirmilter.services.signer import FormerKey, Signer
from stirmilter.stir import claims, diversion, identity, jws, passport
from stirmilter.stir.claims import Claims, Identity
from stirmilter.stir.passport import Limits, Passport
from stirmilter.stir.result import Unverified

_SECOND: Final = timedelta(seconds=1)


class AuthenticationService:
    """Makes PASSporTs for messages from numbers that we hold authority over."""

    def __init__(
        self,
        signers: Sequence[Signer],
        *,
        former: Iterable[FormerKey] = (),
        algorithm: str = "sha256",
        freshness: timedelta = timedelta(hours=24),
        diversions: int = 4,
        uris: bool = True,
        limits: Limits = Limits(),  # noqa: B008 - frozen
    ) -> None:
        """Take the signers and what holds for all of them.

        Args:
            signers: in order of preference.
            former: keys whose tokens may still be on their way.
            algorithm: name of the msgi digest.
            freshness: how long a token of ours keeps a message from another one.
            diversions: greatest length of a chain of ``div`` tokens.
            uris: whether to speak for URIs, within the domains of the signers.
            limits: what our own verifiers would accept; more is not signed.
        """
        self.signers = tuple(signers)
        self.former = tuple(former)
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
        signer = self.signer_for(message.orig, now)
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
            if (signer := self.signer_for(number, now))
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

    def signer_for(self, sender: str, now: datetime) -> Signer | None:
        """Return the first signer that serves a canonical number or URI, and may now.

        Where none of them may, the first: its fault is the one to tell.
        """
        if ":" in sender and not self.uris:
            return None
        first = None
        for one in self.signers:
            if one.serves(sender):
                if one.usable_at(now):
                    return one
                first = first or one
        return first

    def using(
        self, signers: Iterable[Signer], former: Iterable[FormerKey]
    ) -> AuthenticationService:
        """Return the same service with other signers."""
        other = copy.copy(self)
        other.signers = tuple(signers)
        other.former = tuple(former)
        return other

    def signed(self, message: Message, values: Iterable[str], now: datetime) -> bool:
        """Tell whether a message carries a good and fresh PASSporT of ours already.

        A message that passes us twice, after a content filter say, keeps its first
        token (H-10), and the ``div`` token that took it on to its recipients.
        """
        tokens = self._readable(values)
        if not tokens:
            return False
        ours = [
            *((one.x5u, one.credential.public_key) for one in self.signers),
            *((one.x5u, one.public_key) for one in self.former if now <= one.until),
        ]
        followed = [token for token in tokens if token.claims.div is not None]
        for token in tokens:
            named = diversion.reach(token.claims, followed, self.diversions)
            keys = [key for x5u, key in ours if x5u == token.x5u]
            if (
                keys
                and token.claims.msgi == message.body.value(self.algorithm)
                and token.claims.named <= message.dest <= named
                and self._holds(token.claims, message, now)
                and any(_signed_with(token, key) for key in keys)
            ):
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
    if not signer.proven:
        detail = f"{signer.name}: not proven yet; the log says why"
        raise SigningError("credential-unproven", detail, failure=True)
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
    try:
        return passport.issue(content, signer.x5u, signer.key)
    except StoreError as error:
        raise SigningError(
            "key-unavailable", f"{signer.name}: {error}", failure=True
        ) from None


def _signed_with(token: Passport, key: ec.EllipticCurvePublicKey) -> bool:
    try:
        jws.verify(token.signing_input, token.signature, key)
    except Unverified:
        return False
    return True
