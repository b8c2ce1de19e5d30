"""Fetching ahead: what a message needs is fetched while its body still arrives.

The threads that judge must not wait for a stranger's host: a thousand hosts that do not
answer would hold up every message. So a worker fetches on threads of its own, and
judges a message when what it needs is there, or has failed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
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
        self._threads: tuple[Executor, Executor] | None = None
        self._under_way: dict[str, Future[None]] = {}

    @property
    def waiting(self) -> int:
        """URLs that are being fetched, or wait for it."""
        return len(self._under_way)

    def start(self, fetchers: Executor, lookers: Executor) -> None:
        """Do it on these threads from now on, and nowhere else.

        Args:
            fetchers: wait for hosts.
            lookers: look into what is shared: what is there must not queue behind
                hosts that do not answer.
        """
        self._threads = fetchers, lookers

    def begin(self, urls: Iterable[str]) -> list[Future[None]]:
        """Have fetched what is not in memory; return what is to be waited for.

        What finds no place, or no thread, is not fetched: its message is then judged
        without. Waits for nothing, and may be asked again for what is under way.
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
        return self._store.chain(x5u, wait=self._threads is None)

    def _begin(self, url: str) -> Future[None] | None:
        with self._lock:
            if url in self._under_way:
                return self._under_way[url]
            if self._threads is None or len(self._under_way) >= self._waiting:
                return None
            fetchers, lookers = self._threads
            future = self._under_way[url] = Future()
            if not _take(lookers, self._look, url, fetchers, future):
                del self._under_way[url]
                return None
            return future

    def _look(self, url: str, fetchers: Executor, future: Future[None]) -> None:
        """Take what is shared into memory, or have it fetched."""
        if not self._wanted(url, future):
            return
        try:
            goes_on = not self._store.kept(url) and _take(
                fetchers, self._fetch, url, future
            )
        except BaseException as error:  # noqa: BLE001 - whoever waits is to know
            self._end(url, future, error)
        else:
            if not goes_on:
                self._end(url, future)

    def _fetch(self, url: str, future: Future[None]) -> None:
        """Leave the chain, or why there is none, in the store's memory."""
        if not self._wanted(url, future):
            return
        try:
            with suppress(StirmilterError):
                self._store.chain(url)
        except BaseException as error:  # noqa: BLE001 - whoever waits is to know
            self._end(url, future, error)
        else:
            self._end(url, future)

    def _wanted(self, url: str, future: Future[None]) -> bool:
        """Tell whether it has not been given up for want of a thread."""
        with self._lock:
            return self._under_way.get(url) is future

    def _end(
        self, url: str, future: Future[None], error: BaseException | None = None
    ) -> None:
        with self._lock:
            if self._under_way.get(url) is not future:
                return
            del self._under_way[url]
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(None)


def _take(executor: Executor, work: Callable[..., None], *args: object) -> bool:
    """Have a thread do it; False if the system gives none.

    An executor keeps even that, and does it with what comes next.
    """
    try:
        executor.submit(work, *args)
    except RuntimeError:
        return False
    return True
