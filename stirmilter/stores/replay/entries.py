"""What a replay store shows of itself to an operator."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Entry:
    """One key: neither it nor its holder tells a number or a message."""

    key: bytes
    holder: bytes
    until: datetime
    """It is forgotten some time after this."""


@dataclass(frozen=True, slots=True)
class Stats:
    """How full a store is."""

    keys: int
    limit: int | None
    """None where the server has the last word."""

    since: datetime | None
    """Of tokens signed before, it does not know whether they were used; None: it
    knows of all."""
