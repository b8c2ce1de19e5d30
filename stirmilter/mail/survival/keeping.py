"""Bodies that are kept until their message is judged, within bounds.

Only those that came with a token, since only their digest can differ. What is kept are
the chunks that the body came in, as they are: nothing is copied, so a message that is
good costs no time for it. The alternative, to digest while the body streams by what it
might have been, costs a digest for each line of every good message.
"""

from __future__ import annotations

import threading


class BodyKeeper:
    """Lends octets of memory to bodies: so many to each, and so many to all."""

    def __init__(self, each: int, total: int) -> None:
        """Take the bounds, in octets; 0 for each keeps none."""
        self.each = each
        self._left = total
        self._lock = threading.Lock()

    def body(self) -> KeptBody:
        """Begin a body."""
        return KeptBody(self)

    def take(self, octets: int) -> bool:
        """Lend memory, or say that there is none left."""
        with self._lock:
            granted = octets <= self._left
            self._left -= octets if granted else 0
            return granted

    def give(self, octets: int) -> None:
        """Take memory back."""
        with self._lock:
            self._left += octets

    @property
    def left(self) -> int:
        """Octets that can be lent."""
        return self._left


class KeptBody:
    """One body, while it fits; one that does not fit is let go at once.

    What it borrowed goes back when it is no longer referred to: a message may end in
    many ways (an abort, a lost connection, a judge that is late), and none can forget.
    """

    __slots__ = ("_chunks", "_keeper", "_size")

    def __init__(self, keeper: BodyKeeper) -> None:
        self._keeper = keeper
        self._chunks: list[bytes] | None = []
        self._size = 0

    def update(self, chunk: bytes) -> None:
        """Take the next octets of the body."""
        if self._chunks is None:
            return
        fits = self._size + len(chunk) <= self._keeper.each
        if fits and self._keeper.take(len(chunk)):
            self._chunks.append(chunk)
            self._size += len(chunk)
        else:
            self._let_go()

    @property
    def octets(self) -> bytes | None:
        """The body; None if it did not fit."""
        return None if self._chunks is None else b"".join(self._chunks)

    def _let_go(self) -> None:
        self._chunks = None
        self._keeper.give(self._size)
        self._size = 0

    def __del__(self) -> None:
        self._keeper.give(self._size)
