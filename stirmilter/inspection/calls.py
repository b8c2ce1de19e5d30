"""Tokens of calls: set aside in a message, held to their own rules all the same."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from stirmilter.inspection.claims import ATTEST, TYPES
from stirmilter.inspection.report import Report
from stirmilter.stir import claims, jws
from stirmilter.stir.claims import DIV, MSG
from stirmilter.stir.passport import TYP, Limits

_UUID: Final = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def check(report: Report, header: dict[str, Any], payload: dict[str, Any]) -> None:
    """Note what is wrong with a token that is neither ``msg`` nor ``div``."""
    typ, ppt = header.get("typ"), header.get("ppt")
    if typ != TYP:
        report.problem(f"malformed: typ {typ}: no PASSporT", "RFC 8225 §4.1")
        return
    what = TYPES.get(ppt) if isinstance(ppt, str) else None
    name = f"ppt {ppt}" if ppt is not None else "no ppt"
    report.problem(
        f"unsupported-ppt: {name}: set aside in a message"
        + ("" if what or ppt is None else "; nobody has registered it"),
        "RFC 8224 §6.2 step 1",
    )
    if header.get("alg") != jws.ALG:
        detail = f"unsupported-algorithm: alg {header.get('alg')}, expected {jws.ALG}"
        report.problem(detail, "RFC 8225 §4.2")
    if not isinstance(header.get("x5u"), str):
        report.problem("malformed: x5u: expected a URL", "RFC 8225 §4.3")
    # Only ``msg`` has a ``msgi`` that means anything.
    common = {name: claim for name, claim in payload.items() if name != "msgi"}
    kind = DIV if ppt == "div-o" else MSG
    report.attempt(claims.parse, common, kind, Limits().dest)
    _own(report, ppt, payload)


def _own(report: Report, ppt: object, payload: Mapping[str, Any]) -> None:
    """Hold the claims that a type adds against the type's own RFC."""
    if ppt == "shaken":
        attest, origid = payload.get("attest"), payload.get("origid")
        if not isinstance(attest, str) or attest not in ATTEST:
            report.problem("malformed: attest: expected A, B or C", "RFC 8588 §4")
        if not isinstance(origid, str) or not _UUID.fullmatch(origid):
            report.problem("malformed: origid: expected a UUID", "RFC 8588 §5")
    if ppt == "rcd" and not _member(payload.get("rcd"), "nam", str):
        report.problem("malformed: rcd: expected an object with nam", "RFC 9795 §5")
    if ppt == "rph" and not _member(payload.get("rph"), "auth", list):
        report.problem("malformed: rph: expected an object with auth", "RFC 8443 §3")
    if ppt == "div-o" and not isinstance(payload.get("opt"), str):
        detail = "malformed: opt: expected the token that was there before"
        report.problem(detail, "RFC 8946 §6")


def _member(claim: object, name: str, kind: type) -> bool:
    return isinstance(claim, dict) and isinstance(claim.get(name), kind)
