"""The SMTP sessions that a worker has open."""

from __future__ import annotations

import threading


class Sessions:
    """Counts open sessions, so that a worker knows when it may leave."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._open: set[int] = set()
        self._count = 0

    def count(self) -> int:
        """Return how many there have been."""
        return self._count

    def opened(self, session: object) -> None:
        """Count a session."""
        with self._changed:
            self._open.add(id(session))
            self._count += 1

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
