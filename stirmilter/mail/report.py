"""A judged message as one JSON object, the shape of ``verify --json``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from stirmilter.mail.policy.facts import dkim_word
from stirmilter.mail.resultfields import Judged
from stirmilter.mail.results import (
    ArcResult,
    DkimSignature,
    DmarcResult,
    SpfResult,
)
from stirmilter.mail.transaction import Decision
from stirmilter.stir.claims import MSG
from stirmilter.stir.passport import lint
from stirmilter.stir.result import StirResult


def as_json(decision: Decision, judged: Judged) -> dict[str, Any]:
    """Return the evidence; a method that is not looked at is null."""
    found, beside = judged.found, judged.beside
    results = beside.results
    return {
        "verdict": decision.event.outcome,
        "action": decision.action,
        "rule": decision.event.rule or None,
        "stir": _result(found.result),
        "passports": [_result(result) for result in found.passports],
        "spf": _spf(results.spf) if results.spf else None,
        "dkim": None if results.dkim is None else _dkim(results.dkim),
        "dmarc": _dmarc(results.dmarc) if results.dmarc else None,
        "arc": _arc(results.arc) if results.arc else None,
        "headers": {
            "protected": beside.protection.covered,
            "sealed": beside.protection.sealed,
            "signatures": list(beside.protection.signatures),
            "missing": list(beside.protection.missing),
            "exposed": list(beside.protection.exposed),
        },
        "source": results.source or None,
        "differences": list(beside.differences),
    }


def _spf(found: SpfResult) -> dict[str, Any]:
    return {
        "result": found.word,
        "reason": found.reason,
        "scope": found.scope,
        "domain": found.domain,
        "address": found.address,
    }


def _dkim(found: Sequence[DkimSignature]) -> dict[str, Any]:
    return {
        "result": dkim_word(found),
        "signatures": [
            {
                "result": one.word,
                "reason": one.reason,
                "domain": one.domain,
                "selector": one.selector,
                "algorithm": one.algorithm,
                "covers": sorted(one.covers),
                "sealed": sorted(one.sealed),
                "whole_body": one.whole_body,
            }
            for one in found
        ],
    }


def _dmarc(found: DmarcResult) -> dict[str, Any]:
    return {
        "result": found.word,
        "reason": found.reason,
        "domain": found.domain,
        "organizational": found.organizational,
        "policy": found.policy,
        "aligned": list(found.aligned),
    }


def _arc(found: ArcResult) -> dict[str, Any]:
    return {
        "result": found.word,
        "reason": found.reason,
        "sets": found.sets,
        "domain": found.domain,
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
