"""The fields that tell a reader of the message what was found (RFC 8601).

Ours stands in a field of its own: a consumer may drop a whole field that holds a method
it does not know (§2.7.6), and ``stir`` is not registered.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from stirmilter.mail import authres
from stirmilter.mail.beside import Beside
from stirmilter.mail.mailpolicy import MailPolicy
from stirmilter.mail.mm4 import View
from stirmilter.mail.policy.facts import Facts
from stirmilter.mail.policy.ruling import Ruling
from stirmilter.mail.stopwatch import Stopwatch
from stirmilter.mail.transaction import Insertion, Transaction
from stirmilter.services import Verification
from stirmilter.stir import identity
from stirmilter.stir.result import StirResult


@dataclass(frozen=True, slots=True)
class Judged:
    """One message, with everything that was found and decided."""

    view: View
    transaction: Transaction
    found: Verification
    beside: Beside
    ruling: Ruling
    now: datetime
    watch: Stopwatch = field(default_factory=Stopwatch, compare=False)
    """What it took so far."""


def fields(judged: Judged, policy: MailPolicy) -> Iterator[Insertion]:
    """Yield the fields to insert: ours, and that of the registered methods.

    The latter holds only what we evaluated ourselves; what an upstream said stands in
    its own field.
    """
    field = _stir(judged.found.result, judged.ruling.facts, policy)
    yield Insertion(authres.NAME, field)
    results = judged.beside.results
    asked = (results.spf, results.dkim, results.arc, results.dmarc)
    if not results.source and any(found is not None for found in asked):
        yield Insertion(
            authres.NAME,
            authres.render(
                results,
                policy.authserv_id,
                signatures=policy.signatures,
                length=policy.result_length,
            ),
        )


def _stir(result: StirResult, facts: Facts, policy: MailPolicy) -> str:
    """Write our result; what was not verified is not published (RFC 8601 §4).

    Nor is ``dest`` ever: a Bcc is a secret.
    """
    token = result.passport
    vouched = token if result.passed else None
    properties = []
    if vouched:
        properties.append(("header.orig", vouched.claims.orig.value))
    if token:
        properties += [
            ("header.ppt", token.ppt),
            ("policy.msgi", result.msgi),
            ("policy.tn-authority", result.authority),
        ]
    if result.diversions:
        properties.append(("policy.diversions", str(result.diversions)))
    if facts.binding != "none":
        properties.append(("policy.carrier", facts.binding))
    properties.append(("policy.verdict", facts.verdict))
    if vouched and len(vouched.x5u) <= identity.X5U_LENGTH:
        properties.append(("policy.x5u", vouched.x5u))
    return authres.write(
        policy.authserv_id,
        policy.method,
        result.reason.word,
        result.reason.code,
        properties,
    )
