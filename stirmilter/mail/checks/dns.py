"""The port to the DNS, shared by every check: one question, one answer, no exception.

A check must tell "there is none" from "nobody could say", so the outcome is part of the
answer and not an exception that a library on the way may swallow.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

Kind = Literal["A", "AAAA", "MX", "TXT", "PTR"]

Outcome = Literal["found", "no-data", "no-name", "temporary", "malformed"]


@dataclass(frozen=True, slots=True)
class Answer:
    """What the DNS said.

    `records` holds, for A, AAAA and PTR, text (addresses; names in lower case without
    final dot); for MX ``"10 mail.example.net"``, best first; for TXT the character
    strings of one record joined, decoded as Latin-1, so that no octet is lost.
    """

    outcome: Outcome
    records: tuple[str, ...] = ()
    detail: str = ""
    """Why it is temporary or malformed; printable."""


class Resolver(Protocol):
    """Asks the DNS within the deadline of the message; safe between threads."""

    def ask(self, name: str, kind: Kind) -> Answer:
        """Ask once for a fully qualified name, in A-labels, without search domains."""
        ...
