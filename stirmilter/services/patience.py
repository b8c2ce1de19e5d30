"""How long one message may wait for what its certificates refer to."""

from __future__ import annotations

import time


class Patience:
    """One deadline for all lists of a message; it runs from the first one on."""

    __slots__ = ("_end", "_seconds")

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._end: float | None = None

    def left(self) -> float:
        """Return the seconds that are left; 0 once there are none."""
        now = time.monotonic()
        if self._end is None:
            self._end = now + self._seconds
        return max(0.0, self._end - now)
