"""Revocation lists by URL or file: read once, renewed while the old one is used."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from threading import BoundedSemaphore, Lock
from typing import Final

from cryptography import x509

from stirmilter.errors import FetchError, StirmilterError, bare, reason
from stirmilter.stir import credential, crlreader
from stirmilter.stir.revocation import RevocationList
from stirmilter.stores.background import Background
from stirmilter.stores.kept import Kept

Get = Callable[[str, bool], bytes]
"""From a URL, and whether a copy that is still fresh must be asked about, to octets."""

_EARLY: Final = 0.1  # of the time between two lists: so long before we ask for the next


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
        places: BoundedSemaphore | None = None,
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
            concurrency: fetches at the same time, for messages.
            places: one for each thread that may wait for a list, if others share them.
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
        self._fetches = Background(
            self._first,
            "revocation lists",
            places=places or BoundedSemaphore(concurrency),
            fetches=concurrency,
        )
        self._lock = Lock()
        self._kept: OrderedDict[str, Kept] = OrderedDict()
        self._failed: OrderedDict[str, tuple[float, FetchError]] = OrderedDict()
        self._files = {str(path): path for path in files}
        self.generation = 0
        """Changes whenever a list does: what was concluded before holds no more."""

        for place in self._files:
            self._load(place)

    def begin(self, places: Iterable[str]) -> None:
        """Have those lists fetched, all at once, that are wanted for the first time."""
        for place in places:
            with self._lock, suppress(FetchError):
                if place in self._kept:
                    continue
                self._check_failed(place)
                self._fetches.begin(place)

    def find(
        self, place: str, seconds: float | None = None
    ) -> tuple[RevocationList, ...]:
        """Return the lists of a place; the first time, fetch.

        There is one, and more when the last to come is not by the signer of the one
        before. They may have expired, and nothing says that anybody who may has signed
        them.

        Args:
            place: URL, or path of a file.
            seconds: how long to wait for a fetch, which goes on; None is to its end.

        Raises:
            FetchError: there is none yet, or it could not be had a moment ago.
        """
        with self._lock:
            kept = self._kept.get(place)
            if kept is not None:
                self._kept.move_to_end(place)
                return kept.lists
            self._check_failed(place)
        return self._fetches.get(place, seconds)

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
            kept.prove(signer, self._clock())

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
            raise bare(error)  # one error is told to many: to each his own

    def _first(self, place: str) -> tuple[RevocationList, ...]:
        """Fetch, unless a fetch has just ended."""
        with self._lock:
            kept = self._kept.get(place)
            if kept is not None:
                return kept.lists
            self._check_failed(place)
        return self._load(place).lists

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

    def _load(self, place: str) -> Kept:
        """Have the list of a place, and put it where messages find it."""
        now = self._clock()
        mark = self._mark(place)
        try:
            return self._keep(place, Kept(self._read(place), now, mark), now)
        except (StirmilterError, ValueError, OSError) as error:
            failure = FetchError(reason(error))
            with self._lock:
                self._failed[place] = now + self._failure_seconds, failure
                self._failed.move_to_end(place)
                while len(self._failed) > self._lists + len(self._pinned):
                    self._failed.popitem(last=False)
            raise bare(failure) from None  # not what is kept: see `bare`

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

    def _keep(self, place: str, kept: Kept, now: float) -> Kept:
        """Put a list in its place, and forget others if there is no room."""
        file = place in self._files
        with self._lock:
            old = self._kept.get(place)
            changed = old is None or not kept.same_as(old)
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

    def _next(self, kept: Kept, now: float) -> float:
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
