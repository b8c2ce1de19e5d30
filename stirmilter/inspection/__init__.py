"""Explains a token, a header value, a message or a certificate to people.

Nothing is fetched. With the chain that stands at ``x5u`` in a file, the report also
tells who signed and whether that certificate may say so; with trust anchors, whether
anybody vouches for it. Every problem says what to do or names the rule that is broken.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from stirmilter.inspection import certificates, messages, mistakes, signers, tokens
from stirmilter.inspection.report import Problem, Report
from stirmilter.inspection.signers import Chain
from stirmilter.mail.message import RawMessage

__all__ = ["Problem", "Report", "inspect"]


def inspect(
    octets: bytes,
    now: datetime,
    chains: Sequence[Chain] = (),
    anchors: Chain = (),
) -> Report:
    """Find out what `octets` are, and explain them.

    Args:
        octets: a token, a header value or field, a message, or certificates.
        now: aware time to reckon ages from.
        chains: the certificates at each ``x5u``, signer first.
        anchors: whom to trust; for certificates and for `chains`.
    """
    given = octets.removeprefix(b"\xef\xbb\xbf").lstrip()  # a mark of UTF-8 editors
    message = messages.read(given)
    if message is not None:
        return messages.explain(message, chains, anchors, now)
    mistake = mistakes.explain(given)
    if mistake is not None:
        return mistake
    if mistakes.is_der(given) or b"CERTIFICATE" in mistakes.labels(given):
        return certificates.explain(given, now, anchors)
    text = given.decode("utf-8", "surrogateescape").strip()
    if not tokens.like(text):
        return _unknown(given)
    report, token = tokens.explain(text, now)
    if token is not None:
        report.add(signers.explain(token, chains, anchors, now))
    return report


def _unknown(octets: bytes) -> Report:
    report = Report("nothing that is known here")
    report.fact("it begins", octets[:40].decode("ascii", "backslashreplace"))
    if messages.like(octets):
        try:
            RawMessage.parse(octets)
        except ValueError as error:
            report.fact("as a message", error)
    report.problem("expected a token, a header field, a message, or certificates")
    return report
