"""Facts that left the filter, for whoever keeps account: the log, later metrics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Handled:
    """One message left the filter."""

    direction: Literal["out", "in"]
    outcome: str
    """Outgoing: ``signed``, ``unsigned`` or ``failed``. Incoming: the verdict."""

    reason: str
    """Code of the `Reason`, or why there is no signature."""

    detail: str = ""
    orig: str | None = None
    """Canonical number, unmasked: whoever writes it down masks it."""

    action: str = "accept"
    signer: str = ""
    """Outgoing: name of the signer."""

    x5u: str = ""
    """Incoming: where the token that speaks for the message wants its chain from."""

    queue_id: str = "-"
    seconds: float = 0.0


Outcome = Literal["fetched", "unchanged", "failed", "refused", "postponed"]


@dataclass(frozen=True, slots=True)
class Fetched:
    """One URL was asked for, or would have been."""

    host: str
    """As the URL names it, in lower case."""

    outcome: Outcome
    """Refused for good, because of its address; postponed while the host is busy or
    rests."""

    octets: int = 0
    """Of the body."""

    seconds: float = 0.0
    detail: str = ""
    """Why there is nothing."""
