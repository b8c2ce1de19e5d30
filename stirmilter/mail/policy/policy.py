"""The whole policy, in the order in which it decides.

1. The table of rules: the operator's own words come first.
2. What was agreed with the peer (its ladder), and what is to be done about a failure of
   ours: the stronger of the two. What the ladder cannot judge, as something failed,
   comes again where nothing is to be done about that.
3. Otherwise the message is accepted as it is.

The shadow table takes the place of the rules in a second run, whose outcome is only
compared.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from stirmilter.mail.policy import peers, rules
from stirmilter.mail.policy.actions import ACTIONS, Action, Measure, Tag
from stirmilter.mail.policy.facts import Facts
from stirmilter.mail.policy.failures import FailurePolicy
from stirmilter.mail.policy.peers import Peer
from stirmilter.mail.policy.rules import Outcome, Rule
from stirmilter.mail.policy.ruling import Ruling


@dataclass(frozen=True, kw_only=True)
class Policy:
    """What the operator decided about messages that were judged."""

    rules: tuple[Rule, ...] = ()
    shadow: tuple[Rule, ...] = ()
    peers: tuple[Peer, ...] = ()
    failures: FailurePolicy = field(default_factory=FailurePolicy)
    tag: Tag = field(default_factory=Tag)
    """The field of ladders, failures, and rules that name none."""

    @cached_property
    def header_names(self) -> frozenset[str]:
        """Fields that we write; whatever arrives under such a name is forged."""
        own = (rule.measure.tag for rule in self.rules)
        return frozenset({self.tag.name, *(tag.name for tag in own if tag)})

    @cached_property
    def bindings(self) -> dict[str, frozenset[str]]:
        """DKIM domains of each carrier."""
        return peers.bindings(self.peers)

    def decide(self, facts: Facts, now: datetime) -> Ruling:
        """Decide, and compare with the shadow table.

        Args:
            facts: the message.
            now: aware time; ladders depend on it.
        """
        beside = self.otherwise(facts, now)
        outcome = rules.decide(facts, self.rules, self.tag) or beside
        shadow = None
        if self.shadow:
            shadow = rules.decide(facts, self.shadow, self.tag) or beside
        differs = shadow is not None and not shadow.same(outcome)
        return Ruling(facts=facts, outcome=outcome, shadow=shadow if differs else None)

    def otherwise(self, facts: Facts, now: datetime) -> Outcome:
        """Decide a message that no rule is for."""
        found = [
            (f"failure:{kind}", action) for kind, action in self.failures.actions(facts)
        ]
        untold = all(action == "accept" for _, action in found)
        found += self._ladder(facts, now, untold=untold)
        name, action = max(
            found, key=lambda one: ACTIONS.index(one[1]), default=("", "accept")
        )
        if action == "accept":
            return Outcome()
        return rules.outcome(facts, name, Measure(action=action), self.tag)

    def _ladder(
        self, facts: Facts, now: datetime, *, untold: bool
    ) -> Iterator[tuple[str, Action]]:
        """Yield what the ladder says; `untold` if nothing is said of what failed."""
        for peer in self.peers:
            if peer.name != facts.peer:
                continue
            if peer.ladder.is_bad(facts):
                yield f"ladder:{peer.name}", peer.ladder.at(now)
            elif untold and peer.ladder.waits(facts, now):
                yield f"ladder:{peer.name}", "tempfail"
