"""Certificate chains by URL: fetched once, remembered for a while."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from threading import BoundedSemaphore, Lock

from cryptography import x509

from stirmilter.errors import FetchError, StirmilterError
from stirmilter.stir import credential

Chain = tuple[x509.Certificate, ...]


class CertificateStore:
    """Bounded, in memory, one fetch per URL at a time however many threads ask.

    A failure is remembered too, for a short time: a host that does not answer must not
    cost every message of a burst the whole deadline. Only so many threads wait for a
    host at a time; the next is told that we are busy, so that hosts which do not
    answer hold up the messages that name them and no others. Chains are kept as they
    were served: parsed, a stranger's certificate may take a hundred times the room.
    Lost on restart, and not shared between workers.
    """

    def __init__(
        self,
        fetch: Callable[[str], bytes],
        *,
        seconds: float = 86_400.0,
        failure_seconds: float = 30.0,
        entries: int = 2_000,
        concurrency: int = 8,
        certificates: int = credential.CERTIFICATES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take the fetcher and the limits.

        Args:
            fetch: from URL to octets, or FetchError.
            seconds: how long a chain is used without asking again.
            failure_seconds: how long a failure is.
            entries: URLs remembered; beyond, the least recently used is forgotten.
            concurrency: threads that may wait for a host at the same time.
            certificates: longest chain.
            clock: seconds, from anywhere, that never go back.
        """
        self._fetch = fetch
        self._seconds = seconds
        self._failure_seconds = failure_seconds
        self._entries = entries
        self._certificates = certificates
        self._clock = clock
        self._places = BoundedSemaphore(concurrency)
        self._lock = Lock()
        self._known: OrderedDict[str, tuple[float, Future[bytes]]] = OrderedDict()

    def chain(self, x5u: str) -> Chain:
        """Return the chain at a URL, signer first.

        Raises:
            FetchError: it could not be fetched, now or a moment ago.
            Unverified: `Reason.CREDENTIAL_MALFORMED`: it is no chain.
        """
        known = self._remembered(x5u)
        octets = self._told(known) if known else self._wait(x5u)
        return credential.load_chain(octets, self._certificates)

    def _wait(self, x5u: str) -> bytes:
        """Fetch, or wait for the thread that does, if there is a place to wait."""
        if not self._places.acquire(blocking=False):
            raise FetchError("too many certificates are being fetched")
        try:
            return self._told(self._fetched(x5u))
        finally:
            self._places.release()

    def _fetched(self, x5u: str) -> Future[bytes]:
        future, mine = self._reserve(x5u)
        if mine:
            seconds = self._seconds
            try:
                octets = self._fetch(x5u)
                credential.load_chain(octets, self._certificates)  # before it is kept
                future.set_result(octets)
            except BaseException as error:  # noqa: BLE001 - told to whoever waits
                seconds = self._remember_failure(error)
                future.set_exception(error)
            with self._lock:
                if self._known.get(x5u, (0.0, None))[1] is future:
                    self._known[x5u] = (self._clock() + seconds, future)
        return future

    def _remember_failure(self, error: BaseException) -> float:
        """Return for how long; what was not asked at all says nothing about a URL."""
        if not isinstance(error, StirmilterError):
            return 0.0
        again = error.again if isinstance(error, FetchError) else None
        return (
            self._failure_seconds
            if again is None
            else min(again, self._failure_seconds)
        )

    @staticmethod
    def _told(future: Future[bytes]) -> bytes:
        try:
            return future.result()
        except StirmilterError as error:
            # One error is told to many: without this, its trace would grow with each.
            raise error.with_traceback(None) from None

    def _remembered(self, x5u: str) -> Future[bytes] | None:
        """Return the entry for a URL, if it can be used without waiting."""
        with self._lock:
            until, future = self._known.get(x5u, (0.0, None))
            if future is None or not future.done() or self._clock() >= until:
                return None
            self._known.move_to_end(x5u)
            return future

    def _reserve(self, x5u: str) -> tuple[Future[bytes], bool]:
        """Return the entry for a URL, and whether the caller is the one to fill it."""
        with self._lock:
            until, future = self._known.get(x5u, (0.0, None))
            if future is not None and (not future.done() or self._clock() < until):
                self._known.move_to_end(x5u)
                return future, False
            future = Future()
            self._known[x5u] = (0.0, future)
            self._known.move_to_end(x5u)
            while len(self._known) > self._entries:
                self._known.popitem(last=False)
            return future, True
