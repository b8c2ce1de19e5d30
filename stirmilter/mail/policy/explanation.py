"""Why a message fares as it does: each rule up to the one that applies, and more."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from stirmilter.mail.policy.facts import METHODS, Facts
from stirmilter.mail.policy.policy import Policy
from stirmilter.mail.policy.rules import Outcome, Rule, Unmet, decide
from stirmilter.stir.result import printable


@dataclass(frozen=True, slots=True)
class Looked:
    """One rule that was looked at."""

    rule: str
    unmet: tuple[Unmet, ...]
    """What kept it from applying; empty for the one that applies."""


def look(rules: Sequence[Rule], facts: Facts) -> Iterator[Looked]:
    """Yield the rules that are looked at, in order; the last may be one that applies.

    Of each, all that is not met, sorted: whoever mends a rule mends it once.
    """
    for rule in rules:
        unmet = tuple(sorted(rule.when.unmet(facts)))
        yield Looked(rule.name, unmet)
        if not unmet:
            return


def facts_of(facts: Facts) -> dict[str, str]:
    """Name the facts as conditions are named; the number is the caller's to mask."""
    return {
        "verdict": str(facts.verdict),
        "stir": facts.stir,
        "reason": facts.reason.code,
        **{method: facts.word(method) for method in METHODS},
        "peer": facts.peer or "unknown",
        "spc": " ".join(sorted(facts.spcs)),
        "number": facts.number or "",
        "message_type": printable(facts.message_type) or "plain",
        "protected": "yes" if facts.protected else "no",
        "binding": facts.binding,
        "differs": " ".join(sorted(facts.differences)),
    }


def explain(policy: Policy, facts: Facts, now: datetime) -> dict[str, Any]:
    """Return all of it as one JSON object; `decide` is asked again, for the shadow."""
    beside = policy.otherwise(facts, now)
    shadow = decide(facts, policy.shadow, policy.tag) or beside
    decided = policy.decide(facts, now)
    return {
        "facts": facts_of(facts),
        "rules": [_as_json(one) for one in look(policy.rules, facts)],
        "otherwise": outcome(beside),
        "outcome": outcome(decided.outcome),
        "shadow_rules": [_as_json(one) for one in look(policy.shadow, facts)],
        "shadow": outcome(shadow) if policy.shadow else None,
        "differs": decided.shadow is not None,
    }


def outcome(found: Outcome) -> dict[str, Any]:
    """Return what is done, by whose word."""
    return {
        "action": found.action,
        "rule": found.rule or None,
        "reply": " ".join(found.reply) if found.reply else None,
        "header": ": ".join(found.header) if found.header else None,
    }


def _as_json(looked: Looked) -> dict[str, Any]:
    return {
        "rule": looked.rule,
        "applies": not looked.unmet,
        "unmet": [one._asdict() for one in looked.unmet],
    }
