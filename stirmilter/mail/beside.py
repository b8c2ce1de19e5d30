"""What the methods beside STIR found of a message: their one way into the filter.

Whoever evaluates SPF, DKIM, DMARC and ARC, or reads what a trusted hop found, makes one
`Beside` of it. The filter asks for it once, after the PASSporTs were judged, and knows
no method by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from stirmilter.mail.results import MailResults
from stirmilter.mail.transaction import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """The results, and what follows from them."""

    results: MailResults = field(default_factory=MailResults)
    headers_covered: bool = False
    """Whether a valid DKIM signature covers PASSporT, From and Content-Type."""

    differences: frozenset[str] = frozenset()
    """Methods (``spf``, ``dkim``, ``dmarc``, ``arc``) of which a trusted hop found
    something else than we did."""


Checks = Callable[[Transaction, datetime], Beside]
"""Evaluates the methods for one message; a failure is a result, not an exception."""


def nothing(_transaction: Transaction, _now: datetime) -> Beside:
    """Evaluate nothing."""
    return Beside()
