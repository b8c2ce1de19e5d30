"""Replay keys in the memory of one process."""

from __future__ import annotations

import heapq
import os
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import Final

from stirmilter.errors import StoreError
from stirmilter.haste import takes_long
from stirmilter.stores.replay.entries import Entry, Stats
from stirmilter.stores.replay.retention import (
    RETENTION,
    SKEW,
    Horizon,
    began,
    predates,
    too_young,
)

_NAME: Final = "replay store"
_AT_ONCE: Final = 10.0  # seconds after the store was made; a later process replaces one
_AT_A_TIME: Final = 1_000  # keys that are forgotten in no time


class MemoryReplayStore:
    """Exact until `limit` keys are live; then it refuses to answer.

    One lock, held for a few dictionary look-ups. Lost on restart, and not shared
    between workers. Keys are forgotten second by second, so one costs its octets, its
    holder's and two references: about 150 octets.
    """

    remote = False

    def __init__(
        self,
        limit: int = 1_000_000,
        retention: timedelta = RETENTION,
        *,
        since: Callable[[], datetime] | None = None,
        skew: timedelta = SKEW,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin empty.

        Args:
            limit: keys that may be live.
            retention: for how long after its token was signed a key is kept.
            since: the time; read when a process begins to use the store: claims of
                earlier tokens are refused. None lets them pass.
            skew: how far a signer's clock may run ahead: in a process that takes the
                place of another one, so much longer.
            monotonic: seconds that never go back.
        """
        self._limit = limit
        self._retention = retention
        self._now = since
        self._skew = skew
        self._monotonic = monotonic
        self._made = monotonic()
        self._process = 0
        self._since: datetime | None = None
        self._lock = Lock()
        self._horizon = Horizon(retention, monotonic)
        self._holders: dict[bytes, bytes] = {}
        self._seconds: dict[int, list[bytes]] = {}
        self._order: list[int] = []

    def claim(
        self,
        keys: Sequence[bytes],
        holder: bytes,
        signed_at: datetime,
        now: datetime,
        *,
        keep: bool = True,
    ) -> bool:
        """Record `holder` for all keys, unless another one is recorded for any.

        Raises:
            StoreError: there is no room. Forgetting a key would let its token pass
                again. Or the token is older than what is known here.
        """
        if self._lock.locked():  # whoever it is may forget a night of keys
            takes_long()
        with self._lock:
            self._begin()
            self._forget(int(self._horizon.at(now)))
            new = []
            for key in dict.fromkeys(keys):
                held = self._holders.get(key)
                if held is None:
                    new.append(key)
                elif held != holder:
                    return False
            if new:
                self._admit(new, signed_at)
            if new and keep:
                self._record(new, holder, signed_at)
            return True

    def look(self) -> Iterator[str]:
        """Begin, in a process that was just forked; yield nothing, as nothing is wrong.

        So it is known since when, before the first message comes.
        """
        with self._lock:
            self._begin()
        yield from ()

    def entries(self) -> Iterator[Entry]:
        """Yield what is kept, what is forgotten first before all else."""
        for second in sorted(self._order):
            until = datetime.fromtimestamp(second, UTC)
            for key in self._seconds[second]:
                yield Entry(key, self._holders[key], until)

    def stats(self) -> Stats:
        """Tell how full it is."""
        with self._lock:
            self._begin()
            return Stats(len(self._holders), self._limit, self._since)

    def clear(self, keys: Sequence[bytes] | None = None) -> int:
        """Forget some keys, or all; return how many of them there were."""
        with self._lock:
            gone = set(self._holders if keys is None else keys) & self._holders.keys()
            for second, kept in list(self._seconds.items()):
                self._seconds[second] = [key for key in kept if key not in gone]
            for key in gone:
                del self._holders[key]
            return len(gone)

    def _begin(self) -> None:
        """Take note of a new process: what the one before it knew is gone with it."""
        if self._now is None or self._process == os.getpid():
            return
        self._process = os.getpid()
        replaces = self._monotonic() - self._made > _AT_ONCE
        self._since = began(self._now(), self._skew, lost=replaces)

    def _admit(self, keys: list[bytes], signed_at: datetime) -> None:
        if self._since is not None and predates(signed_at, self._since):
            raise too_young(_NAME, self._since)
        if len(self._holders) + len(keys) > self._limit:
            raise StoreError(f"{_NAME}: full, {self._limit} live keys (replay.limit)")

    def _record(self, keys: list[bytes], holder: bytes, signed_at: datetime) -> None:
        # Rounded up: a key is kept a little too long rather than too short.
        second = int((signed_at + self._retention).timestamp()) + 1
        kept = self._seconds.get(second)
        if kept is None:
            kept = self._seconds[second] = []
            heapq.heappush(self._order, second)
        kept += keys
        self._holders.update(dict.fromkeys(keys, holder))

    def _forget(self, horizon: int) -> None:
        gone = 0
        while self._order and self._order[0] <= horizon:
            gone += len(self._seconds[self._order[0]])
            if gone > _AT_A_TIME:
                takes_long()
            for key in self._seconds.pop(heapq.heappop(self._order)):
                del self._holders[key]
