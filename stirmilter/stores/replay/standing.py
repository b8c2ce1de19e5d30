"""What a replay file knows of itself, in one row that all processes share.

Since when it knows every use, how the clock stood, and whether it was left in order. A
file that was in use when the machine went down has lost the claims of the last moments,
as they are not waited for; and it is not told which.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from uuid import UUID

from stirmilter.stores.replay.retention import Pace, began, implausible

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS standing (
    id INTEGER PRIMARY KEY CHECK (id = 1), boot TEXT NOT NULL, since REAL,
    ahead REAL, ahead_since REAL
);
"""
_READ: Final = "SELECT boot, since, ahead, ahead_since FROM standing"
_WRITE: Final = "INSERT OR REPLACE INTO standing VALUES (1, ?, ?, ?, ?)"
BOOT_ID: Final = "STIRMILTER_BOOT_ID"
"""Variable with the name of this run of the machine, as systemd writes it (``%b``)."""

_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")


def boot_id() -> str:
    """Return what this run of the machine is called, or nothing if nobody tells.

    Our unit keeps the kernel's own file away (ProcSubset=pid) and names it instead.
    """
    try:
        return str(UUID(os.environ.get(BOOT_ID) or _BOOT_ID.read_text().strip()))
    except (OSError, ValueError):
        return ""


@dataclass(frozen=True, slots=True)
class Standing:
    """The row."""

    boot: str
    """Run of the machine in which it was last in use; empty: it was left in order."""

    since: datetime | None
    """Uses of tokens signed before are not known; None: all are."""

    pace: Pace | None
    """How the clock stood; of this run of the machine, as its seconds are."""


@dataclass(frozen=True, slots=True)
class Keeper:
    """Reads the row and brings it up to date; inside a transaction that may write."""

    now: Callable[[], datetime] | None
    """None: the file never admits that it does not know."""

    skew: timedelta
    boot: str

    def settle(self, connection: sqlite3.Connection, *, broken: bool) -> Standing:
        """Return the row as it holds now.

        Args:
            connection: in a transaction.
            broken: whether another file stood here before, and broke.
        """
        kept = _read(connection)
        if kept is None:
            found = Standing(self.boot, self._began(lost=broken), None)
        elif kept.boot not in ("", self.boot):
            found = Standing(self.boot, self._began(lost=True), None)
        elif self._is_implausible(kept.since):
            found = Standing(self.boot, self._began(lost=True), kept.pace)
        elif kept.boot != self.boot:
            found = Standing(self.boot, kept.since, None)
        else:
            return kept
        self.write(connection, found)
        return found

    def write(self, connection: sqlite3.Connection, standing: Standing) -> None:
        """Replace the row."""
        since, pace = standing.since, standing.pace
        row = (
            standing.boot,
            since.timestamp() if since else None,
            pace.offset if pace else None,
            pace.ahead_since if pace else None,
        )
        connection.execute(_WRITE, row)

    def _began(self, *, lost: bool) -> datetime | None:
        return None if self.now is None else began(self.now(), self.skew, lost=lost)

    def _is_implausible(self, since: datetime | None) -> bool:
        if since is None or self.now is None:
            return False
        return implausible(since, self.now(), self.skew)


def _read(connection: sqlite3.Connection) -> Standing | None:
    row = connection.execute(_READ).fetchone()
    if row is None:
        return None
    boot, since, offset, ahead_since = row
    return Standing(
        boot,
        None if since is None else datetime.fromtimestamp(since, UTC),
        None if offset is None else Pace(offset, ahead_since),
    )
