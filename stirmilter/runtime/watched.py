"""What a worker's metrics look at in the parts of a runtime."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from stirmilter.events import Claimed


class Cache(Protocol):
    """Something that remembers, and knows how often that was of use."""

    hits: int
    misses: int

    @property
    def entries(self) -> int:
        """How much it remembers."""
        ...


class Claims:
    """Tells of each question to the replay store, to whoever watches."""

    def __init__(self) -> None:
        self._observers: list[Callable[[Claimed], None]] = []

    def watch(self, observe: Callable[[Claimed], None]) -> None:
        """Have one more told."""
        self._observers.append(observe)

    def __call__(self, event: Claimed) -> None:
        """Tell all of them."""
        for observe in self._observers:
            observe(event)
