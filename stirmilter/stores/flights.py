"""One piece of work at a time for each key, however many threads want its result."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from concurrent.futures import Future
from threading import Lock
from typing import Generic, TypeVar

from stirmilter.errors import StirmilterError, bare

T = TypeVar("T")


class Flights(Generic[T]):
    """Whoever comes while the work is under way waits for it and shares its result."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._under_way: dict[Hashable, Future[T]] = {}

    def share(self, key: Hashable, work: Callable[[], T]) -> T:
        """Do the work, or wait for the thread that does; raise what it raises."""
        with self._lock:
            future = self._under_way.get(key)
            mine = future is None
            if future is None:
                future = self._under_way[key] = Future()
        if mine:
            try:
                future.set_result(work())
            except StirmilterError as error:
                # Without its trace, which would hold us, and we hold the future.
                future.set_exception(bare(error))
            except BaseException as error:  # noqa: BLE001 - told to whoever waits
                future.set_exception(error)
            finally:
                with self._lock:
                    del self._under_way[key]
        problem = future.exception()
        if isinstance(problem, StirmilterError):
            raise bare(problem)  # one error is told to many: to each his own
        return future.result()
