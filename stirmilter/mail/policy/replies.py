"""Which reply a refused message gets unless the operator sets another.

Source: RFC 7372 for what it registered, RFC 3463 for the rest: PASSporTs have no codes
of their own yet, so the nearest general one stands (docs/profile.md §5).
"""

from __future__ import annotations

from typing import Final

from stirmilter.mail.policy.actions import Measure, Reply
from stirmilter.mail.policy.facts import Facts
from stirmilter.stir.result import Reason

_FAILED: Final = frozenset({"fail", "permerror"})
_BY_REASON: Final = {
    Reason.UNSUPPORTED_ALGORITHM: "5.7.6",
    Reason.BODY_ALTERED: "5.7.7",
}
_BY_SIP: Final = {437: "5.7.5", 438: "5.7.5"}
_BY_METHOD: Final = {"dkim": "5.7.20", "spf": "5.7.23"}


def reply(facts: Facts, measure: Measure, asked: frozenset[str]) -> Reply | None:
    """Return the reply, or None if the message is not refused.

    Args:
        facts: the message.
        measure: the action, and what the operator wants said.
        asked: conditions that led to it.
    """
    if measure.action not in ("tempfail", "reject"):
        return None
    rejected = measure.action == "reject"
    failed = _failed(facts, asked)
    default = _enhanced(facts, failed) if rejected else "4.7.0"
    return Reply(
        measure.code or ("550" if rejected else "451"),
        measure.enhanced or default,
        measure.text or _text(facts, failed, rejected=rejected),
    )


def _failed(facts: Facts, asked: frozenset[str]) -> tuple[str, ...]:
    """Name the methods that failed and had to do with it."""
    stir = facts.stir in _FAILED
    return tuple(
        method
        for method in ("stir", "spf", "dkim", "dmarc")
        if facts.word(method) in _FAILED and (stir or method in asked)
    )


def _enhanced(facts: Facts, failed: tuple[str, ...]) -> str:
    if len(failed) > 1:
        return "5.7.26"  # RFC 7372 §3.4
    if failed == ("stir",) or facts.stir == "neutral":
        found = _BY_REASON.get(facts.reason)
        return found or _BY_SIP.get(facts.reason.sip_code or 0, "5.7.1")
    return _BY_METHOD.get(failed[0], "5.7.1") if failed else "5.7.1"


def _text(facts: Facts, failed: tuple[str, ...], *, rejected: bool) -> str:
    others = "".join(f" {m}={facts.word(m)}" for m in failed if m != "stir")
    return (
        f"message {'refused' if rejected else 'deferred'} by policy:"
        f" stir={facts.stir} reason={facts.reason.code}{others}"
    )
