"""One message while it arrives: what the callbacks have noted down of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from stirmilter.events import Stage
from stirmilter.mail.transaction import Header, Preparation
from stirmilter.stir.msgi import BodyDigester


def _unprepared() -> Preparation:
    return Preparation(BodyDigester(()))


@dataclass(slots=True)
class Draft:
    """A message that is not complete."""

    sender: str = ""
    recipients: list[str] = field(default_factory=list)
    headers: list[Header] = field(default_factory=list)
    header_octets: int = 0
    too_large: bool = False
    prepared: Preparation = field(default_factory=_unprepared)
    readers: tuple[Callable[[bytes], None], ...] = ()
    """Those of `prepared`."""

    waits: list[tuple[Stage, float]] = field(default_factory=list)
    """Seconds that it waited for others."""

    error: BaseException | None = None
    """What a callback without reply ran into; `eom` answers for it."""
