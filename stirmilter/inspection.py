"""Explains a token, a header value, a message or a certificate to people.

Nothing is fetched and no signature is checked: this is about form. Every problem names
the rule that the thing breaks.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

from cryptography import x509

from stirmilter.mail import mm4
from stirmilter.mail.message import RawMessage
from stirmilter.stir import credential, hazmat, identity, jws, passport
from stirmilter.stir.claimconstraints import ClaimConstraints
from stirmilter.stir.result import Unverified, printable
from stirmilter.stir.tnauthlist import TNAuthList

_FIELDS: Final = ("PASSporT", "Identity")
_VALUE_LENGTH: Final = 400

Result = TypeVar("Result")


@dataclass(slots=True)
class Report:
    """What was found, in order, and what is wrong."""

    kind: str
    facts: list[tuple[str, str]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def fact(self, name: str, value: object) -> None:
        """Note one fact; a stranger's text becomes printable here."""
        self.facts.append((name, printable(str(value), _VALUE_LENGTH)))

    def lines(self) -> Iterable[str]:
        """Write the report for people."""
        yield f"this is\t{self.kind}"
        for name, value in self.facts:
            yield f"{name}\t{value}"
        for problem in self.problems:
            yield f"problem\t{problem}"

    def as_json(self) -> dict[str, Any]:
        """Write the report for programs; names may repeat, so facts are pairs."""
        return {
            "kind": self.kind,
            "facts": [list(fact) for fact in self.facts],
            "problems": self.problems,
        }


def inspect(octets: bytes, now: datetime) -> Report:
    """Find out what `octets` are, and explain them."""
    text = octets.decode("utf-8", "surrogateescape").strip()
    if octets.startswith(b"\x30") or "-----BEGIN CERTIFICATE" in text:
        return _certificates(octets, now)
    name, colon, value = text.partition(":")
    if colon and name.lower() in {known.lower() for known in _FIELDS}:
        following = value.replace("\r\n", "\n")
        if not any(line[:1] not in " \t" for line in following.split("\n")[1:]):
            return _header(value, now)
    if not colon or text.startswith(("eyJ", "..")):
        return _header(text, now)
    return _message(octets, now)


def _message(octets: bytes, now: datetime) -> Report:
    report = Report("a message")
    try:
        raw = RawMessage.parse(octets)
    except ValueError as error:
        report.problems.append(f"neither token, certificate nor message: {error}")
        return report
    view = mm4.read(raw.headers)
    report.fact("type", view.message_type or "plain mail")
    report.fact("originator", view.originator or "no single number in From")
    for number in view.recipients:
        report.fact("recipient", number)
    report.fact("body", f"{len(raw.body)} octets")
    if view.originator is None:
        report.problems.append("From names no single telephone number")
    tokens = [h for h in raw.headers if h.named(_FIELDS)]
    report.fact("tokens", len(tokens))
    for header in tokens:
        inner = _header(header.text, now)
        report.facts += inner.facts
        report.problems += inner.problems
    return report


def _header(text: str, now: datetime) -> Report:
    """Explain a token with or without the parameters behind it."""
    report = Report("a header value" if ";" in text else "a token")
    value = _attempt(report, identity.parse, text)
    if value is None:
        return report
    for name, parameter in value.parameters.items():
        report.fact(f"parameter {name}", parameter)
    parts = zip(("header", "payload"), value.token.split("."), strict=False)
    for part, encoded in parts:
        decoded = _attempt(report, jws.b64url_decode, encoded)
        if decoded is not None:
            report.fact(part, decoded.decode("utf-8", "backslashreplace"))
            _lint(report, part, decoded)
    token = _attempt(report, passport.parse, value.token)
    if token is None:
        return report
    _attempt(report, identity.check_mirrors, value, token)
    claims = token.claims
    report.fact("orig", f"{claims.orig.kind} {claims.orig.value}")
    for kind, destination in claims.dest:
        report.fact("dest", f"{kind} {destination}")
    signed = datetime.fromtimestamp(claims.iat, UTC)
    age = int((now - signed).total_seconds())
    report.fact("iat", f"{signed:%Y-%m-%d %H:%M:%SZ}, {age} s ago")
    report.fact(
        "msgi", claims.msgi or "none: nothing binds the body (RFC 9475 section 3.2)"
    )
    report.fact("x5u", token.x5u)
    report.fact("fingerprint", token.fingerprint)
    return report


def _lint(report: Report, part: str, octets: bytes) -> None:
    """Note JSON out of the deterministic form of RFC 8225 §9; it still verifies."""
    try:
        canonical = passport.serialize(json.loads(octets))
    except (ValueError, TypeError, RecursionError):
        return
    if canonical != octets:
        report.fact(
            "note", f"{part} is not the deterministic JSON of RFC 8225 section 9"
        )


def _certificates(octets: bytes, now: datetime) -> Report:
    report = Report("a certificate")
    chain = _attempt(report, credential.load_chain, octets, 100)
    if chain is None:
        return report
    if len(chain) > 1:
        report.kind = f"a chain of {len(chain)} certificates"
    for position, certificate in enumerate(chain):
        _certificate(report, certificate, now)
        if position + 1 < len(chain):
            try:
                certificate.verify_directly_issued_by(chain[position + 1])
            except Exception as error:  # noqa: BLE001 - of many types, all to be told
                why = printable(str(error)) or "another key signed it"
                report.problems.append(
                    f"certificate {position + 1} is not issued by the next: {why}"
                )
    _attempt(report, credential.read, chain[0], chain)
    return report


def _certificate(report: Report, certificate: x509.Certificate, now: datetime) -> None:
    report.fact("subject", certificate.subject.rfc4514_string())
    report.fact("issuer", certificate.issuer.rfc4514_string())
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    report.fact("valid", f"{begin:%Y-%m-%d %H:%M:%SZ} to {end:%Y-%m-%d %H:%M:%SZ}")
    if not begin <= now <= end:
        report.problems.append(
            f"not valid at {now:%Y-%m-%d %H:%M:%SZ} (a token is judged at its iat)"
        )
    der = hazmat.extension(certificate, hazmat.TN_AUTH_LIST)
    if der is None:
        report.fact("speaks for", "no TNAuthList (RFC 8226 section 9)")
    else:
        covers = _attempt(report, TNAuthList.decode, der)
        if covers is not None:
            report.fact("speaks for", covers)
    plain = hazmat.extension(certificate, hazmat.CLAIM_CONSTRAINTS)
    enhanced = hazmat.extension(certificate, hazmat.ENHANCED_CLAIM_CONSTRAINTS)
    constraints = _attempt(report, ClaimConstraints.decode, plain, enhanced)
    if constraints not in (None, ClaimConstraints()):
        report.fact("claim constraints", constraints)


def _attempt(
    report: Report, step: Callable[..., Result], *arguments: object
) -> Result | None:
    """Run one step; what it refuses becomes a problem, and the report goes on."""
    try:
        return step(*arguments)
    except Unverified as error:
        problem = f"{error.reason.code}: {error.detail}"
        if problem not in report.problems:
            report.problems.append(problem)
        return None
