"""Incoming mail: what becomes of it, once everything about it has been asked."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from stirmilter.events import Handled
from stirmilter.mail import authres, evidence, mm4, mm4reply, removals, verdict
from stirmilter.mail.beside import Beside, Checks
from stirmilter.mail.mailpolicy import MailPolicy
from stirmilter.mail.policy import peers
from stirmilter.mail.policy.facts import Facts, words
from stirmilter.mail.policy.ruling import Ruling
from stirmilter.mail.transaction import (
    Connection,
    Decision,
    Header,
    Insertion,
    Removal,
    Submission,
    Transaction,
)
from stirmilter.services import Message, Verification, VerificationService
from stirmilter.services.foresight import Needs
from stirmilter.stir import identity
from stirmilter.stir.msgi import BodyDigests
from stirmilter.stir.result import Reason, StirResult

_NO_BODY: Final = BodyDigests({}, 0)


class Incoming:
    """Judges what arrives, and has the policy decide."""

    def __init__(
        self,
        policy: MailPolicy,
        verification: VerificationService,
        peers: Mapping[str, VerificationService],
        checks: Checks,
    ) -> None:
        """Take what decides, and who judges.

        Args:
            policy: what the operator decided.
            verification: for whoever has none of its own.
            peers: by name, for peers with anchors or limits of their own.
            checks: the methods beside STIR.
        """
        self.policy = policy
        self.verification = verification
        self.peers = peers
        self.checks = checks

    def needs(
        self,
        connection: Connection,
        sender: str,
        recipients: Sequence[str],
        headers: Sequence[Header],
        now: datetime,
    ) -> Needs:
        """Name what `verify` will need, while the body is still to come."""
        view = mm4.read(headers, self.policy.theirs)
        message = self._received(view, recipients)
        service = self._service(connection, sender)
        return service.needs(message, self.policy.tokens(headers), now)

    def verify(
        self, transaction: Transaction, now: datetime, beside: Beside | None = None
    ) -> tuple[Decision, Verification]:
        """Judge the PASSporTs, decide, and replace forged results by ours.

        Args:
            transaction: the message.
            now: aware time.
            beside: what the other methods found; None asks them.
        """
        view = mm4.read(transaction.headers, self.policy.theirs)
        message = replace(
            self._received(view, transaction.recipients),
            body=transaction.body,
            delivery=_delivery(transaction),
        )
        service = self._service(transaction.connection, transaction.sender)
        tokens = self.policy.tokens(transaction.headers)
        found = service.verify(message, tokens, now)
        if beside is None:
            beside = self.checks(transaction, now)
        facts = self._facts(view, transaction, found.result, beside)
        ruling = self.policy.actions.decide(facts, now)
        return self._decision(view, transaction, found, ruling, now), found

    def _service(self, connection: Connection, sender: str) -> VerificationService:
        """Return who judges the tokens of a client."""
        peer = peers.find(self.policy.actions.peers, connection, sender)
        return self.peers.get(peer.name if peer else "", self.verification)

    def _facts(
        self,
        view: mm4.View,
        transaction: Transaction,
        result: StirResult,
        beside: Beside,
    ) -> Facts:
        known = self.policy.actions.peers
        spcs = _spcs(result)
        peer = peers.find(known, transaction.connection, transaction.sender, spcs)
        domains = (one.domain for one in beside.results.signatures)
        return Facts(
            verdict=verdict.combine(
                result.reason.word,
                headers_covered=beside.headers_covered,
                dmarc_pass=beside.results.dmarc_pass,
            ),
            reason=result.reason,
            peer=peer.name if peer else "",
            spcs=spcs,
            number=view.originator,
            message_type=view.message_type,
            protected=beside.headers_covered,
            binding=peers.binding(known, spcs, domains),
            differences=beside.differences,
            **words(beside.results),
        )

    def _decision(
        self,
        view: mm4.View,
        transaction: Transaction,
        found: Verification,
        ruling: Ruling,
        now: datetime,
    ) -> Decision:
        outcome, result = ruling.outcome, found.result
        field = self._result_field(result, ruling.facts.verdict)
        tag = [Insertion(*outcome.header)] if outcome.header else []
        gone = removals.of(transaction.headers, self.policy)
        return Decision(
            action=outcome.action,
            remove=gone,
            insert=(Insertion(authres.NAME, field), *tag),
            event=self._event(view, transaction, found, ruling, gone, now),
            reply=outcome.reply,
            ruling=ruling,
            answer=self._answer(view, transaction, ruling, now),
        )

    def _event(
        self,
        view: mm4.View,
        transaction: Transaction,
        found: Verification,
        ruling: Ruling,
        gone: Iterable[Removal],
        now: datetime,
    ) -> Handled:
        result, shadow = found.result, ruling.shadow
        tokens = map(evidence.judged, found.passports)
        return Handled(
            "in",
            ruling.facts.verdict,
            result.reason.code,
            result.detail,
            view.originator,
            ruling.outcome.action,
            x5u=result.passport.x5u if result.passport else "",
            evidence=evidence.of_message(view, transaction, now, gone, tokens),
            rule=ruling.outcome.rule,
            peer=ruling.facts.peer,
            shadow_action=shadow.action if shadow else "",
            shadow_rule=shadow.rule if shadow else "",
        )

    def _answer(
        self,
        view: mm4.View,
        transaction: Transaction,
        ruling: Ruling,
        now: datetime,
    ) -> Submission | None:
        """Make the MM4 answer of a rejected message, where it gets one."""
        settings, reply = self.policy.mm4, ruling.outcome.reply
        if settings is None or reply is None or ruling.outcome.action != "reject":
            return None
        if not (ruling.facts.peer or settings.strangers):
            return None  # whoever forged it would have us write to anybody
        return mm4reply.reply(
            view, transaction.sender, settings.system, reply.text, now
        )

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


def _spcs(result: StirResult) -> frozenset[str]:
    """Name the carriers on whose certificate a token rests, if it was signed with it.

    Before the signature is good they are only what somebody points at.
    """
    signer = result.credential
    if signer is None or result.reason.rank <= Reason.BAD_SIGNATURE.rank:
        return frozenset()
    lists = (signer.tn_auth_list, *signer.limits)
    return frozenset(next((one.spcs for one in lists if one.spcs), ()))


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
