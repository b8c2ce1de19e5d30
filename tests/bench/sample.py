"""Where the time goes: a look at the stack every so often, without slowing anything.

A profiler that is told of every call makes Python look slow and C fast. A timer does
not: time spent in C counts for the function that called it.
"""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Final

PACKAGE: Final = Path(__file__).parents[2] / "stirmilter"
EVERY: Final = 0.004  # seconds of processor time; the kernel's clock ticks no faster
ROWS: Final = 25


def shares(work: Callable[[], object]) -> list[tuple[str, float]]:
    """Run something, and return the functions of ours that it spent its time in."""
    seen: Counter[str] = Counter()

    def look(_number: int, frame: FrameType | None) -> None:
        while frame is not None:
            path = Path(frame.f_code.co_filename)
            if path.is_relative_to(PACKAGE):
                seen[f"{path.relative_to(PACKAGE)} {frame.f_code.co_qualname}"] += 1
                return
            frame = frame.f_back

    before = signal.signal(signal.SIGPROF, look)
    signal.setitimer(signal.ITIMER_PROF, EVERY, EVERY)
    try:
        work()
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
    total = seen.total() or 1
    return [(place, count / total) for place, count in seen.most_common(ROWS)]
