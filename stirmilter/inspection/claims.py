"""The claims of a token in words, whatever its type and however odd they are.

Nothing here refuses: a claim that `stir.claims` would is shown as it stands.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from stirmilter.inspection.report import Report, span, stamp
from stirmilter.services import VerificationPolicy
from stirmilter.stir.claims import DIV, MSG

TYPES: Final = {
    MSG: "vouches for a message (RFC 9475)",
    DIV: "tells that a message or a call was forwarded (RFC 8946 section 3)",
    "shaken": "vouches for a call (RFC 8588)",
    "rcd": "tells about the caller (RFC 9795)",
    "rph": "lets a call have priority (RFC 8443)",
    "rsp": "tells who answered a call (connected identity)",
    "msec": "binds the media keys of a call (RFC 8862)",
    "div-o": "tells that a call was forwarded, out of band (RFC 8946 section 5)",
}
"""What a ``ppt`` is for."""

ATTEST: Final = {
    "A": "full: the provider knows the caller, and its right to the number",
    "B": "partial: the provider knows the caller, not its right to the number",
    "C": "gateway: the provider knows neither; the call entered its network there",
}
"""What a provider says of a caller (RFC 8588 §4)."""

_SHOWN: Final = ("orig", "div", "dest", "iat", "msgi", "attest")
_POLICY: Final = VerificationPolicy()
_AHEAD: Final = "RFC 8224 §6.2 step 4"


def explain(
    report: Report, ppt: object, payload: Mapping[str, Any], now: datetime
) -> None:
    """Note each claim; a date that a verifier minds is told as well."""
    _identities(report, "orig", payload.get("orig"))
    if "div" in payload:
        _identities(report, "diverted from", payload["div"])
    _identities(report, "dest", payload.get("dest"))
    _iat(report, payload.get("iat"), now, followed=ppt in (MSG, DIV))
    if "msgi" in payload:
        report.fact("msgi", _text(payload["msgi"]))
    if "attest" in payload:
        level = _text(payload["attest"])
        report.fact("attest", f"{level}: {ATTEST.get(level, 'no such level')}")
    for name in sorted(payload.keys() - set(_SHOWN)):
        report.fact(name if name == "origid" else f"claim {name}", _text(payload[name]))


def speaker(ppt: object, payload: Mapping[str, Any]) -> str | None:
    """Return for whom a token speaks: the one in ``orig``, or who diverted it."""
    claim = payload.get("div" if ppt in (DIV, "div-o") else "orig")
    # ``div`` may hold the index of a SIP History-Info entry as well.
    values = [value for kind, value in _entries(claim) if kind in ("tn", "uri")]
    return values[0] if len(values) == 1 and isinstance(values[0], str) else None


def signed_at(payload: Mapping[str, Any]) -> datetime | None:
    """Return ``iat``, if it is a time at all."""
    iat = payload.get("iat")
    try:
        return datetime.fromtimestamp(float(iat), UTC) if iat is not None else None
    except (ValueError, TypeError, OverflowError, OSError):
        return None


def _iat(report: Report, iat: object, now: datetime, *, followed: bool) -> None:
    at = signed_at({"iat": iat})
    if at is None:
        report.fact("iat", _text(iat) if iat is not None else "none")
        return
    age = (now - at).total_seconds()
    odd = "" if type(iat) is int else f"{json.dumps(iat)}, which would be "
    when = f"{span(age)} {'ago' if age >= 0 else 'ahead'}"
    report.fact("iat", f"{odd}{stamp(at)}, {when}")
    if age < -_POLICY.skew.total_seconds():
        detail = f"from-the-future: iat is {span(age)} ahead; is a clock wrong?"
        report.problem(detail, _AHEAD)
    if followed and timedelta(seconds=age) > _POLICY.freshness:
        limit = span(_POLICY.freshness.total_seconds())
        report.fact("note", f"stale, unless verify.freshness is more than {limit}")


def _identities(report: Report, name: str, claim: object) -> None:
    entries = list(_entries(claim))
    for kind, value in entries:
        report.fact(name, f"{kind} {_text(value)}")
    if not entries:
        report.fact(name, "none" if claim is None else _text(claim))


def _entries(claim: object) -> Iterable[tuple[str, object]]:
    """Read ``{"tn": ..., "uri": ...}``, one value or an array."""
    for kind, values in claim.items() if isinstance(claim, dict) else ():
        for value in values if isinstance(values, list) else [values]:
            yield kind, value


def _text(value: object) -> str:
    """Show a string as it is, anything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value)
