"""The port to the DNS, shared by every check: one question, one answer, no exception.

A check must tell "there is none" from "nobody could say", so the outcome is part of the
answer and not an exception that a library on the way may swallow.
"""

from __future__ import annotations

from typing import Protocol

from stirmilter.stores.answers import Answer, Kind, Outcome

__all__ = ["Answer", "Kind", "Outcome", "Resolver"]


class Resolver(Protocol):
    """Asks the DNS within the deadline of the message; safe between threads."""

    def ask(self, name: str, kind: Kind) -> Answer:
        """Ask once for a fully qualified name, without search domains.

        U-labels are asked for as A-labels. What is no domain name is ``malformed``.
        """
        ...
