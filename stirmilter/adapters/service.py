"""What all sessions of a worker share, whatever carries the milter protocol."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from typing import Final

from stirmilter.adapters.draft import Bounds, Draft, Held
from stirmilter.adapters.occupancy import Queue, Sessions
from stirmilter.events import Handled
from stirmilter.mail.filter import MailFilter
from stirmilter.mail.transaction import Submission

NAME: Final = "stirmilter"


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """What all sessions of a worker share."""

    filter: MailFilter
    executor: Executor
    observe: Callable[[Handled], None]
    failed: Callable[[str, BaseException], None]
    """Told the queue id and the error when a message meets a bug of ours."""

    prefetch: Callable[[Sequence[str]], Sequence[Future[None]]] = lambda _: ()
    """Begins to fetch URLs, unless they are at hand or being fetched; waits for none
    of them, and returns what there is to wait for."""

    submit: Callable[[Submission], None] = lambda _: None
    """Takes a message of ours to be sent, later and by somebody else."""

    message_seconds: float = 120.0
    """How long the end of a message waits for a decision; up to half of it, for what
    is fetched."""

    progress_seconds: float = 5.0
    """How often the MTA is told that we are still there."""

    bounds: Bounds = field(default_factory=Bounds)
    sessions: Sessions = field(default_factory=Sessions)
    queue: Queue = field(default_factory=Queue)
    held: Held = field(init=False)
    """What all messages under way share."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "held", Held(self.bounds.held_octets))

    def draft(self, sender: str = "") -> Draft:
        """Begin a message."""
        return Draft(self.bounds, self.held, sender)
