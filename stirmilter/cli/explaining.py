"""What ``check --message`` says: what would become of a message, and why."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stirmilter.mail.transaction import Decision, Transaction
    from stirmilter.runtime import Runtime


def would(built: Runtime, transaction: Transaction, now: datetime) -> dict[str, Any]:
    """Decide a message as of a time, and return all about it as one JSON object."""
    from stirmilter.mail.policy import explanation

    built.filter.clock = lambda: now
    decision = built.filter.decide(transaction)
    event, ruling = decision.event, decision.ruling
    policy = built.filter.policy.actions
    return {
        "direction": event.direction,
        "outcome": event.outcome,
        "reason": event.reason,
        "action": decision.action,
        "detail": event.detail or None,
        "rule": event.rule or None,
        "reply": _reply(decision),
        "policy": explanation.explain(policy, ruling.facts, now) if ruling else None,
        "answer": decision.answer.recipient if decision.answer else None,
        "remove": [
            {"name": gone.name, "occurrence": gone.occurrence}
            for gone in decision.remove
        ],
        "insert": [
            {"name": name, "value": " ".join(value.split())}
            for name, value in decision.insert
        ],
    }


def _reply(decision: Decision) -> str | None:
    """Return what Postfix would answer, where it would not take the message."""
    refused = decision.action in ("tempfail", "reject")
    return " ".join(decision.reply) if refused and decision.reply else None


def lines(report: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    """Yield the same for people, in lines of words that tabs part."""
    words = ("direction", "outcome", "reason", "action", "detail")
    yield tuple(report[word] or "-" for word in words)
    if report["direction"] == "out" and report["rule"]:
        yield "decided", report["action"], report["rule"], report["reply"] or "-"
    for gone in report["remove"]:
        yield "remove", gone["name"], str(gone["occurrence"])
    for made in report["insert"]:
        yield "insert", made["name"], made["value"]
    if report["answer"] is not None:
        yield "answer", report["answer"]
    if report["policy"] is not None:
        yield from _policy_lines(report["policy"])


def _policy_lines(policy: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    for name, value in policy["facts"].items():
        yield "fact", name, value or "-"
    yield from _rule_lines("rule", policy["rules"])
    yield "otherwise", *_outcome(policy["otherwise"])
    yield "decided", *_outcome(policy["outcome"])
    yield from _rule_lines("shadow rule", policy["shadow_rules"])
    if policy["shadow"] is not None:
        compared = "differs" if policy["differs"] else "same"
        yield "shadow", *_outcome(policy["shadow"]), compared


def _rule_lines(kind: str, rules: list[dict[str, Any]]) -> Iterator[tuple[str, ...]]:
    for one in rules:
        if one["applies"]:
            yield kind, one["rule"], "applies"
        for unmet in one["unmet"]:
            why = f"{unmet['condition']} is {unmet['found'] or 'none'}"
            yield kind, one["rule"], "no", f"{why}, not {unmet['wanted']}"


def _outcome(found: dict[str, Any]) -> tuple[str, ...]:
    said = found["reply"] or found["header"] or "-"
    return found["action"], found["rule"] or "-", said
