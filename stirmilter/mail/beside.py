"""What the methods beside STIR found of a message: their one way into the filter.

Whoever evaluates SPF, DKIM, DMARC and ARC, or reads what a trusted hop found, makes one
`Beside` of it. The filter asks for it once, before the PASSporTs are judged, and knows
no method by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from stirmilter.mail.checks.canonical import BodyHashes
from stirmilter.mail.protection import Protection
from stirmilter.mail.results import MailResults
from stirmilter.mail.transaction import Header, Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """The results, and what follows from them."""

    results: MailResults = field(default_factory=MailResults)
    protection: Protection = field(default_factory=Protection)
    """Which header fields valid DKIM signatures protect."""

    differences: tuple[str, ...] = ()
    """Where a trusted hop found something else than we did: the method, a colon, and
    both words."""

    @property
    def differing(self) -> frozenset[str]:
        """The methods of `differences`."""
        return frozenset(text.partition(":")[0] for text in self.differences)


class Checks(Protocol):
    """Evaluates the methods for one message; a failure is a result, no exception."""

    def prepare(self, headers: Sequence[Header]) -> BodyHashes:
        """Say what is to be hashed of the body that follows these headers."""
        ...

    def check(self, transaction: Transaction, now: datetime) -> Beside:
        """Evaluate, once the body was hashed so."""
        ...


class NoChecks:
    """Evaluates nothing."""

    def prepare(self, _headers: Sequence[Header]) -> BodyHashes:
        """Hash nothing."""
        return BodyHashes(())

    def check(self, _transaction: Transaction, _now: datetime) -> Beside:
        """Find nothing."""
        return Beside()
