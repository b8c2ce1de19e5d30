"""A table of rules: all conditions of a rule must hold, the first that applies wins."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Final, NamedTuple

from stirmilter.mail.policy import replies
from stirmilter.mail.policy.actions import Action, Field, Measure, Reply, Tag
from stirmilter.mail.policy.facts import KINDS, METHODS, NOBODY, Facts
from stirmilter.mail.verdict import Verdict
from stirmilter.stir.result import Reason
from stirmilter.stir.tn import NumberSet

_REPORTED: Final = frozenset({"none", "pass", "fail", "temperror", "permerror"})

VALUES: Final[Mapping[str, frozenset[str]]] = {
    "verdict": frozenset(map(str, Verdict)),
    "stir": frozenset(reason.word for reason in Reason),
    "reason": frozenset(reason.code for reason in Reason),
    "spf": _REPORTED | {"softfail", "neutral", "policy"},
    "dkim": _REPORTED | {"neutral", "policy"},
    "dmarc": _REPORTED,
    "arc": _REPORTED,
    "binding": frozenset({"none", "match", "mismatch", "absent"}),
    "differs": frozenset(METHODS),
    "message_type": KINDS,
}
"""Conditions whose values are known beforehand (RFC 8601 §2.7, TS 23.140 §8.4)."""

_Words = frozenset[str]


class Unmet(NamedTuple):
    """Why a rule does not apply."""

    condition: str
    wanted: str
    found: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """What a rule asks for; an empty set asks for nothing."""

    verdict: _Words = frozenset()
    stir: _Words = frozenset()
    reason: _Words = frozenset()
    spf: _Words = frozenset()
    dkim: _Words = frozenset()
    dmarc: _Words = frozenset()
    arc: _Words = frozenset()
    peer: _Words = frozenset()
    """Names; `NOBODY` is a client that no peer is."""

    spc: _Words = frozenset()
    """One of them is enough; only what an anchor vouched for counts."""

    number: NumberSet | None = None
    """Holds the originator."""

    numberless: bool = False
    """Whether `number` also asks for, or for nothing but, a From without a number."""

    message_type: _Words = frozenset()
    """In lower case; `PLAIN` is mail without one, `OTHER` one that is not known."""

    binding: _Words = frozenset()
    differs: _Words = frozenset()
    """Methods; one that somebody upstream found otherwise is enough."""

    def __post_init__(self) -> None:
        """Refuse a value that nothing ever has.

        Raises:
            ValueError: names condition and value.
        """
        for name, known in VALUES.items():
            for value in sorted(getattr(self, name) - known):
                raise ValueError(
                    f"{name}: {value!r} is none of {', '.join(sorted(known))}"
                )

    def asked(self) -> frozenset[str]:
        """Name the conditions that ask for something."""
        named = frozenset(f.name for f in fields(self) if getattr(self, f.name))
        return (named - {"numberless"}) | {"number"} if self.numberless else named

    def unmet(self, facts: Facts) -> Iterator[Unmet]:
        """Yield each condition that does not hold."""
        for name in self.asked():
            if name == "number":
                continue
            wanted, found = getattr(self, name), _found(name, facts)
            if wanted.isdisjoint(found):
                yield Unmet(name, " ".join(sorted(wanted)), " ".join(sorted(found)))
        if self.asks_number and not self._has_number(facts.number):
            wanted = "none" if self.number is None else "a number of the set"
            yield Unmet("number", wanted, facts.number or "none")

    @property
    def asks_number(self) -> bool:
        """Whether it matters which number From names, if any; a set may be empty."""
        return self.number is not None or self.numberless

    def _has_number(self, number: str | None) -> bool:
        if number is None or ":" in number:  # a URI
            return self.numberless
        return self.number is not None and number in self.number


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One line of a table."""

    name: str
    when: Conditions = Conditions()
    measure: Measure

    def applies(self, facts: Facts) -> bool:
        """Tell whether every condition holds."""
        return next(self.when.unmet(facts), None) is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What becomes of a message, and who says so."""

    action: Action = "accept"
    rule: str = ""
    """Name of a rule, ``ladder:`` and a peer, ``failure:`` and what failed; empty when
    nothing applied."""

    reply: Reply | None = None
    """For ``tempfail`` and ``reject``."""

    header: Field | None = None
    """For ``tag``, and for ``quarantine`` where a field was asked for."""

    def same(self, other: Outcome) -> bool:
        """Tell whether a message fares the same, whoever says so."""
        return (self.action, self.reply, self.header) == (
            other.action,
            other.reply,
            other.header,
        )


def decide(facts: Facts, rules: Sequence[Rule], tag: Tag) -> Outcome | None:
    """Return what the first rule that applies says; None if none does.

    Args:
        facts: the message.
        rules: in the order of the table.
        tag: the field of rules that name none.
    """
    for rule in rules:
        if rule.applies(facts):
            return outcome(facts, rule.name, rule.measure, tag, rule.when.asked())
    return None


def outcome(
    facts: Facts,
    name: str,
    measure: Measure,
    tag: Tag,
    asked: frozenset[str] = frozenset(),
) -> Outcome:
    """Apply a measure to a message.

    Args:
        facts: the message.
        name: who says so.
        measure: what.
        tag: the field, where the measure names none.
        asked: conditions that led here: what failed of them is what is replied.
    """
    field = measure.tag or (tag if measure.action == "tag" else None)
    return Outcome(
        action=measure.action,
        rule=name,
        reply=replies.reply(facts, measure, asked),
        header=field.fill(facts.verdict, facts.reason.code, name) if field else None,
    )


def _found(name: str, facts: Facts) -> frozenset[str]:
    match name:
        case "reason":
            return frozenset({facts.reason.code})
        case "peer":
            return frozenset({facts.peer or NOBODY})
        case "message_type":
            return frozenset({facts.kind})
        case "spc":
            return facts.spcs
        case "differs":
            return facts.differences
        case _:
            return frozenset({str(getattr(facts, name))})
