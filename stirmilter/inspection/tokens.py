"""Tokens and the header values around them, in words."""

from __future__ import annotations

from datetime import UTC, datetime

from stirmilter.inspection.report import Report
from stirmilter.mail.mm4 import View
from stirmilter.stir import identity, jws, passport
from stirmilter.stir.claims import Identity
from stirmilter.stir.msgi import BodyDigests
from stirmilter.stir.passport import Passport


def explain(text: str, now: datetime) -> tuple[Report, Passport | None]:
    """Explain a token with or without the parameters behind it."""
    report = Report("a header value" if ";" in text else "a token")
    value = report.attempt(identity.parse, text)
    if value is None:
        return report, None
    for name, parameter in value.parameters.items():
        report.fact(f"parameter {name}", parameter)
    for part, encoded in zip(
        ("header", "payload"), value.token.split("."), strict=False
    ):
        decoded = report.attempt(jws.b64url_decode, encoded)
        if decoded is not None:
            report.fact(part, decoded.decode("utf-8", "backslashreplace"))
    token = report.attempt(passport.parse, value.token)
    if token is None:
        return report, None
    report.attempt(identity.check_mirrors, value, token)
    _claims(report, token, now)
    for note in passport.lint(token):
        report.fact("note", f"{note}; it still verifies")
    return report, token


def compare(report: Report, token: Passport, view: View, body: BodyDigests) -> None:
    """Hold a token against the message that carries it."""
    claims = token.claims
    if view.originator and claims.orig != Identity.of(view.originator):
        report.problem("orig-mismatch: orig is not From", "RFC 8224 §6.2.4")
    named = {entry.value for entry in claims.dest}
    for number in view.recipients:
        if number not in named:
            report.fact("note", f"dest does not name {number} of To and Cc")
    if claims.msgi is not None:
        form = body.match(claims.msgi)
        if form is None:
            detail = "body-altered: msgi is the digest of another body"
            report.problem(detail, "RFC 9475 §3.2")
        else:
            report.fact("msgi matches the body", form)


def _claims(report: Report, token: Passport, now: datetime) -> None:
    claims = token.claims
    report.fact("orig", f"{claims.orig.kind} {claims.orig.value}")
    if claims.div is not None:
        report.fact("diverted from", f"{claims.div.kind} {claims.div.value}")
    for kind, destination in claims.dest:
        report.fact("dest", f"{kind} {destination}")
    signed = datetime.fromtimestamp(claims.iat, UTC)
    age = int((now - signed).total_seconds())
    when = f"{age} s ago" if age >= 0 else f"{-age} s ahead"
    report.fact("iat", f"{signed:%Y-%m-%d %H:%M:%SZ}, {when}")
    if claims.msgi is not None:
        report.fact("msgi", claims.msgi)
    elif claims.div is None:
        report.fact("msgi", "none: nothing binds the body (RFC 9475 section 3.2)")
    report.fact("x5u", token.x5u)
    report.fact("fingerprint", token.fingerprint)
