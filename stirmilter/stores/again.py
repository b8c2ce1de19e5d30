"""Asking again: whether another chain stands at a URL than the one that is kept.

Anybody can write a token whose signature does not fit, and name any URL in it. So a
server is asked at most once in an interval for each URL, and only so many messages
wait for an answer.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from contextlib import suppress
from threading import BoundedSemaphore, Lock

from stirmilter.errors import StirmilterError
from stirmilter.haste import takes_long
from stirmilter.stores.background import Background
from stirmilter.stores.certificates import CertificateStore


class Turns:
    """One turn for each key in an interval. Bounded, and safe to share.

    What finds no room has no turn: if it drove out the others, whoever has keys enough
    could have as many turns as he likes.
    """

    def __init__(
        self,
        seconds: float,
        entries: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take the interval, how many keys have a turn in it, and a clock."""
        self._seconds = seconds
        self._entries = entries
        self._clock = clock
        self._lock = Lock()
        self._taken: dict[bytes, float] = {}  # in the order of time

    def __len__(self) -> int:
        return len(self._taken)

    def free(self, key: str) -> bool:
        """Tell whether `take` would give a turn now."""
        with self._lock:
            return self._free(_digest(key), self._clock())

    def take(self, key: str) -> bool:
        """Take the turn of a key, if it has one now."""
        digest = _digest(key)
        with self._lock:
            now = self._clock()
            free = self._free(digest, now)
            if free:
                self._taken[digest] = now
            return free

    def _free(self, digest: bytes, now: float) -> bool:
        while self._taken:
            first = next(iter(self._taken))
            if now - self._taken[first] < self._seconds:
                break
            del self._taken[first]
        return digest not in self._taken and len(self._taken) < self._entries


class Again:
    """Asks the servers of chains that are at hand, on threads of its own.

    A host that hangs holds up a few of the threads that judge, for the time that a
    message has for it, and none that needs something else.
    """

    def __init__(
        self,
        store: CertificateStore,
        seconds: float,
        *,
        entries: int = 2_000,
        waiting: int = 4,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take the store, and the limits.

        Args:
            store: keeps what comes, if it is another chain that an anchor vouches for.
            seconds: a URL is not asked for again within so many, nor is a chain that
                was fetched or confirmed within them.
            entries: URLs in so many seconds.
            waiting: messages that wait at the same time, and URLs under way.
            clock: seconds that never go back.
        """
        self._store = store
        self._seconds = seconds
        self._turns = Turns(seconds, entries, clock)
        self._fetches = Background(
            self._ask,
            "chains that may be new",
            places=BoundedSemaphore(waiting),
            fetches=waiting,
        )

    def __call__(self, x5u: str, seconds: float) -> None:
        """Have the store ask, if it is time to; what it then has is the answer.

        That it could not ask, or waited in vain, changes nothing and is no error.

        Args:
            x5u: the URL of a chain that the store has.
            seconds: how long to wait.
        """
        # In this order: whoever has had the turn is under way, or has ended.
        if self._due(x5u) or self._fetches.under_way(x5u):
            takes_long()
            with suppress(StirmilterError):
                self._fetches.get(x5u, seconds)

    def _due(self, x5u: str) -> bool:
        age = self._store.age(x5u)
        return (
            age is not None
            # One from the future, by a clock that was set back, counts as old.
            and not 0 <= age < self._seconds
            and self._turns.free(x5u)
        )

    def _ask(self, x5u: str) -> None:
        if self._turns.take(x5u):
            self._store.again(x5u)


def _digest(url: str) -> bytes:
    return hashlib.sha256(url.encode("utf-8", "surrogatepass")).digest()
