"""A shelf with room for so many things, and for so many octets of them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from typing import Generic, TypeVar

T = TypeVar("T")


class Shelf(Generic[T]):
    """Keeps what was used last, in memory; safe to share between threads."""

    def __init__(self, entries: int, octets: int | None = None) -> None:
        """Take the limits; what was put there last is kept whatever it weighs."""
        self._entries = entries
        self._octets = octets
        self._weight = 0
        self._lock = Lock()
        self._things: OrderedDict[str, tuple[T, int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._things)

    @property
    def octets(self) -> int:
        """What the things weigh together."""
        return self._weight

    def get(self, key: str) -> T | None:
        """Return a thing, which is then the last to go."""
        with self._lock:
            found = self._things.get(key)
            if found is None:
                return None
            self._things.move_to_end(key)
            return found[0]

    def put(self, key: str, thing: T, octets: int = 0) -> None:
        """Put a thing there, and let go of those that nobody asked for lately."""
        with self._lock:
            self._remove(key)
            self._things[key] = thing, octets
            self._weight += octets
            while len(self._things) > 1 and self._full():
                self._remove(next(iter(self._things)))

    def drop(self, key: str) -> None:
        """Let go of a thing, if it is there."""
        with self._lock:
            self._remove(key)

    def clear_out(self, ended: Callable[[T], bool]) -> None:
        """Let go of what nobody asked for lately, up to the first that has not ended.

        Else what has ended would stay until the shelf is full.
        """
        with self._lock:
            while self._things:
                key, (thing, _) = next(iter(self._things.items()))
                if not ended(thing):
                    return
                self._remove(key)

    def _full(self) -> bool:
        return len(self._things) > self._entries or (
            self._octets is not None and self._weight > self._octets
        )

    def _remove(self, key: str) -> None:
        gone = self._things.pop(key, None)
        if gone is not None:
            self._weight -= gone[1]
