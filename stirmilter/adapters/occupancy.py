"""How much is under way in a worker: what may leave waits for it, and metrics tell."""

from __future__ import annotations

import threading


class Sessions:
    """Counts open sessions, so that a worker knows when it may leave."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._open: set[int] = set()

    @property
    def count(self) -> int:
        """How many are open."""
        return len(self._open)

    def opened(self, session: object) -> None:
        """Count a session; again is once."""
        with self._changed:
            self._open.add(id(session))

    def closed(self, session: object) -> None:
        """Uncount it."""
        with self._changed:
            self._open.discard(id(session))
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

    def enter(self) -> None:
        """Count one."""
        with self._lock:
            self._count += 1

    def leave(self) -> None:
        """Uncount it: it is being judged, or given up."""
        with self._lock:
            self._count -= 1
