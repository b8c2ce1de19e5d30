"""Each token once for each recipient (RFC 8224 §12.1, RFC 9475 §3.2).

What a store keeps tells nobody anything: neither key nor holder can be turned back into
a number or a message.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Literal

from stirmilter.errors import StoreError
from stirmilter.events import Claim, Claimed
from stirmilter.services.message import Message, ReplayStore
from stirmilter.stir.passport import Passport
from stirmilter.stir.result import Reason, StirResult, printable


@dataclass(frozen=True, slots=True)
class ReplayGuard:
    """Uses tokens up, and knows what to make of a store that does not answer."""

    store: ReplayStore
    on_failure: Literal["unknown", "pass"] = "unknown"
    trouble: Callable[[str], None] = lambda _: None
    """Told what kept us from looking, where the message passes all the same."""

    observe: Callable[[Claimed], None] = lambda _: None
    """Told of each question to the store."""

    def claim(
        self, good: StirResult, message: Message, now: datetime, *, keep: bool
    ) -> StirResult:
        """Use up a verified token for each recipient of this delivery.

        Args:
            good: of a token that passed but for this.
            message: the delivery.
            now: aware time.
            keep: False only looks whether it could be used up.

        Returns:
            The same, or why it is no pass: another delivery had it, or nobody knows.
        """
        token = good.passport
        assert token is not None  # noqa: S101 - nothing else passes
        keys = [key(token, recipient) for recipient in sorted(message.dest)]
        signed_at = datetime.fromtimestamp(token.claims.iat, UTC)
        began = time.perf_counter()
        try:
            first = self.store.claim(keys, holder(message), signed_at, now, keep=keep)
        except StoreError as error:
            self.observe(Claimed("unknown", time.perf_counter() - began))
            text = printable(str(error))
            if self.on_failure == "pass":
                self.trouble(f"not looked for a replay: {text}")
                return replace(good, notes=(*good.notes, "not looked for a replay"))
            return replace(good, reason=Reason.REPLAY_UNKNOWN, detail=text)
        outcome: Claim = "granted" if first else "replayed"
        self.observe(Claimed(outcome, time.perf_counter() - began))
        if first:
            return good
        detail = "seen before in another delivery"
        rule = "RFC 8224 §12.1"
        return replace(good, reason=Reason.REPLAYED, detail=detail, rule=rule)


def key(token: Passport, recipient: str) -> bytes:
    """Name the use of a token for a recipient, in 16 octets."""
    text = f"{token.fingerprint}:{recipient}"
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:16]


def keys(token: Passport, recipients: Iterable[str]) -> list[bytes]:
    """Name all uses that a token may have had: for whom it names, and for others."""
    return [key(token, one) for one in sorted({*token.claims.named, *recipients})]


def holder(message: Message) -> bytes:
    """Name a delivery, in 16 octets."""
    return hashlib.sha256(message.delivery.encode()).digest()[:16]
