"""What a worker counts beside its messages: looked at now and then, which costs none.

Caches count their own hits in plain integers, and queues know their length; a task of
the housekeeper hands both to the metrics.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from threading import Lock

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
    ) -> None:
        """Take what is told, and what is looked at.

        Args:
            metrics: told.
            caches: by name; several of one name are added up.
            sessions: how many are open.
            queues: by name, how many wait there.
        """
        self._metrics = metrics
        self._caches = caches
        self._sessions = sessions
        self._queues = queues
        self._told: dict[str, tuple[int, int]] = {}
        self._lock = Lock()

    def __call__(self) -> Iterable[str]:
        """Look once; nothing can be wrong with it."""
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
        return ()
