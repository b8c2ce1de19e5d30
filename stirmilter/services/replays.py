"""Each token once for each recipient (RFC 8224 §12.1, RFC 9475 §3.2).

What a store keeps tells nobody anything: neither key nor holder can be turned back into
a number or a message.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from stirmilter.errors import StoreError
from stirmilter.events import Claim, Claimed
from stirmilter.services.message import Message, ReplayStore
from stirmilter.stir.passport import Passport
from stirmilter.stir.result import Reason, Unverified, printable


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
        self, token: Passport, message: Message, now: datetime
    ) -> tuple[str, ...]:
        """Use up a verified token for each recipient of this delivery.

        Returns notes for the result.

        Raises:
            Unverified: another delivery had it, or nobody knows.
        """
        keys = [key(token, recipient) for recipient in sorted(message.dest)]
        signed_at = datetime.fromtimestamp(token.claims.iat, UTC)
        began = time.perf_counter()
        try:
            first = self.store.claim(keys, holder(message), signed_at, now)
        except StoreError as error:
            self.observe(Claimed("unknown", time.perf_counter() - began))
            text = printable(str(error))
            if self.on_failure == "pass":
                self.trouble(f"not looked for a replay: {text}")
                return ("not looked for a replay",)
            raise Unverified(Reason.REPLAY_UNKNOWN, text) from None
        outcome: Claim = "granted" if first else "replayed"
        self.observe(Claimed(outcome, time.perf_counter() - began))
        if not first:
            detail = "seen before in another delivery"
            raise Unverified(Reason.REPLAYED, detail, "RFC 8224 §12.1")
        return ()


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
