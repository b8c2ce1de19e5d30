"""Fetching on threads of its own, for which only so many wait, and only so long."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from threading import BoundedSemaphore, Lock, Thread
from typing import Generic, TypeVar

from stirmilter.errors import FetchError, StirmilterError, bare

T = TypeVar("T")


class Background(Generic[T]):
    """One fetch for each key at a time. It goes on when nobody waits for it any more.

    A host that hangs then holds up a few of the threads that judge, for the time that a
    message has, and none that needs something else. Threads are made when they are
    needed: what is built before a fork has none.
    """

    def __init__(
        self,
        work: Callable[[str], T],
        what: str,
        *,
        places: BoundedSemaphore,
        fetches: int,
    ) -> None:
        """Take the work, and the limits.

        Args:
            work: from a key to what is wanted; leaves it where it will be found next
                time, or raises FetchError.
            what: is fetched, for errors and the names of threads.
            places: one for each thread that may wait; others may share them.
            fetches: at the same time.
        """
        self._work = work
        self._what = what
        self._places = places
        self._fetches = fetches
        self._lock = Lock()
        self._under_way: dict[str, Future[T]] = {}

    def begin(self, key: str) -> None:
        """Have it fetched, if there is room; wait for nothing."""
        with suppress(FetchError):
            self._begin(key)

    def get(self, key: str, seconds: float | None = None) -> T:
        """Wait for a fetch that is under way, or begin it.

        Args:
            key: of what is wanted.
            seconds: how long to wait; None is until the end.

        Raises:
            FetchError: it is not here yet, or cannot be had.
        """
        future = self._begin(key)
        if not self._places.acquire(blocking=False):
            raise FetchError(f"too many messages wait for {self._what}")
        try:
            problem = future.exception(seconds)
        except TimeoutError:
            raise FetchError(f"not here in time: {self._what}") from None
        finally:
            self._places.release()
        if isinstance(problem, StirmilterError):
            raise bare(problem)  # one error is told to many: to each his own
        return future.result()

    def under_way(self, key: str) -> bool:
        """Tell whether `get` would wait for a fetch that somebody else has begun."""
        with self._lock:
            return key in self._under_way

    def _begin(self, key: str) -> Future[T]:
        with self._lock:
            future = self._under_way.get(key)
            if future is not None:
                return future
            if len(self._under_way) >= self._fetches:
                raise FetchError(f"too many {self._what} are being fetched")
            future = self._under_way[key] = Future()
        thread = Thread(
            target=self._run, args=(key, future), name=self._what, daemon=True
        )
        try:
            thread.start()
        except RuntimeError as error:  # the system gives no more threads
            self._end(key)
            future.set_exception(FetchError(str(error)))
        return future

    def _run(self, key: str, future: Future[T]) -> None:
        try:
            found = self._work(key)
        except StirmilterError as error:
            self._end(key)
            future.set_exception(bare(error))
        except BaseException as error:  # noqa: BLE001 - told to whoever waits
            self._end(key)
            future.set_exception(error)
        else:
            self._end(key)
            future.set_result(found)

    def _end(self, key: str) -> None:
        with self._lock:
            del self._under_way[key]
