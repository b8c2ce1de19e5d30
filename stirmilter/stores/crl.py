"""Revocation lists by URL or file: read once, renewed while the old one is used."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from threading import BoundedSemaphore, Lock
from typing import Final

from cryptography import x509

from stirmilter.errors import FetchError, StirmilterError
from stirmilter.stir import credential, crlreader
from stirmilter.stir.revocation import RevocationList

Get = Callable[[str, bool], bytes]
"""From a URL, and whether a copy that is still fresh must be asked about, to octets."""

_EARLY: Final = 0.1  # of the time between two lists: so long before we ask for the next
_SIGNERS: Final = (
    4  # whose lists one place may have in use: one, and more at a rollover
)


@dataclass(slots=True)
class _Kept:
    """What one place has served, and when to look again."""

    latest: RevocationList
    """As it came last; whoever may sign has signed it only if it is in `proved`."""

    due: float
    mark: object = None
    """Of a file: what changes when the file does."""

    proved: dict[x509.Certificate, RevocationList] = field(default_factory=dict)
    """By signer, the last list that was found to be signed by one who may."""

    @property
    def lists(self) -> tuple[RevocationList, ...]:
        """All that may speak, the newest first, each once."""
        found = {id(one): one for one in (self.latest, *self.proved.values())}
        return tuple(found.values())

    @property
    def trusted(self) -> tuple[RevocationList, ...]:
        """Those that were proved; before any was, the one that there is."""
        return tuple(self.proved.values()) or (self.latest,)

    @property
    def strange(self) -> bool:
        """Whether the last to come is by nobody whose list was proved here."""
        return bool(self.proved) and not any(
            one is self.latest for one in self.proved.values()
        )

    @property
    def entries(self) -> int:
        """How many certificates they name together."""
        return sum(one.entries for one in self.lists)

    def after(self, old: _Kept, now: float, *, file: bool) -> _Kept:
        """Return this with what was proved before; an heir takes the place of his own.

        Raises:
            FetchError: it is older than what the same signer has given, as caches may
                serve it. The operator may put an older file in place.
        """
        proved = dict(old.proved)
        for signer, listed in old.proved.items():
            if self.latest.signed_by(signer):
                if not file:
                    _check_newer(listed, self.latest, now)
                proved[signer] = self.latest
        return replace(self, proved=proved)


class RevocationStore:
    """Bounded, in memory, one fetch per place at a time however many threads ask.

    The first to need a list waits for it. From then on messages find the one that is
    there, and `refresh`, called from a thread of its own now and then, puts the next in
    its place whole. When that fails the old one stays: who judges by it looks at its
    dates. A place is a URL, or the path of a file that the operator named.

    Lists come over plain http too, so that anybody on the way may put another in their
    place. Who may sign one is known only with a certificate in hand, so whoever judges
    tells with `prove` what was found good; such a list goes for nothing but a newer one
    by the same signer. What another has signed is offered beside it.
    """

    def __init__(
        self,
        get: Get,
        *,
        pinned: Iterable[str] = (),
        files: Iterable[Path] = (),
        refresh_seconds: float = 3_600.0,
        failure_seconds: float = 30.0,
        lists: int = 64,
        entries: int = crlreader.ENTRIES,
        concurrency: int = 8,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Take what fetches, and the limits.

        Args:
            get: raises FetchError.
            pinned: URLs that the operator named: had in advance, never forgotten.
            files: PEM or DER; read at once, and again when they change.
            refresh_seconds: greatest time between two looks at a URL.
            failure_seconds: how long a failure is remembered.
            lists: how many are kept besides the operator's own; beyond, the least
                recently used is forgotten.
            entries: how many certificates all lists together may name.
            concurrency: threads that may wait for a list at the same time.
            clock: seconds since the epoch.

        Raises:
            FetchError: a file cannot be read, or is no list.
        """
        self._get = get
        self._pinned = tuple(pinned)
        self._refresh_seconds = refresh_seconds
        self._failure_seconds = failure_seconds
        self._lists = lists
        self._entries = entries
        self._clock = clock
        self._places = BoundedSemaphore(concurrency)
        self._lock = Lock()
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._waiting: dict[str, Future[tuple[RevocationList, ...]]] = {}
        self._failed: OrderedDict[str, tuple[float, FetchError]] = OrderedDict()
        self._files = {str(path): path for path in files}
        self.generation = 0
        """Changes whenever a list does: what was concluded before holds no more."""

        for place in self._files:
            self._load(place)

    def find(self, place: str) -> tuple[RevocationList, ...]:
        """Return the lists of a place; the first time, fetch.

        There is one, and more when the last to come is not by the signer of the one
        before. They may have expired, and nothing says that anybody who may has signed
        them.

        Raises:
            FetchError: there is none, now or a moment ago.
        """
        with self._lock:
            kept = self._kept.get(place)
            if kept is not None:
                self._kept.move_to_end(place)
                return kept.lists
            self._check_failed(place)
        if not self._places.acquire(blocking=False):
            raise FetchError("too many revocation lists are being fetched")
        try:
            return self._first(place)
        finally:
            self._places.release()

    def prove(
        self, place: str, listed: RevocationList, signer: x509.Certificate
    ) -> None:
        """Keep a list of a place until a newer one by the same signer comes.

        Args:
            place: where `find` had it from.
            listed: what it was.
            signer: one who may sign it, and did.
        """
        with self._lock:
            kept = self._kept.get(place)
            if kept is None or kept.proved.get(signer) is listed:
                return
            if listed is not kept.latest:
                return  # another has come meanwhile
            now = self._clock()
            proved = {
                one: old
                for one, old in kept.proved.items()
                if old is listed or old.next_update.timestamp() >= now
            }
            if len(proved) < _SIGNERS:
                kept.proved = {**proved, signer: listed}

    def refresh(self) -> list[str]:
        """Look for the next list wherever one is due; return what went wrong, in words.

        Meant for a thread of its own. Messages go on with the lists that are there.
        """
        problems = []
        for place in self._due():
            try:
                kept = self._load(place)
            except FetchError as error:
                problems.append(f"{place}: {error}")
            else:
                if kept.strange:
                    problems.append(f"{place}: {_STRANGER}")
        return problems

    def ages(self) -> Mapping[str, float]:
        """Return, by place, the seconds since each list was made (thisUpdate)."""
        now = self._clock()
        with self._lock:
            return {
                place: now - max(one.this_update for one in kept.trusted).timestamp()
                for place, kept in self._kept.items()
            }

    def _check_failed(self, place: str) -> None:
        """Tell the failure of a moment ago again."""
        until, error = self._failed.get(place, (0.0, None))
        if error is not None and self._clock() < until:
            # One error is told to many: without this, its trace would grow with each.
            raise error.with_traceback(None)

    def _first(self, place: str) -> tuple[RevocationList, ...]:
        """Fetch, or wait for the thread that does."""
        with self._lock:
            kept = self._kept.get(place)
            if kept is not None:
                return kept.lists
            future = self._waiting.get(place)
            mine = future is None
            if future is None:
                self._check_failed(place)
                future = self._waiting[place] = Future()
        if mine:
            try:
                future.set_result(self._load(place).lists)
            except BaseException as error:  # noqa: BLE001 - told to whoever waits
                future.set_exception(error)
            with self._lock:
                del self._waiting[place]
        try:
            return future.result()
        except StirmilterError as error:
            raise error.with_traceback(None) from None

    def _due(self) -> list[str]:
        """Name the places to look at now."""
        now = self._clock()
        with self._lock:
            due = [
                place
                for place, kept in self._kept.items()
                if now >= kept.due or kept.mark not in (None, self._mark(place))
            ]
            due += [place for place in self._pinned if place not in self._kept]
            return [p for p in due if now >= self._failed.get(p, (0.0, None))[0]]

    def _load(self, place: str) -> _Kept:
        """Have the list of a place, and put it where messages find it."""
        now = self._clock()
        mark = self._mark(place)
        try:
            return self._keep(place, _Kept(self._read(place), now, mark), now)
        except (StirmilterError, ValueError, OSError) as error:
            failure = FetchError(getattr(error, "strerror", None) or str(error))
            with self._lock:
                self._failed[place] = now + self._failure_seconds, failure
                self._failed.move_to_end(place)
                while len(self._failed) > self._lists + len(self._pinned):
                    self._failed.popitem(last=False)
            raise failure from None

    def _read(self, place: str) -> RevocationList:
        path = self._files.get(place)
        if path is not None:
            return crlreader.read(path.read_bytes(), self._entries)
        listed = crlreader.read(self._get(place, True), self._entries)
        return self._with_helpers(listed) if listed.indirect else listed

    def _with_helpers(self, listed: RevocationList) -> RevocationList:
        """Add the certificates of who signed an indirect list (RFC 5280 §5.2.7).

        They prove nothing, but may lead from the signer to an anchor. Without them the
        operator's own file must name the signer itself.
        """
        for url in listed.issuers_at[:1]:
            try:
                return replace(
                    listed, helpers=credential.load_chain(self._get(url, False))
                )
            except StirmilterError:
                break
        return listed

    def _keep(self, place: str, kept: _Kept, now: float) -> _Kept:
        """Put a list in its place, and forget others if there is no room."""
        file = place in self._files
        with self._lock:
            old = self._kept.get(place)
            changed = old is None or not _same(old.latest, kept.latest)
            if old is not None and not changed:
                # The very one: whoever judges by it now is about to `prove` it.
                kept = replace(kept, latest=old.latest, proved=old.proved)
            elif old is not None:
                kept = kept.after(old, now, file=file)
            kept.due = self._next(kept, now) if not file else _NEVER
            if changed:
                # What nobody vouches for drives out nothing that somebody does.
                self._make_room(place, kept.entries, forget=not kept.strange)
                self.generation += 1
            self._kept[place] = kept
            self._kept.move_to_end(place)
            self._failed.pop(place, None)
        return kept

    def _next(self, kept: _Kept, now: float) -> float:
        """Say when to look again: in good time before the list expires."""
        soonest = now + self._failure_seconds  # one that has expired comes no faster
        if kept.strange:
            return soonest
        listed = kept.latest
        early = (listed.next_update - listed.this_update) * _EARLY
        wanted = (listed.next_update - max(early, timedelta(0))).timestamp()
        return max(soonest, min(wanted, now + self._refresh_seconds))

    def _make_room(self, place: str, entries: int, *, forget: bool) -> None:
        """Forget lists that nobody needed for longest, but never the operator's."""
        theirs = [
            other
            for other in self._kept
            if other not in self._files and other not in self._pinned and other != place
        ]
        used = entries + sum(
            kept.entries for other, kept in self._kept.items() if other != place
        )
        more = 0 if place in self._files or place in self._pinned else 1
        while (
            forget
            and theirs
            and (len(theirs) + more > self._lists or used > self._entries)
        ):
            used -= self._kept.pop(theirs.pop(0)).entries
        if used > self._entries:
            raise FetchError(f"more than {self._entries} certificates in all lists")

    def _mark(self, place: str) -> object:
        """Return what changes when a file does; None for a URL."""
        path = self._files.get(place)
        if path is None:
            return None
        try:
            found = path.stat()
        except OSError:
            return "gone"
        return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


_NEVER: Final = float("inf")
_STRANGER: Final = (
    "not signed by whoever signed the list before, which stays in use until its end"
)


def _check_newer(old: RevocationList, new: RevocationList, now: float) -> None:
    """Refuse a list that was made before the one that we have, as caches may serve."""
    if new.this_update < old.this_update and old.this_update.timestamp() <= now:
        raise FetchError("an older list than the one that is known")


def _same(one: RevocationList, other: RevocationList) -> bool:
    return (one.digest, one.signature, one.helpers) == (
        other.digest,
        other.signature,
        other.helpers,
    )
