"""Whose key a token names, whether it may sign this, and whether it did.

Steps 3 and 5 of RFC 8224 §6.2, for ``msg`` and ``div`` tokens alike.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

from stirmilter.services.credentials import CredentialService, Vouched
from stirmilter.services.patience import Patience
from stirmilter.stir import jws
from stirmilter.stir.credential import Credential
from stirmilter.stir.passport import Passport
from stirmilter.stir.result import Authority, Reason, Unverified


@dataclass(slots=True)
class Asking:
    """What one message may have asked, all its tokens together."""

    now: datetime
    patience: Patience
    urls: set[str] = field(default_factory=set)
    """What was fetched from."""


@dataclass(slots=True)
class Signer:
    """Who signed a token, as far as that is known yet."""

    vouched: Vouched | None = None
    authority: Authority = "none"
    notes: tuple[str, ...] = ()


class SignatureService:
    """Holds tokens against their credentials."""

    def __init__(self, credentials: CredentialService, x5u: int) -> None:
        """Take where credentials come from, and how many URLs a message may name."""
        self._credentials = credentials
        self._x5u = x5u

    def check(
        self, token: Passport, speaker: str, asking: Asking, signer: Signer
    ) -> Credential:
        """Hold a token against its credential; or the one that has taken its place.

        A signer that renews gets a new URL (RFC 8224 §7.3). One that does not has a new
        key at the old URL, while we may keep the old chain for a day.

        Args:
            token: one that is good but for that.
            speaker: the identity that it speaks for.
            asking: what its message may have asked.
            signer: filled in as far as it gets.

        Raises:
            FetchError: the credential cannot be had.
            Unverified: it may not sign this, or did not.
        """
        try:
            return self._check(token, speaker, asking, signer)
        except Unverified as error:
            # Whatever was wrong with the old one: with a new key it counts no more.
            vouched = signer.vouched
            if vouched is None or _fits(token, vouched, error):
                raise
            if not self._credentials.renewed(token.x5u, vouched, asking.patience):
                raise
        signer.vouched, signer.authority = None, "none"
        signer.notes = ("the x5u serves another chain than before",)
        return self._check(token, speaker, asking, signer)

    def _check(
        self, token: Passport, speaker: str, asking: Asking, signer: Signer
    ) -> Credential:
        """Have the credential at hand, and check that it may sign this, and did."""
        # Step 3: Identify Credential for Validation
        signer.vouched = self._credential(token, speaker, asking)
        self._credentials.check(signer.vouched, speaker)
        found = signer.vouched.credential
        signer.authority = found.authority(speaker)
        found.constraints.check(token.claims.raw)
        # Step 5: Validate the Signature
        jws.verify(token.signing_input, token.signature, found.public_key)
        return found

    def _credential(self, token: Passport, speaker: str, asking: Asking) -> Vouched:
        """Have the credential of a token, within the URLs that a message may name."""
        if token.x5u not in asking.urls:
            if len(asking.urls) >= self._x5u:
                detail = f"more than {self._x5u} different x5u"
                raise Unverified(Reason.TOO_MANY_PASSPORTS, detail, "profile §5")
            asking.urls.add(token.x5u)
        signed_at = datetime.fromtimestamp(token.claims.iat, UTC)
        return self._credentials.at(
            token.x5u, signed_at, asking.now, speaker, asking.patience
        )


def _fits(token: Passport, vouched: Vouched, error: Unverified) -> bool:
    """Tell whether a credential has signed a token that was refused for an error."""
    if error.reason is Reason.BAD_SIGNATURE:
        return False
    key = vouched.credential.public_key
    try:
        jws.verify(token.signing_input, token.signature, key)
    except Unverified:
        return False
    return True
