"""What is counted for each message many times over: in plain integers, until `flush`.

A histogram that processes share costs two microseconds for each value, and a message
has ten values. Here they cost a quarter of one. What a killed process had not handed
over yet is lost, so nothing that must add up is counted like this.
"""

from __future__ import annotations

from bisect import bisect_left
from threading import Lock
from typing import Any, Final

from stirmilter.events import Claimed, Handled
from stirmilter.metrics.families import METHODS, PARTS, RESULTS, Families

_OTHER: Final = "other"


class Tally:
    """Stages, replay claims and results of methods; safe between threads."""

    def __init__(self, families: Families) -> None:
        """Take what they are handed over to."""
        self._families = families
        self._lock = Lock()
        self._times: dict[tuple[str, str], list[float]] = {}
        """By metric and label: how many fell into each bucket, then their sum."""

        self._words: dict[tuple[str, str], int] = {}

    def handled(self, event: Handled) -> None:
        """Count what a message spent its time with, and what the methods found."""
        with self._lock:
            for stage, seconds in event.stages:
                self._observe("stage", stage, seconds)
            for method, text in event.methods:
                pair = method, text.partition(" ")[0]
                if pair[1] not in RESULTS:
                    pair = method, _OTHER
                if method in METHODS:
                    self._words[pair] = self._words.get(pair, 0) + 1

    def claimed(self, event: Claimed) -> None:
        """Count what a replay store said, and how long it took."""
        with self._lock:
            self._observe("claim", event.outcome, event.seconds)

    def _observe(self, metric: str, label: str, seconds: float) -> None:
        row = self._times.get((metric, label))
        if row is None:
            row = self._times[metric, label] = [0.0] * (len(PARTS) + 2)
        row[bisect_left(PARTS, seconds)] += 1
        row[-1] += seconds

    def flush(self) -> None:
        """Hand everything over."""
        with self._lock:
            times, self._times = self._times, {}
            words, self._words = self._words, {}
        for (metric, label), (*counts, total) in times.items():
            claims, stages = self._families.claims, self._families.stages
            family = stages if metric == "stage" else claims
            # The library knows no way to add many values at a time.
            child: Any = family.labels(label)
            child._sum.inc(total)  # noqa: SLF001
            for bucket, count in zip(child._buckets, counts, strict=True):  # noqa: SLF001
                if count:
                    bucket.inc(count)
        for pair, number in words.items():
            self._families.methods.labels(*pair).inc(number)
