"""How long keys are kept, whatever the clock does meanwhile.

A clock that runs ahead for an hour, and is then set right, must not have cost the keys
of tokens that are fresh after all. So what was kept is forgotten by real time: as the
clock says, but no faster than time passes on a clock that is never set.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import Final, NamedTuple

from stirmilter.errors import StoreError

RETENTION: Final = timedelta(hours=24, seconds=61)
"""What the default policy needs: freshness, skew, and the second that an age is cut."""

SKEW: Final = timedelta(seconds=60)
"""How far a signer's clock may run ahead of ours, by default."""

_SLEW: Final = 1.0  # seconds that a clock may gain at once without having been set
_SECOND: Final = timedelta(seconds=1)


class Pace(NamedTuple):
    """What is known of a clock; `Horizon` keeps it, or a file that processes share."""

    offset: float
    """By how many seconds the clock was ahead of one that is never set."""

    ahead_since: float | None = None
    """When, on the latter, it was first seen further ahead than that."""


class Horizon:
    """The time up to which keys may be forgotten; safe to share between threads."""

    def __init__(
        self, retention: timedelta, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        """Take how long the keys are kept, and seconds that never go back."""
        self._patience = retention.total_seconds()
        self._monotonic = monotonic
        self._lock = Lock()
        self._pace: Pace | None = None

    def at(self, now: datetime) -> float:
        """Return the horizon in seconds since 1970; never later than `now`."""
        with self._lock:
            horizon, self._pace = self.after(self._pace, now)
            return horizon

    def after(self, pace: Pace | None, now: datetime) -> tuple[float, Pace]:
        """Return the horizon, and what is known from now on.

        A clock that was set forward is believed when it has said so for as long as a
        key is kept: all that was kept before is stale then, by either clock.

        Args:
            pace: what was known; None if nothing is.
            now: aware time.
        """
        wall, passed = now.timestamp(), self._monotonic()
        right = Pace(wall - passed)
        if pace is None or right.offset <= pace.offset + _SLEW:
            return wall, right
        since = passed if pace.ahead_since is None else pace.ahead_since
        if passed - since >= self._patience:
            return wall, right
        return passed + pace.offset, Pace(pace.offset, since)


def began(now: datetime, skew: timedelta, *, lost: bool) -> datetime:
    """Return since when a store knows every use of a token that is signed from then on.

    What was lost may have been used a moment ago, by a signer whose clock runs ahead; a
    store that is new has seen nobody.
    """
    return now + skew + _SECOND if lost else now


def too_young(name: str, since: datetime) -> StoreError:
    """Make what is raised of a token that is older than what a store knows."""
    return StoreError(
        f"{name}: knows nothing of tokens signed before"
        f" {since.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    )


def implausible(since: datetime, now: datetime, skew: timedelta) -> bool:
    """Tell whether a store says to begin later than it can: by a clock set wrong."""
    return since > began(now, skew, lost=True) + _SECOND


def predates(signed_at: datetime, since: datetime | None) -> bool:
    """Tell whether a token may have been used before a store began.

    ``iat`` is cut to the second, so the second in which it began counts as after.
    """
    return since is not None and signed_at + _SECOND <= since
