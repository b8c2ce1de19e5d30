"""How much is under way in a worker: what may leave waits for it, and metrics tell."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class Sessions:
    """Counts open sessions, so that a worker knows when it may leave."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._open: set[int] = set()
        self._total = 0

    @property
    def count(self) -> int:
        """How many are open."""
        return len(self._open)

    @property
    def total(self) -> int:
        """How many there have been."""
        return self._total

    def opened(self, session: object) -> None:
        """Count a session."""
        with self._changed:
            self._open.add(id(session))
            self._total += 1

    def closed(self, session: object) -> None:
        """Uncount it."""
        with self._changed:
            self._open.discard(id(session))
            if not self._open:
                self._changed.notify_all()

    def wait_until_none(self, seconds: float) -> int:
        """Wait until no session is open, and return how many still are."""
        with self._changed:
            self._changed.wait_for(lambda: not self._open, seconds)
            return len(self._open)


class Queue:
    """Counts messages that are complete and that no thread has begun to judge."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._count = 0

    @property
    def count(self) -> int:
        """How many there are."""
        return self._count

    def enter(self) -> Place:
        """Count one, until it leaves its place."""
        self._add(1)
        return Place(self._add)

    def _add(self, number: int) -> None:
        with self._lock:
            self._count += number


class Place:
    """A message's place in a queue."""

    def __init__(self, add: Callable[[int], None]) -> None:
        self._add = add
        self._since = time.perf_counter()

    def leave(self) -> float:
        """Leave it, once, and return the seconds that it took."""
        self._add(-1)
        return time.perf_counter() - self._since
