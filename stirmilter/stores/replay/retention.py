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
from typing import Final

from stirmilter.errors import StoreError

RETENTION: Final = timedelta(hours=24, seconds=61)
"""What the default policy needs: freshness, skew, and the second that an age is cut."""

SKEW: Final = timedelta(seconds=60)
"""How far a signer's clock may run ahead of ours, by default."""

_SLEW: Final = 1.0  # seconds that a clock may gain at once without having been set
_SECOND: Final = timedelta(seconds=1)


class Horizon:
    """The time up to which keys may be forgotten; safe to share between threads."""

    def __init__(
        self, retention: timedelta, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        """Take how long the keys are kept, and seconds that never go back."""
        self._patience = retention.total_seconds()
        self._monotonic = monotonic
        self._lock = Lock()
        self._anchor: tuple[float, float] | None = None
        self._ahead_since: float | None = None

    def at(self, now: datetime) -> float:
        """Return the horizon in seconds since 1970; never later than `now`.

        A clock that was set forward is believed when it has said so for as long as a
        key is kept: all that was kept before is stale then, by either clock.
        """
        wall, passed = now.timestamp(), self._monotonic()
        with self._lock:
            steady = self._steady(wall, passed)
            if wall <= steady + _SLEW:
                self._ahead_since = None
            elif self._ahead_since is None:
                self._ahead_since = passed
                return steady
            elif passed - self._ahead_since < self._patience:
                return steady
            self._anchor, self._ahead_since = (wall, passed), None
            return wall

    def _steady(self, wall: float, passed: float) -> float:
        if self._anchor is None:
            return wall
        return self._anchor[0] + passed - self._anchor[1]


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


def predates(signed_at: datetime, since: datetime | None) -> bool:
    """Tell whether a token may have been used before a store began.

    ``iat`` is cut to the second, so the second in which it began counts as after.
    """
    return since is not None and signed_at + _SECOND <= since
