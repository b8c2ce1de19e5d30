"""Tokens and the header values around them, in words."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from stirmilter.inspection import calls, claims
from stirmilter.inspection.report import Report
from stirmilter.stir import identity, jws, passport, strictjson
from stirmilter.stir.claims import DIV, MSG
from stirmilter.stir.identity import IdentityValue
from stirmilter.stir.passport import Limits, Passport

_REPEATED: Final = {"info": "x5u", "alg": "alg", "ppt": "ppt"}
# The base64url of an object's beginning, or of anything that is cut in three.
_LIKE: Final = re.compile(r"ey[AJ]|ew[0ko]|[\w-]*\.[\w-]*\.", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A token that can be read, of whatever type, good or not."""

    ppt: object
    payload: dict[str, Any]
    signing_input: bytes
    signature: bytes
    passport: Passport | None
    """The same, if it is one that counts for messages and is well formed."""


def like(text: str) -> bool:
    """Tell whether a text is meant to be a token."""
    return _LIKE.match(text) is not None


def explain(text: str, now: datetime) -> tuple[Report, Token | None]:
    """Explain a token with or without the parameters behind it."""
    report = Report("a header value" if ";" in text else "a token")
    value = report.attempt(identity.parse, text)
    if value is None:
        return report, None
    parts = value.token.split(".")
    if parts[:2] == ["", ""]:
        _parameters(report, value, {})
        detail = "malformed: the compact form: header and payload were left out, since"
        detail += " a SIP request repeats them; a message needs the full form"
        report.problem(detail, "RFC 8225 §7")
        return report, None
    formed = _form(report, parts)
    header = _content(report, "header", parts[0])
    payload = _content(report, "payload", parts[1]) if len(parts) > 1 else None
    _parameters(report, value, header or {})
    if header is None or payload is None:
        return report, None
    ppt = header.get("ppt")
    report.fact("ppt", _kind(header))
    claims.explain(report, ppt, payload, now)
    report.fact("x5u", header.get("x5u", "none"))
    token = None
    if ppt not in (MSG, DIV):
        calls.check(report, header, payload)
    elif formed:
        token = _check(report, value.token)
    signature = _signature(report, parts[2]) if formed else None
    if signature is None:
        return report, None
    return report, Token(
        ppt=ppt,
        payload=payload,
        signing_input=".".join(parts[:2]).encode("ascii"),
        signature=signature,
        passport=token,
    )


def _content(report: Report, name: str, encoded: str) -> dict[str, Any] | None:
    octets = report.attempt(jws.b64url_decode, encoded)
    if octets is None:
        return None
    report.fact(name, octets.decode("utf-8", "backslashreplace"))
    return report.attempt(strictjson.parse, octets, name, Limits().depth)


def _form(report: Report, parts: list[str]) -> bool:
    """Count the parts; say in the likeliest words why there are too few or many."""
    if len(parts) == 3 and all(parts):  # noqa: PLR2004 - header, payload, signature
        return True
    if len(parts) < 3:  # noqa: PLR2004
        detail = f"{len(parts)} of 3 parts: is the token cut off?"
    elif len(parts) > 3:  # noqa: PLR2004
        detail = f"{len(parts)} parts instead of 3: inspect one token at a time"
    else:
        detail = "header, payload or signature is empty"
    report.problem(f"malformed: {detail}", "RFC 7515 §7.1")
    return False


def _signature(report: Report, encoded: str) -> bytes | None:
    octets = report.attempt(jws.b64url_decode, encoded)
    if octets is not None and len(octets) != jws.SIGNATURE_OCTETS:
        # In the words of `passport.parse`, so that it is told once.
        report.problem(f"malformed: signature of {len(octets)} octets", "RFC 7518 §3.4")
        return None
    return octets


def _kind(header: dict[str, Any]) -> str:
    ppt = header.get("ppt")
    if ppt is None:
        baseline = header.get("typ") == passport.TYP
        return "none: a baseline token, for a call (RFC 8225)" if baseline else "none"
    what = claims.TYPES.get(ppt) if isinstance(ppt, str) else None
    return f"{ppt}: {what or 'unknown'}"


def _check(report: Report, text: str) -> Passport | None:
    """Hold a token that counts for messages against the rules."""
    token = report.attempt(passport.parse, text)
    if token is None:
        return None
    report.fact("fingerprint", token.fingerprint)
    for note in passport.lint(token):
        report.fact("note", f"{note}; it still verifies")
    if token.ppt == MSG and token.claims.msgi is None:
        detail = "no-msgi: nothing binds the body; good STIR, but never a pass here"
        report.problem(detail, "profile §3")
    return token


def _parameters(report: Report, value: IdentityValue, header: dict[str, Any]) -> None:
    """Note the parameters that do not repeat the header (RFC 8224 §4.1)."""
    for name, given in value.parameters.items():
        member = _REPEATED.get(name)
        if member is not None and header.get(member) == given:
            continue
        report.fact(f"parameter {name}", given)
        if member is not None and header:
            detail = f"malformed: {name}={given} is not the token's {member}"
            report.problem(detail, "RFC 8224 §4.1")
