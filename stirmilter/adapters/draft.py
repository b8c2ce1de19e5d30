"""One message while it arrives: what is kept of it, and within which bounds.

Header fields and recipients are kept. A body is hashed as it streams; of one that came
with a token, some is kept until its digest is known to be good (`mail.survival`). So
nothing has to be spooled, and what a worker holds has an end: per message, and of all
messages that are under way in it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import chain
from threading import Lock
from typing import Final, Literal

from stirmilter.events import Stage
from stirmilter.mail.transaction import Header, Preparation
from stirmilter.stir.msgi import BodyDigester

Reply = tuple[str, str, str]
"""SMTP code, enhanced code (RFC 3463), text."""

_OVERHEAD: Final = 200  # octets that a header field or a recipient takes beside its own
_LARGE_HEADER: Final = ("552", "5.3.4", "the message header is too large")
_TOO_MANY: Final = ("452", "4.5.3", "too many recipients")
_TOO_MUCH: Final = ("452", "4.3.1", "too much mail at once, try again later")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What may be kept; beyond, a message is refused and nothing of it kept."""

    headers: int = 1_000
    header_octets: int = 262_144
    """Either is beyond help: the message is rejected."""

    recipients: int = 1_000
    """Beyond that, the message is to come again, with fewer."""

    held_octets: int = 1 << 26
    """Of all messages together; beyond that, one is to come again."""


class Held:
    """Counts octets that messages hold; safe between threads."""

    def __init__(self, octets: int) -> None:
        """Take how many there may be."""
        self._free = octets
        self._lock = Lock()

    def take(self, octets: int) -> bool:
        """Take some, if there are so many left."""
        with self._lock:
            if octets > self._free:
                return False
            self._free -= octets
            return True

    def give(self, octets: int) -> None:
        """Give back what was taken."""
        with self._lock:
            self._free += octets


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a message is not wanted, as SMTP says it."""

    action: Literal["reject", "tempfail"]
    reply: Reply
    reason: str
    """In a word, for the log."""


_UNPREPARED: Final = Preparation(BodyDigester(()))
"""Of a message whose header has not ended; nothing feeds it, so all may share it."""


@dataclass(slots=True)
class Draft:
    """One message while it arrives; whoever drops it says so with `release`."""

    bounds: Bounds
    held: Held
    sender: str = ""
    recipients: list[str] = field(default_factory=list)
    headers: list[Header] = field(default_factory=list)
    prepared: Preparation = _UNPREPARED
    readers: tuple[Callable[[bytes], None], ...] = ()
    """Those of `prepared`."""

    waits: list[tuple[Stage, float]] = field(default_factory=list)
    """Seconds that it waited for others."""

    error: BaseException | None = None
    """What a callback without reply ran into; `eom` answers for it."""

    late: bool = False
    """Whether it was answered undecided; no decision of it is applied from then on."""

    refusal: Refusal | None = None
    """The first bound that it ran into; nothing more is kept from then on."""

    _octets: int = 0
    """Of the header."""

    _taken: int = 0
    """Of what all messages share."""

    def add_recipient(self, recipient: str) -> None:
        """Keep a recipient, within bounds."""
        if len(self.recipients) >= self.bounds.recipients:
            self._refuse(Refusal("tempfail", _TOO_MANY, "envelope-too-large"))
        elif self._hold(len(recipient)):
            self.recipients.append(recipient)

    def add_header(self, fields: Sequence[tuple[str, bytes]]) -> None:
        """Keep header fields, within bounds: all of them, or nothing of the message."""
        count = len(fields)
        octets = sum(map(len, chain.from_iterable(fields)))
        self._octets += octets
        if (
            len(self.headers) + count > self.bounds.headers
            or self._octets > self.bounds.header_octets
        ):
            self._refuse(Refusal("reject", _LARGE_HEADER, "header-too-large"))
        elif self._hold(octets, count):
            # Some take "From : x" for From, so it is From to us as well.
            self.headers += [Header(name.rstrip(), value) for name, value in fields]

    def release(self) -> None:
        """Give back what it takes of what all messages share; again is once."""
        if self._taken:
            self.held.give(self._taken)
            self._taken = 0

    def _hold(self, octets: int, count: int = 1) -> bool:
        if self.refusal is not None:
            return False
        octets += count * _OVERHEAD
        if not self.held.take(octets):
            self._refuse(Refusal("tempfail", _TOO_MUCH, "too-much-mail"))
            return False
        self._taken += octets
        return True

    def _refuse(self, refusal: Refusal) -> None:
        self.refusal = self.refusal or refusal
        self.recipients.clear()
        self.headers.clear()
        self.release()
