"""How long each part of the work on a message took."""

from __future__ import annotations

import time

from stirmilter.events import Stage


class Stopwatch:
    """Begins when it is made; for one message, on one thread."""

    __slots__ = ("_at", "stages")

    def __init__(self) -> None:
        self.stages: list[tuple[Stage, float]] = []
        self._at = time.perf_counter()

    def lap(self, stage: Stage) -> None:
        """Note the seconds since the last lap as those of a stage."""
        now = time.perf_counter()
        self.stages.append((stage, now - self._at))
        self._at = now
