"""What the policy decided about one message, to be applied, told and explained."""

from __future__ import annotations

from dataclasses import dataclass

from stirmilter.mail.policy.facts import Facts
from stirmilter.mail.policy.rules import Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """What becomes of a message, and what the shadow table would have done."""

    facts: Facts
    outcome: Outcome
    shadow: Outcome | None = None
    """None if there is no such table, or it would have done the same."""
