"""Hands messages of ours to a relay over SMTP, in the background.

They are answers that nobody waits for, so each is tried once: one that is lost is told,
and costs nothing else.
"""

from __future__ import annotations

import smtplib
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from queue import Full, Queue
from threading import Thread
from typing import Literal

from stirmilter.mail.transaction import Submission

Outcome = Literal["sent", "failed", "dropped"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Relay:
    """Where messages are handed over."""

    host: str
    port: int
    name: str
    """What we call ourselves (EHLO)."""

    seconds: float = 10.0
    """For each step of the dialogue."""

    queue: int = 100
    """Messages that may wait."""


class Submitter:
    """Takes messages, and has its own thread hand them over."""

    def __init__(
        self,
        relay: Relay,
        say: Callable[[str], None],
        count: Callable[[Outcome], None] = lambda _: None,
    ) -> None:
        """Take the relay, who is told what was lost, and who counts."""
        self._relay = relay
        self._say = say
        self._count = count
        self._waiting: Queue[Submission | None] = Queue(relay.queue)
        self._thread = Thread(target=self._run, name="submission", daemon=True)

    @property
    def waiting(self) -> int:
        """Messages that are not handed over yet."""
        return self._waiting.qsize()

    def __call__(self, message: Submission) -> None:
        """Take a message; never waits for the network, never raises."""
        try:
            self._waiting.put_nowait(message)
        except Full:
            self._count("dropped")
            self._say(f"mm4: too many answers wait; none to {message.recipient}")

    def start(self) -> None:
        """Start the thread; once, after the fork."""
        self._thread.start()

    def close(self, seconds: float) -> None:
        """Let what waits be handed over, for at most so long."""
        deadline = time.monotonic() + seconds
        with suppress(Full):
            self._waiting.put(None, timeout=seconds)
            self._thread.join(max(0.0, deadline - time.monotonic()))

    def _run(self) -> None:
        while (message := self._waiting.get()) is not None:
            try:
                self._hand_over(message)
                self._count("sent")
            except Exception as error:  # noqa: BLE001 - the next may well be taken
                self._count("failed")
                self._say(f"mm4: no answer to {message.recipient}: {error}")

    def _hand_over(self, message: Submission) -> None:
        relay = self._relay
        with smtplib.SMTP(
            relay.host, relay.port, relay.name, timeout=relay.seconds
        ) as smtp:
            # RFC 3834 §3.3: an answer that nothing made is sent from the null sender.
            smtp.sendmail("", [message.recipient], message.octets)
