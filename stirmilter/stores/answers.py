"""What the DNS said, as a value; and how long such a value is remembered."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import Final, Literal

from stirmilter.haste import hurries

Kind = Literal["A", "AAAA", "MX", "TXT", "PTR"]

Outcome = Literal["found", "no-data", "no-name", "temporary", "malformed"]

Cause = Literal["", "silent", "spent"]

_OVERHEAD: Final = 256  # octets that an entry of the memory takes beside its records


@dataclass(frozen=True, slots=True)
class Answer:
    """What the DNS said.

    `records` holds, for A, AAAA and PTR, text (addresses; names in lower case without
    final dot); for MX ``"10 mail.example.net"``, best first; for TXT the character
    strings of one record joined, decoded as Latin-1, so that no octet is lost. The
    root, as the exchange of a null MX (RFC 7505), is ``.``.
    """

    outcome: Outcome
    records: tuple[str, ...] = ()
    detail: str = ""
    """Why it is temporary or malformed; printable."""

    cause: Cause = ""
    """Of what is temporary: `silent` if nobody answered in time; `spent` if nobody was
    asked, or hardly, since the message has used up what it may cost. The latter is the
    sender's doing, and nothing that is known of the name."""


class AnswerMemory:
    """Answers of late, the least used ones forgotten first; safe between threads.

    Bounded in octets too: a stranger decides how long the records of his names are.
    """

    def __init__(
        self, entries: int, octets: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Take the bounds, and a clock in seconds that never goes back."""
        self._entries = entries
        self._octets = octets
        self._clock = clock
        self._lock = Lock()
        self._answers: OrderedDict[tuple[str, Kind], tuple[float, Answer]] = (
            OrderedDict()
        )
        self._weight = 0
        self.hits = 0
        self.misses = 0

    @property
    def entries(self) -> int:
        """Answers that are remembered."""
        return len(self._answers)

    def get(self, name: str, kind: Kind) -> Answer | None:
        """Return what was said, unless that is forgotten or too old."""
        key = (name, kind)
        with self._lock:
            until, answer = self._answers.get(key, (0.0, None))
            if answer is None or until <= self._clock():
                self._forget(key)
                self.misses += not hurries()  # who has time asks again
                return None
            self.hits += 1
            self._answers.move_to_end(key)
            return answer

    def put(self, name: str, kind: Kind, answer: Answer, seconds: float) -> None:
        """Remember an answer for so many seconds; none for no seconds."""
        key = (name, kind)
        with self._lock:
            self._forget(key)
            if seconds <= 0:
                return
            self._answers[key] = (self._clock() + seconds, answer)
            self._weight += _weight(answer)
            while len(self._answers) > self._entries or self._weight > self._octets:
                self._forget(next(iter(self._answers)))
            # What has ended and is not asked for would else stay until all is full.
            while self._first_ends() <= self._clock():
                self._forget(next(iter(self._answers)))

    def _first_ends(self) -> float:
        return next((until for until, _ in self._answers.values()), math.inf)

    def _forget(self, key: tuple[str, Kind]) -> None:
        known = self._answers.pop(key, None)
        if known is not None:
            self._weight -= _weight(known[1])


def _weight(answer: Answer) -> int:
    return _OVERHEAD + sum(map(len, answer.records))
