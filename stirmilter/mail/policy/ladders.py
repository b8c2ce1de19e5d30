"""What a peer must keep, more strictly from date to date.

A ladder is agreed with a peer beforehand: annotate now, tag from June, reject from
September. It asks whether a message is bad, and the date says what is done about it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import pairwise
from typing import Final, Literal, NamedTuple

from stirmilter.mail.policy.actions import ACTIONS, Action
from stirmilter.mail.policy.facts import OTHER, PLAIN, SEVERAL, Facts
from stirmilter.mail.verdict import Verdict
from stirmilter.stir.result import Reason

Rung = Literal["none", "tag", "quarantine", "reject"]

_ANY: Final = frozenset({SEVERAL, OTHER})  # what somebody may read as any MM4 type
_PROVES_NOTHING: Final = frozenset({"none", "neutral", "policy"})
_FETCHED: Final = frozenset({Reason.CREDENTIAL_UNAVAILABLE, Reason.STATUS_UNAVAILABLE})
_ENFORCING: Final = frozenset({"quarantine", "reject"})


class Step(NamedTuple):
    """From a date on, 00:00 UTC, this is done."""

    begins: date
    action: Rung


@dataclass(frozen=True, slots=True)
class Ladder:
    """Dated steps, each at least as strict as the one before."""

    steps: tuple[Step, ...] = ()
    must_sign: frozenset[str] = frozenset()
    """Message types, in lower case or `PLAIN`, that must carry a PASSporT. By the
    profile, answers and reports carry none."""

    def __post_init__(self) -> None:
        """Refuse a ladder that does not lead up.

        Raises:
            ValueError: names the step.
        """
        for before, after in pairwise(self.steps):
            if after.begins <= before.begins:
                raise ValueError(f"{after.begins} does not follow {before.begins}")
            if ACTIONS.index(_action(after)) < ACTIONS.index(_action(before)):
                raise ValueError(
                    f"{after.begins}: {after.action} is weaker than"
                    f" {before.action} before it"
                )

    def at(self, now: datetime) -> Action:
        """Return the action of the last step that has begun."""
        today = now.astimezone(UTC).date()
        begun = [step for step in self.steps if step.begins <= today]
        return _action(begun[-1]) if begun else "accept"

    def is_bad(self, facts: Facts) -> bool:
        """Tell whether a message is one that the steps are for.

        A token that fails always is. One that is missing, or proves too little, is if
        the peer must sign such messages, whatever DMARC says: whoever sends a message
        has a domain of his own. What could not be judged now never is.
        """
        if facts.verdict is Verdict.FAILED:
            return True
        return facts.stir in _PROVES_NOTHING and self._must_be_signed(facts)

    def waits(self, facts: Facts, now: datetime) -> bool:
        """Tell whether a message must come again, since its token could not be judged.

        It must if the peer has to sign such messages and what is bad is kept from its
        recipient by now: else a token whose x5u is dead would do for everything. That
        we do not know whether a good one was used before is nobody's trick.
        """
        return (
            facts.reason in _FETCHED
            and facts.verdict is Verdict.UNDETERMINED
            and self._must_be_signed(facts)
            and self.at(now) in _ENFORCING
        )

    def _must_be_signed(self, facts: Facts) -> bool:
        """Tell whether it may be taken for a type that must carry a PASSporT."""
        if facts.kind in _ANY and not self.must_sign <= {PLAIN}:
            return True
        return facts.kind in self.must_sign


def _action(step: Step) -> Action:
    return "accept" if step.action == "none" else step.action
