"""One end of time for everything that a fetch waits for."""

from __future__ import annotations

import time
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Deadline:
    """A moment of the monotonic clock, handed from step to step."""

    at: float

    @classmethod
    def after(cls, seconds: float) -> Deadline:
        """Return the deadline that is so many seconds away."""
        return cls(time.monotonic() + seconds)

    @property
    def remaining(self) -> float:
        """The seconds that are left; negative after the end."""
        return self.at - time.monotonic()

    def left(self) -> float:
        """Return the seconds left, for the next operation that may block.

        Raises:
            TimeoutError: none are. A time-out of zero would mean: do not block.
        """
        seconds = self.remaining
        if seconds <= 0:
            raise TimeoutError("the time for a fetch is used up")
        return seconds
