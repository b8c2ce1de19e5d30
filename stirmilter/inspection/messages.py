"""A message and its tokens, held against each other."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from stirmilter.inspection import signers, tokens
from stirmilter.inspection.report import Report, span
from stirmilter.inspection.signers import Chain
from stirmilter.mail import mm4
from stirmilter.mail.message import RawMessage
from stirmilter.mail.mm4 import Reading, View
from stirmilter.mail.transaction import Header
from stirmilter.services import VerificationPolicy
from stirmilter.stir import dialling, diversion
from stirmilter.stir.claims import MSG, Identity
from stirmilter.stir.msgi import BodyDigests, digest_body
from stirmilter.stir.passport import Passport

_FIELD: Final = re.compile(rb"[A-Za-z0-9_-]{1,60}[ \t]*:")
_NAMES: Final = ("PASSporT", "Identity")
_MAIL: Final = ("From", "To", "Date", "Subject", "Message-ID", "X-Mms-Message-Type")
_FEW: Final = 3
_POLICY: Final = VerificationPolicy()


@dataclass(frozen=True, slots=True)
class _Carried:
    """One field with a token, as explained so far."""

    report: Report
    token: tokens.Token | None

    @property
    def passport(self) -> Passport | None:
        return self.token.passport if self.token else None


def like(octets: bytes) -> bool:
    """Tell whether something begins as a message does."""
    return _FIELD.match(octets) is not None


def read(octets: bytes) -> RawMessage | None:
    """Read a message, or its header fields alone; None if it is neither.

    A certificate as OpenSSL prints it begins with ``Certificate:``, and is no message.
    """
    try:
        raw = RawMessage.parse(octets) if like(octets) else None
    except ValueError:
        return None
    if raw and any(h.named(_MAIL) or _holds_token(h) for h in raw.headers):
        return raw
    return None


def explain(
    raw: RawMessage, chains: Sequence[Chain], anchors: Chain, now: datetime
) -> Report:
    """Explain a message, or header fields that hold tokens and nothing else."""
    fields = [header for header in raw.headers if _holds_token(header)]
    carried = [
        _Carried(*tokens.explain(header.text, now))
        for header in fields[: _POLICY.passports]
    ]
    alone = len(fields) == len(raw.headers) and not raw.body
    report = Report("a header field" if len(fields) == 1 else "header fields")
    if not alone:
        report = Report("a message")
        view = mm4.read(raw.headers, Reading(uris=True))
        _message(report, view, len(raw.body), len(fields))
        _compare(carried, view, digest_body(raw.body))
    for position, one in enumerate(carried, 1):
        name = f"token {position}" if len(fields) > 1 else ""
        if name:
            report.fact("token", f"{position} of {len(fields)}")
        if one.token is not None:
            one.report.add(signers.explain(one.token, chains, anchors, now))
        report.add(one.report, name)
    if len(fields) > _POLICY.passports:
        detail = f"{len(fields)} fields with tokens, at most {_POLICY.passports}"
        report.problem(f"too-many-passports: {detail}", "profile §1")
    return report


def _holds_token(header: Header) -> bool:
    """Tell a field that carries a token, whatever the operator calls it."""
    return header.named(_NAMES) or header.text.lstrip().startswith("eyJ")


def _message(report: Report, view: View, length: int, fields: int) -> None:
    report.fact("type", view.message_type or "plain mail")
    report.fact("originator", view.originator or "none: From names no single one")
    for recipient in view.recipients:
        report.fact("recipient", recipient)
    report.fact("body", f"{length} octets")
    report.fact("tokens", fields or "none: nobody vouches for this message")
    if view.repeated is not None:
        detail = f"{view.repeated} occurs twice: programs differ in which one they take"
        report.problem(detail, "profile §4")
    if fields and view.originator is None:
        detail = "orig-mismatch: From names no single number or address"
        report.problem(detail, "profile §4")
    if fields and view.unreadable:
        detail = f"dest-partial: {view.unreadable} of To and Cc cannot be read"
        report.problem(detail, "profile §5")


def _compare(carried: Sequence[_Carried], view: View, body: BodyDigests) -> None:
    """Hold each token that counts against the message, and ``div`` against ``msg``."""
    passports = [one.passport for one in carried if one.passport]
    innermost = [token for token in passports if token.ppt == MSG]
    onward = [token for token in passports if token.ppt != MSG]
    steps = _POLICY.diversions
    for one in carried:
        token = one.passport
        if token is None:
            continue
        if token.ppt == MSG:
            named = diversion.reach(token.claims, onward, steps)
            _bound(one.report, token, view, body)
            _addressed(one.report, view, named)
        elif not any(
            diversion.continues(
                token.claims,
                inner.claims,
                diversion.reach(inner.claims, onward, steps),
            )
            for inner in innermost
        ):
            detail = "no msg token here leads to it: orig, and a dest that is its div"
            one.report.problem(f"unsupported-ppt: {detail}", "RFC 8946 §4.2")


def _bound(report: Report, token: Passport, view: View, body: BodyDigests) -> None:
    claims = token.claims
    if view.originator and claims.orig != Identity.of(view.originator):
        report.problem("orig-mismatch: orig is not From", "RFC 8224 §6.2.4")
    if claims.orig.kind == "uri":
        report.fact("note", "an orig that is a URI counts only with verify.uris")
    if claims.msgi is not None:
        form = body.match(claims.msgi)
        if form is None:
            detail = "body-altered: msgi is the digest of another body"
            report.problem(detail, "RFC 9475 §3.2")
        else:
            report.fact("msgi matches the body", form)
    if view.date is not None:
        apart = claims.iat - int(view.date.timestamp())
        if abs(apart) > _POLICY.skew.total_seconds():
            side = "after" if apart > 0 else "before"
            report.fact("note", f"iat is {span(apart)} {side} Date")


def _addressed(report: Report, view: View, named: frozenset[str]) -> None:
    if unknown := dialling.unexplained(view.dialled, named):
        detail = f"dest-partial: {unknown} of To and Cc may be numbers not in dest"
        report.problem(detail, "profile §5")
    missing = [shown for shown in view.recipients if shown not in named]
    if not missing:
        return
    if len(missing) == len(view.recipients):
        detail = "dest-mismatch: dest names nobody of To and Cc"
        report.problem(detail, "RFC 8225 §5.2.1")
        return
    more = len(missing) - _FEW
    which = ", ".join(missing[:_FEW]) + (f" and {more} more" if more > 0 else "")
    report.problem(f"dest-partial: dest does not name {which}", "RFC 9475 §3.2.1")
