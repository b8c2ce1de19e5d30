"""A cache of small documents by URL: chains, revocation lists, lists of numbers.

A private cache as RFC 9111 has it, held between a floor and a ceiling: a server cannot
have itself asked for each message, nor have something kept for years. In front stands
the memory of the process, behind it what workers or relays share, then the network.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import BoundedSemaphore, Lock
from typing import Final, Protocol

from stirmilter.errors import FetchError, StirmilterError, StoreError, bare
from stirmilter.haste import takes_long
from stirmilter.stores.document import Document, Kind
from stirmilter.stores.flights import Flights
from stirmilter.stores.response import Response
from stirmilter.stores.shelf import Shelf

__all__ = ["DocumentStore", "Fetch", "Kind", "Tier"]

_MINUTE: Final = 60.0
"""Seconds in which one line tells that what is shared cannot be used."""


class Fetch(Protocol):
    """How a document is fetched; `stores.fetch.Fetcher.get` is one way."""

    def __call__(
        self, url: str, *, etag: str, last_modified: str, octets: int, accept: str
    ) -> Response:
        """Fetch, unless what the validators name has not changed.

        Raises FetchError.
        """
        ...


class Tier(Protocol):
    """What processes or machines share; `stores.tiers` has two."""

    def load(self, key: str, octets: int, now: float) -> bytes | None:
        """Return the record of a key, if there is one of at most so many octets.

        Raises StoreError.
        """
        ...

    def save(self, key: str, record: bytes, now: float, until: float) -> None:
        """Keep a record until a time (seconds since 1970), or raise StoreError."""
        ...


@dataclass(frozen=True, slots=True)
class _Failure:
    error: StirmilterError
    at: float
    until: float


class DocumentStore:
    """Bounded; one fetch for each URL at a time, however many threads ask.

    When a document cannot be had anew, the old one serves for a while. A failure is
    remembered for a short time: a host that does not answer must not cost every message
    of a burst the whole deadline. Only so many threads wait for a host at a time; the
    next is told that we are busy.

    What is shared is a help and no more: when it is locked, full, read-only, broken or
    gone, memory and network do without, and `observe` is told, once a minute.
    """

    def __init__(
        self,
        fetch: Fetch,
        tier: Tier | None = None,
        *,
        allow: Callable[[str], None] = lambda _: None,
        entries: int = 2_000,
        octets: int = 64 << 20,
        concurrency: int = 8,
        pause: float = 1.0,
        clock: Callable[[], float] = time.time,
        observe: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Take the fetcher and the limits.

        Args:
            fetch: from a URL to what it serves, or FetchError.
            tier: what is shared, if anything.
            allow: raises FetchError for a URL that `fetch` would refuse: one that was
                refused since must not come out of what is shared.
            entries: documents in memory, and failures; beyond, the least recently used
                is forgotten.
            octets: of the documents in memory together.
            concurrency: threads that may wait for a host at the same time.
            pause: seconds for which a tier that failed is left alone.
            clock: seconds since 1970.
            observe: told, in words, what is wrong with the tier.
        """
        self._fetch = fetch
        self._tier = tier
        self._allow = allow
        self._pause = pause
        self._clock = clock
        self._observe = observe
        self._places = BoundedSemaphore(concurrency)
        self._flights: Flights[Document] = Flights()
        self._memory: Shelf[Document] = Shelf(entries, octets)
        self._failures: Shelf[_Failure] = Shelf(entries)
        self._lock = Lock()
        self.hits = 0
        """Times that memory had an answer; counted as well as threads allow."""

        self.misses = 0
        self._failed = float("-inf")
        self._told = float("-inf")

    def get(
        self, url: str, kind: Kind, *, revalidate: bool = False, wait: bool = True
    ) -> bytes:
        """Return the document at a URL.

        Args:
            url: compared octet by octet.
            kind: what is expected there.
            revalidate: ask the server whether it has changed, however fresh it is; an
                old one is then no answer.
            wait: False never asks the server, and takes an old one instead.

        Raises:
            FetchError: it could not be had, now or a moment ago.
            Unverified: what is served there is no such document.
        """
        key = _key(url, kind)
        try:
            found = None if revalidate else self._at_hand(key, kind)
        except StirmilterError:
            self.hits += 1
            raise
        if found is not None:
            self.hits += 1
        else:
            takes_long()
            self.misses += 1
            if not wait:
                return self._without_network(url, kind, key).body
            found = self._waited_for(url, kind, key, revalidate=revalidate)
        return found.body

    @property
    def entries(self) -> int:
        """Documents in memory."""
        return len(self._memory)

    def cached(self, url: str, kind: Kind) -> bool:
        """Tell whether `get` would answer from memory, be it with a failure."""
        try:
            return self._at_hand(_key(url, kind), kind) is not None
        except StirmilterError:
            return True

    def age(self, url: str, kind: Kind) -> float | None:
        """Return the seconds since a document was fetched or confirmed.

        Negative if the clock was set back since; None if there is none in memory.
        """
        document = self._memory.get(_key(url, kind))
        return None if document is None else self._clock() - document.at

    def kept(self, url: str, kind: Kind) -> bool:
        """Tell whether `get` would answer without the network, be it with a failure."""
        key = _key(url, kind)
        try:
            if self._at_hand(key, kind) is not None:
                return True
            known = self._known(url, kind, key)
        except StirmilterError:
            return True
        return known is not None and known.fresh_at(self._clock())

    def _at_hand(self, key: str, kind: Kind) -> Document | None:
        """Return what is in memory, if it can be used; raise a failure that is."""
        now = self._clock()
        document = self._memory.get(key)
        if document is not None and document.fresh_at(now):
            return document
        failure = self._failures.get(key)
        if failure is None or not failure.at <= now < failure.until:
            return None
        if document is not None and document.usable_at(now, kind.stale):
            return document
        raise bare(failure.error)

    def _without_network(self, url: str, kind: Kind, key: str) -> Document:
        known = self._known(url, kind, key)
        if known is None or not known.usable_at(self._clock(), kind.stale):
            raise FetchError(f"not here yet: {kind.name}")
        return known

    def _waited_for(
        self, url: str, kind: Kind, key: str, *, revalidate: bool
    ) -> Document:
        """Obtain it, or wait for the thread that does, if there is a place to wait."""
        if not self._places.acquire(blocking=False):
            raise FetchError(f"too many are being fetched: {kind.name}")
        try:
            return self._flights.share(
                (key, revalidate), lambda: self._obtain(url, kind, key, revalidate)
            )
        finally:
            self._places.release()

    def _obtain(self, url: str, kind: Kind, key: str, revalidate: bool) -> Document:
        if not revalidate:
            found = self._at_hand(key, kind)  # of a flight that has just ended
            if found is not None:
                return found
        known = self._known(url, kind, key)
        if known is not None and not revalidate and known.fresh_at(self._clock()):
            return known
        try:
            found = self._fetched(url, kind, known)
        except StirmilterError as error:
            now = self._clock()
            # A host that is busy, or rests, was not even asked.
            again = getattr(error, "again", None)
            seconds = kind.failure if again is None else min(again, kind.failure)
            self._failures.clear_out(lambda one: one.until <= now)
            self._failures.put(key, _Failure(bare(error), now, now + seconds))
            if known is None or revalidate or not known.usable_at(now, kind.stale):
                raise
            return known
        self._failures.drop(key)
        self._memory.put(key, found, len(found.body))
        self._save(key, found, kind)
        return found

    def _fetched(self, url: str, kind: Kind, known: Document | None) -> Document:
        """Ask the server, and hold its answer against the kind."""
        response = self._fetch(
            url,
            etag=known.etag if known else "",
            last_modified=known.last_modified if known else "",
            octets=kind.octets,
            accept=kind.accept,
        )
        if response.body is not None:
            kind.check(response.body)  # before it is kept
            if known is not None and known.fresh_at(self._clock()):
                kind.replaces(response.body)
        found = Document.of(response, kind, self._clock(), known)
        if found is None:
            raise FetchError("confirmed what it was not asked about")
        return found

    def _known(self, url: str, kind: Kind, key: str) -> Document | None:
        """Return what is kept of a URL, in memory or shared; the better one, if both.

        Raises:
            FetchError: it is one that we refuse.
        """
        self._allow(url)
        mine, shared = self._memory.get(key), self._load(key, kind)
        if shared is None:
            return mine
        if mine is not None:
            now = self._clock()
            newer = shared.at > mine.at or not mine.fresh_at(now)
            if not (newer and shared.fresh_at(now)):
                return mine
        self._memory.put(key, shared, len(shared.body))
        return shared

    def _load(self, key: str, kind: Kind) -> Document | None:
        """Look into what is shared, and trust it no more than the network."""
        if self._tier is None or kind.shared is None or self._resting():
            return None
        try:
            record = self._tier.load(key, kind.octets, self._clock())
            return None if record is None else Document.decode(record, kind)
        except StoreError as error:
            self._rest(str(error))
        except (StirmilterError, ValueError) as error:
            self._tell(f"{kind.name} store: a record that we did not write: {error}")
        return None

    def _save(self, key: str, document: Document, kind: Kind) -> None:
        if self._tier is None or kind.shared is None or self._resting():
            return
        if not kind.shared(document.body):
            return
        until = document.until + kind.stale
        try:
            self._tier.save(key, document.encode(), self._clock(), until)
        except StoreError as error:
            self._rest(str(error))

    def _resting(self) -> bool:
        return self._failed <= self._clock() < self._failed + self._pause

    def _rest(self, why: str) -> None:
        """Leave the tier alone for a moment: each message would wait for it."""
        self._failed = self._clock()
        self._tell(why)

    def _tell(self, why: str) -> None:
        now = self._clock()
        with self._lock:
            if self._told <= now < self._told + _MINUTE:
                return
            self._told = now
        self._observe(f"{why}; doing without")


def _key(url: str, kind: Kind) -> str:
    return hashlib.sha256(
        f"{kind.name}\n{url}".encode("utf-8", "surrogatepass")
    ).hexdigest()
