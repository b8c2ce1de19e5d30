"""A judged message as one JSON object, the shape of ``verify --json``."""

from __future__ import annotations

from typing import Any

from stirmilter.mail.transaction import Decision
from stirmilter.services import Verification
from stirmilter.stir.claims import MSG
from stirmilter.stir.passport import lint
from stirmilter.stir.result import StirResult


def as_json(decision: Decision, found: Verification) -> dict[str, Any]:
    """Return the evidence; `spf` to `arc` are null: they are not evaluated."""
    return {
        "verdict": decision.event.outcome,
        "action": decision.action,
        "stir": _result(found.result),
        "passports": [_result(result) for result in found.passports],
        "spf": None,
        "dkim": None,
        "dmarc": None,
        "arc": None,
    }


def _result(result: StirResult) -> dict[str, Any]:
    token = result.passport
    signer = result.credential
    vouched = result.passed and token is not None and token.ppt == MSG
    return {
        "result": result.reason.word,
        "reason": result.reason.code,
        "detail": result.detail,
        "rule": result.rule,
        "ppt": token.ppt if token else None,
        "orig": token.claims.orig.value if vouched and token else None,
        "msgi": result.msgi,
        "authority": result.authority,
        "diversions": result.diversions,
        "x5u": token.x5u if token else None,
        "certificate": signer.fingerprint if signer else None,
        "trust": result.trust or None,
        "status": result.status,
        "notes": [*result.notes, *(lint(token) if token else ())],
    }
