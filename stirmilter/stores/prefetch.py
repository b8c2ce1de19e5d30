"""Fetching ahead: what a message needs is fetched while its body still arrives.

The threads that judge must not wait for a stranger's host: a thousand hosts that do not
answer would hold up every message. So a worker fetches on threads of its own, and
judges a message when what it needs is there, or has failed.
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import Executor, Future
from contextlib import suppress
from threading import Lock

from stirmilter.errors import StirmilterError
from stirmilter.stores.certificates import CertificateStore, Chain


class Prefetcher:
    """Chains out of a store, fetched by whoever asks until `start`, ahead afterwards.

    Built before a worker is forked and started in it: threads do not cross a fork.
    """

    def __init__(self, store: CertificateStore, waiting: int = 1_000) -> None:
        """Take the store, and how many URLs may be fetched or wait for it."""
        self._store = store
        self._waiting = waiting
        self._lock = Lock()
        self._executor: Executor | None = None
        self._under_way: dict[str, Future[None]] = {}

    def start(self, executor: Executor) -> None:
        """Fetch on these threads from now on, and nowhere else."""
        self._executor = executor

    def begin(self, urls: Iterable[str]) -> list[Future[None]]:
        """Have fetched what is not in memory; return what is to be waited for.

        What finds no place is not fetched: its message is then judged without. Waits
        for nothing, and may be asked again for what is under way.
        """
        return [
            future
            for url in urls
            if not self._store.cached(url) and (future := self._begin(url)) is not None
        ]

    def chain(self, x5u: str) -> Chain:
        """Return the chain at a URL, signer first.

        Raises:
            FetchError: it could not be fetched, or `start` was called and it was not.
            Unverified: `Reason.CREDENTIAL_MALFORMED`: it is no chain.
        """
        return self._store.chain(x5u, wait=self._executor is None)

    def _begin(self, url: str) -> Future[None] | None:
        with self._lock:
            if url in self._under_way:
                return self._under_way[url]
            if self._executor is None or len(self._under_way) >= self._waiting:
                return None
            future = self._executor.submit(self._fetch, url)
            self._under_way[url] = future
            return future

    def _fetch(self, url: str) -> None:
        """Leave the chain, or why there is none, in the store's memory."""
        try:
            with suppress(StirmilterError):
                self._store.chain(url)
        finally:
            with self._lock:
                del self._under_way[url]
