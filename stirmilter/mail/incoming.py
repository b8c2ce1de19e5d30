"""Incoming mail: what becomes of it, once everything about it has been asked."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from stirmilter.events import Handled
from stirmilter.mail import authres, evidence, mm4, removals, verdict
from stirmilter.mail.mailpolicy import MailPolicy
from stirmilter.mail.transaction import Decision, Header, Insertion, Transaction
from stirmilter.services import Message, Verification, VerificationService
from stirmilter.services.foresight import Needs
from stirmilter.stir import identity
from stirmilter.stir.msgi import BodyDigests
from stirmilter.stir.result import StirResult

_NO_BODY: Final = BodyDigests({}, 0)


class Incoming:
    """Judges what arrives."""

    def __init__(self, policy: MailPolicy, verification: VerificationService) -> None:
        self.policy = policy
        self.verification = verification

    def needs(
        self, recipients: Sequence[str], headers: Sequence[Header], now: datetime
    ) -> Needs:
        """Name what `verify` will need, while the body is still to come."""
        view = mm4.read(headers, self.policy.theirs)
        message = self._received(view, recipients)
        return self.verification.needs(message, self.policy.tokens(headers), now)

    def verify(
        self, transaction: Transaction, now: datetime
    ) -> tuple[Decision, Verification]:
        """Judge the PASSporTs and replace forged results by ours."""
        view = mm4.read(transaction.headers, self.policy.theirs)
        message = replace(
            self._received(view, transaction.recipients),
            body=transaction.body,
            delivery=_delivery(transaction),
        )
        found = self.verification.verify(
            message, self.policy.tokens(transaction.headers), now
        )
        result = found.result
        tokens = map(evidence.judged, found.passports)
        word = verdict.combine(
            result.reason.word, headers_covered=False, dmarc_pass=False
        )
        decision = Decision(
            remove=removals.forged(transaction.headers, self.policy.authserv_id),
            insert=(Insertion(authres.NAME, self._result_field(result, word)),),
            event=Handled(
                "in",
                word,
                result.reason.code,
                result.detail,
                message.orig,
                x5u=result.passport.x5u if result.passport else "",
                evidence=evidence.of_message(view, transaction.connection, now, tokens),
            ),
        )
        return decision, found

    def _received(self, view: mm4.View, recipients: Sequence[str]) -> Message:
        """Read an incoming message, but for its body."""
        numbers = [mm4.recipient(path, self.policy.theirs) for path in recipients]
        return Message(
            orig=view.originator,
            dest=frozenset(number for number in numbers if number is not None),
            shown=frozenset(view.recipients),
            others=numbers.count(None) + view.unreadable,
            body=_NO_BODY,
            date=view.date,
            expires=view.expires,
        )

    def _result_field(self, result: StirResult, word: verdict.Verdict) -> str:
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
        properties.append(("policy.verdict", word))
        if vouched and len(vouched.x5u) <= identity.X5U_LENGTH:
            properties.append(("policy.x5u", vouched.x5u))
        return authres.write(
            self.policy.authserv_id,
            self.policy.method,
            result.reason.word,
            result.reason.code,
            properties,
        )


def _delivery(transaction: Transaction) -> str:
    """Name this delivery so that its retries share the name, and nothing else does.

    A client that lost our reply sends the same header block again, its own Received
    included, and so does one that splits a message over transactions. A replay comes
    from elsewhere or has travelled another way.
    """
    digest = hashlib.sha256(str(transaction.connection.client).encode())
    for name, value in transaction.headers:
        digest.update(f"\n{name}:".encode("utf-8", "surrogateescape"))
        digest.update(value)
    return digest.hexdigest()[:32]
