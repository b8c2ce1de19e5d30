"""Explains a token, a header value, a message or a certificate to people.

Nothing is fetched. With the chain that stands at ``x5u`` in a file, the report also
tells who signed and whether that certificate may say so; with trust anchors, whether
anybody vouches for it. Every problem names the rule that the thing breaks.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from cryptography import x509

from stirmilter.inspection import certificates, tokens
from stirmilter.inspection.report import Problem, Report
from stirmilter.mail import mm4
from stirmilter.mail.message import RawMessage
from stirmilter.stir.msgi import digest_body

__all__ = ["Problem", "Report", "inspect"]

_FIELDS: Final = ("PASSporT", "Identity")


def inspect(
    octets: bytes,
    now: datetime,
    chain: Sequence[x509.Certificate] = (),
    anchors: Sequence[x509.Certificate] = (),
) -> Report:
    """Find out what `octets` are, and explain them.

    Args:
        octets: a token, a header value or field, a message, or certificates.
        now: aware time to reckon ages from.
        chain: the certificates at ``x5u``, signer first.
        anchors: whom to trust; for certificates and for `chain`.
    """
    text = octets.decode("utf-8", "surrogateescape").strip()
    if octets.startswith(b"\x30") or "-----BEGIN CERTIFICATE" in text:
        return certificates.explain(octets, now, anchors)
    name, colon, value = text.partition(":")
    if colon and name.lower() in {known.lower() for known in _FIELDS}:
        following = value.replace("\r\n", "\n")
        if not any(line[:1] not in " \t" for line in following.split("\n")[1:]):
            return _value(value, now, chain, anchors)
    if not colon or text.startswith(("eyJ", "..")):
        return _value(text, now, chain, anchors)
    return _message(octets, now, chain, anchors)


def _value(
    text: str,
    now: datetime,
    chain: Sequence[x509.Certificate],
    anchors: Sequence[x509.Certificate],
) -> Report:
    report, token = tokens.explain(text, now)
    if token is None:
        return report
    if chain:
        report.add(certificates.explain_signer(token, chain, anchors))
    else:
        report.fact("signed by", "unknown without the chain at x5u (--chain FILE)")
    return report


def _message(
    octets: bytes,
    now: datetime,
    chain: Sequence[x509.Certificate],
    anchors: Sequence[x509.Certificate],
) -> Report:
    report = Report("a message")
    try:
        raw = RawMessage.parse(octets)
    except ValueError as error:
        report.problem(f"neither token, certificate nor message: {error}")
        return report
    view = mm4.read(raw.headers)
    report.fact("type", view.message_type or "plain mail")
    report.fact("originator", view.originator or "no single number in From")
    for number in view.recipients:
        report.fact("recipient", number)
    report.fact("body", f"{len(raw.body)} octets")
    if view.originator is None:
        report.problem("From names no single telephone number", "profile §4")
    values = [h for h in raw.headers if h.named(_FIELDS)]
    report.fact("tokens", len(values))
    body = digest_body(raw.body)
    for header in values:
        inner, token = tokens.explain(header.text, now)
        if token is not None:
            tokens.compare(inner, token, view, body)
            if chain:
                inner.add(certificates.explain_signer(token, chain, anchors))
        report.add(inner)
    return report
