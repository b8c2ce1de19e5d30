"""From the end of a judgement to the result that is told and kept."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta

from stirmilter.errors import FetchError
from stirmilter.services import revocation
from stirmilter.services.credentials import Vouched
from stirmilter.services.message import Message
from stirmilter.stir.claims import Claims
from stirmilter.stir.passport import Passport
from stirmilter.stir.result import Reason, StirResult, Unverified, printable


def explain(error: Unverified | FetchError) -> tuple[Reason, str, str]:
    """Return reason, detail and rule of what ended a judgement."""
    if isinstance(error, Unverified):
        return error.reason, error.detail, error.rule
    reason = (
        Reason.CREDENTIAL_UNAVAILABLE
        if error.temporary
        else Reason.CREDENTIAL_UNTRUSTED
    )
    return reason, printable(str(error)), "RFC 8224 §6.2 step 3"


def evidence(result: StirResult, vouched: Vouched | None) -> StirResult:
    """Add who vouched, and what was known of it at reception (RFC 9475 §4)."""
    if vouched is None:
        return result
    return replace(
        result,
        credential=vouched.credential,
        trust=vouched.trust.name,
        status=vouched.status.word,
        notes=(*result.notes, *revocation.notes(vouched.status)),
    )


def unused(token: Passport) -> StirResult:
    """Set aside a ``div`` token that takes this message nowhere (RFC 8946 §4.2)."""
    detail = "no good msg token leads to it, or it leads to nobody here"
    return StirResult(Reason.UNSUPPORTED_PPT, detail, token, rule="RFC 8946 §4.2")


def passes(results: Iterable[Passport | StirResult]) -> int:
    """Count the tokens that vouch for a message; one that diverts it does not."""
    return sum(isinstance(one, StirResult) and one.passed for one in results)


def notes(content: Claims, message: Message, skew: timedelta) -> tuple[str, ...]:
    """Name what is odd and costs no pass: an ``iat`` far from Date (V-11)."""
    if message.date is None:
        return ()
    apart = content.iat - int(message.date.timestamp())
    if abs(apart) <= skew.total_seconds():
        return ()
    side = "after" if apart > 0 else "before"
    return (f"iat is {abs(apart)} s {side} Date",)
