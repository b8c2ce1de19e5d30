"""Events are handed over here and written later: no message waits for the disk.

One thread for each process takes what has come since it last looked and has it written
in batches; when a thousand are there it looks at once. While the file cannot be
written, events wait for it, as many as there is room for; beyond, they are counted and
lost, and somebody is told. What a killed process loses is what came in the last
`seconds`.
"""

from __future__ import annotations

import math
import os
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from random import random
from threading import Event, Lock, Thread
from typing import Final, Protocol

from stirmilter.errors import StoreError
from stirmilter.events import Handled

_BATCH: Final = 200  # events in one transaction: another worker waits for its end
_MANY: Final = 1_000  # events that do not wait for their time: 2 MB, in five batches
_NICE: Final = 10  # a ninth of the processor time of one who serves, if both want some
_RETRY: Final = 0.05  # seconds between attempts of a process that is leaving


class Store(Protocol):
    """Who keeps events; `stores.journal` does."""

    def write(self, events: Sequence[Handled]) -> int:
        """Keep some, from the first on, and return how many, or raise StoreError."""
        ...

    def prune(self, now: datetime) -> None:
        """Forget what is too old or too much, or raise StoreError."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RecorderSettings:
    """How much may wait, and for how long."""

    queue: int = 10_000
    """Events that may wait."""

    seconds: float = 1.0
    """How often they are written; a thousand are written at once."""

    quiet_seconds: float = 60.0
    """How often somebody is told of the same trouble."""


class Recorder:
    """An observer of events with a thread that writes them."""

    def __init__(
        self,
        store: Callable[[], Store],
        settings: RecorderSettings = RecorderSettings(),
        *,
        lost: Callable[[int], None] = lambda _: None,
        say: Callable[[str], None] = lambda _: None,
        recovered: Callable[[str], None] = lambda _: None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Take where events go, and who is told when they do not.

        Args:
            store: opens what keeps them, or raises StoreError; asked by our thread.
            settings: limits.
            lost: told how many events were lost since it was last told.
            say: told in words, rarely.
            recovered: told in words that it works again.
            clock: aware time.
        """
        self._open = store
        self._store: Store | None = None
        self._settings = settings
        self._tell_lost = lost
        self._say = say
        self._recovered = recovered
        self._clock = clock
        self._lock = Lock()
        self._waiting: deque[Handled] = deque()
        self._lost = 0
        self._unsaid = 0
        self._said = -math.inf
        self._troubled = False
        self._due = Event()
        self._leaving = False
        self._deadline = math.inf
        self._thread = Thread(target=self._run, name="journal", daemon=True)

    @property
    def waiting(self) -> int:
        """Events that are not written yet."""
        return len(self._waiting)

    def __call__(self, event: Handled) -> None:
        """Take an event; never waits for a disk, never raises."""
        with self._lock:
            if len(self._waiting) < self._settings.queue:
                self._waiting.append(event)
                if len(self._waiting) == _MANY:
                    self._due.set()
            else:
                self._lost += 1

    def start(self) -> None:
        """Start the thread; once, after the fork."""
        self._thread.start()

    def close(self, seconds: float) -> None:
        """Have everything written that waits, for at most so long; then it is over."""
        self._deadline = time.monotonic() + seconds
        self._leaving = True
        self._due.set()
        self._thread.join(seconds)
        with self._lock:
            self._lost += len(self._waiting)
            self._waiting.clear()
        self._said = -math.inf
        self._account("journal: not written in time" if self._lost else "")

    def flush(self) -> bool:
        """Write everything that waits now, and tell whether that worked.

        For our own thread: it waits for the disk.
        """
        try:
            self._write()
        except StoreError as error:
            trouble = str(error)
        except Exception as error:  # noqa: BLE001 - a bug must not end the thread
            # What cannot be written at all must not keep the rest from it.
            self._done(_BATCH, lost=True)
            trouble = f"journal: internal error: {error!r}"
        else:
            trouble = ""
        self._account(trouble)
        return not trouble

    def _run(self) -> None:
        _stand_back()
        # Siblings that began together would else write together, one after another.
        self._wait(self._settings.seconds * random())  # noqa: S311 - no secret
        while not self._leaving:
            self.flush()
            self._wait(self._settings.seconds)
        while not self.flush() and time.monotonic() < self._deadline:
            time.sleep(_RETRY)

    def _wait(self, seconds: float) -> None:
        self._due.wait(seconds)
        self._due.clear()

    def _write(self) -> None:
        batch = self._next()
        if self._store is None:
            if not batch:
                return  # no file before there is something to write
            self._store = self._open()
        self._store.prune(self._clock())
        while batch:
            self._done(self._store.write(batch))
            self._store.prune(self._clock())
            batch = self._next()

    def _next(self) -> list[Handled]:
        with self._lock:
            return list(islice(self._waiting, _BATCH))

    def _done(self, count: int, *, lost: bool = False) -> None:
        """Let go of the first that wait: they are written, or never will be."""
        with self._lock:
            for _ in range(min(count, len(self._waiting))):
                self._waiting.popleft()
                self._lost += lost

    def _account(self, trouble: str) -> None:
        """Tell what was lost, each time; say what is wrong, rarely."""
        with self._lock:
            lost, self._lost = self._lost, 0
            waiting = len(self._waiting)
        if lost:
            self._tell_lost(lost)
            self._unsaid += lost
            trouble = trouble or "journal: more messages than can be written"
        if not trouble:
            if self._troubled:
                self._recovered("journal: written again")
            self._troubled = False
        elif time.monotonic() - self._said >= self._settings.quiet_seconds:
            self._say(
                f"{trouble}; {waiting} message{' waits' if waiting == 1 else 's wait'},"
                f" the evidence of {self._unsaid} is lost"
            )
            self._unsaid = 0
            self._said = time.monotonic()
            self._troubled = True


def _stand_back() -> None:
    """Let those who serve go first on this thread's processor: nobody waits for it.

    It needs a thirtieth of their time. For this thread alone, as Linux has it (nice(2),
    BUGS); where that is not allowed, it goes on as one of them.
    """
    with suppress(OSError):
        os.nice(_NICE)
