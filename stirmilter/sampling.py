"""What a worker counts beside its messages: looked at now and then, which costs none.

Caches count their own hits in plain integers, and queues know their length; a task of
the housekeeper hands both to the metrics.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from threading import Lock
from types import MappingProxyType

from stirmilter.errors import StoreError
from stirmilter.metrics import Metrics
from stirmilter.runtime.watched import Cache


class Sampler:
    """Looks at caches and queues, and tells what has changed since."""

    def __init__(
        self,
        metrics: Metrics,
        caches: Mapping[str, Sequence[Cache]],
        sessions: Callable[[], int],
        queues: Mapping[str, Callable[[], int]],
        keys: Mapping[str, Callable[[], tuple[int, int]]] = MappingProxyType({}),
    ) -> None:
        """Take what is told, and what is looked at.

        Args:
            metrics: told.
            caches: by name; several of one name are added up.
            sessions: how many are open.
            queues: by name, how many wait there.
            keys: by the kind of a replay store, how many it has, and has room for; or
                it raises StoreError.
        """
        self._metrics = metrics
        self._caches = caches
        self._sessions = sessions
        self._queues = queues
        self._keys = keys
        self._told: dict[str, tuple[int, int]] = {}
        self._lock = Lock()

    def __call__(self) -> Iterable[str]:
        """Look once, and return what could not be looked at."""
        with self._lock:  # a process that leaves looks once more
            for name, parts in self._caches.items():
                hits = sum(one.hits for one in parts)
                misses = sum(one.misses for one in parts)
                before = self._told.get(name, (0, 0))
                self._told[name] = hits, misses
                self._metrics.cache(
                    name,
                    hits - before[0],
                    misses - before[1],
                    sum(one.entries for one in parts),
                )
            waiting = {name: count() for name, count in self._queues.items()}
            self._metrics.flush()
            self._metrics.occupied(self._sessions(), waiting)
            try:
                for kind, occupied in self._keys.items():
                    self._metrics.replay_keys(kind, *occupied())
            except StoreError as error:
                return (str(error),)
        return ()
