"""Incoming mail: what becomes of it, once everything about it has been asked."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from stirmilter.events import Handled, Removed
from stirmilter.mail import (
    evidence,
    mm4,
    mm4reply,
    protection,
    removals,
    resultfields,
    verdict,
)
from stirmilter.mail.beside import Beside, Checks
from stirmilter.mail.mailpolicy import MailPolicy
from stirmilter.mail.policy import peers
from stirmilter.mail.policy.facts import Facts, words
from stirmilter.mail.policy.ruling import Ruling
from stirmilter.mail.protection import Protection
from stirmilter.mail.resultfields import Judged
from stirmilter.mail.stopwatch import Stopwatch
from stirmilter.mail.survival import telling
from stirmilter.mail.transaction import (
    NO_BODY,
    Connection,
    Decision,
    Header,
    Insertion,
    Submission,
    Transaction,
)
from stirmilter.services import Message, Verification, VerificationService
from stirmilter.services.foresight import Needs
from stirmilter.stir.result import Reason, StirResult


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

    @property
    def decides_at_once(self) -> bool:
        """Whether there is nobody to be asked about each message."""
        services = (self.verification, *self.peers.values())
        return not any(one.replays.store.remote for one in services)

    def view(self, headers: Sequence[Header]) -> mm4.View:
        """Read the header as a verifier does."""
        return mm4.read(headers, self.policy.theirs)

    def needs(self, transaction: Transaction, now: datetime) -> Needs:
        """Name what `verify` will need, while the body is still to come."""
        view = transaction.view or self.view(transaction.headers)
        message = self._received(view, transaction.recipients)
        service = self._service(transaction.connection, transaction.sender)
        return service.needs(message, self.policy.tokens(transaction.headers), now)

    def verify(
        self, transaction: Transaction, now: datetime, beside: Beside | None = None
    ) -> tuple[Decision, Judged]:
        """Judge the PASSporTs, decide, and replace forged results by ours.

        Args:
            transaction: the message.
            now: aware time.
            beside: what the other methods found; None asks them.
        """
        watch = Stopwatch()
        # The methods first: the DNS may have to be waited for, and no token is used up
        # before that.
        if beside is None:
            beside = self.checks.check(transaction, now)
            watch.lap("methods")
        view = transaction.view or self.view(transaction.headers)
        message = replace(
            self._received(view, transaction.recipients),
            body=transaction.body,
            delivery=_delivery(transaction),
        )
        service = self._service(transaction.connection, transaction.sender)
        tokens = self.policy.tokens(transaction.headers)
        asked: tuple[Verification, Verification, Ruling] | None = None

        def decided(found: Verification) -> tuple[Verification, Ruling]:
            nonlocal asked
            if asked is None or asked[0] is not found:
                given = found
                if service.policy.protected:
                    found = _withheld(found, beside.protection)
                facts = self._facts(view, transaction, found.result, beside)
                asked = given, found, self.policy.actions.decide(facts, now)
            return asked[1:]

        def admits(found: Verification) -> bool:
            found, ruling = decided(found)
            return found.result.passed and _lets_through(ruling, transaction)

        found = service.verify(message, tokens, now, admits=admits)
        if transaction.kept is not None:
            survival = self.policy.survival
            found = telling.told(
                found,
                transaction.kept,
                transaction.headers,
                survival.effort,
                survival.parts,
            )
        watch.lap("stir")
        found, ruling = decided(found)
        judged = Judged(view, transaction, found, beside, ruling, now, watch)
        return self._decision(judged), judged

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
        actions = self.policy.actions
        spcs = _spcs(result)
        peer = peers.find(
            actions.peers, transaction.connection, transaction.sender, spcs
        )
        covered = beside.protection.covered
        return Facts(
            verdict=verdict.combine(
                result.reason.word,
                headers_covered=covered,
                dmarc_pass=beside.results.dmarc_pass,
            ),
            reason=result.reason,
            peer=peer.name if peer else "",
            spcs=spcs,
            number=view.originator,
            message_type=view.message_type,
            protected=covered,
            binding=protection.bind(spcs, actions.bindings, beside.results.dkim),
            differences=beside.differing,
            **words(beside.results),
        )

    def _decision(self, judged: Judged) -> Decision:
        outcome = judged.ruling.outcome
        tag = [Insertion(*outcome.header)] if outcome.header else []
        headers = judged.transaction.headers
        forged = removals.of(headers, self.policy)
        gone = evidence.removed(headers, forged, self.policy.removed)
        written = (*resultfields.fields(judged, self.policy), *tag)
        judged.watch.lap("policy")
        return Decision(
            action=outcome.action,
            remove=forged,
            insert=written,
            event=_event(judged, gone),
            reply=outcome.reply,
            ruling=judged.ruling,
            answer=self._answer(judged),
        )

    def _answer(self, judged: Judged) -> Submission | None:
        """Make the MM4 answer of a rejected message, where it gets one."""
        settings, ruling = self.policy.mm4, judged.ruling
        reply = ruling.outcome.reply
        if settings is None or reply is None or ruling.outcome.action != "reject":
            return None
        if not (settings.strangers or self._known(ruling.facts.peer)):
            return None  # whoever forged it would have us write to anybody
        return mm4reply.reply(
            judged.view,
            judged.transaction.sender,
            settings.system,
            reply.text,
            judged.now,
        )

    def _known(self, name: str) -> bool:
        """Tell whether it is a peer that nobody else can pass for."""
        known = self.policy.actions.peers
        return any(peer.name == name and not peer.claimed for peer in known)

    def _received(self, view: mm4.View, recipients: Sequence[str]) -> Message:
        """Read an incoming message, but for its body."""
        numbers = [mm4.recipient(path, self.policy.theirs) for path in recipients]
        return Message(
            orig=view.originator,
            dest=frozenset(number for number in numbers if number is not None),
            shown=frozenset(view.recipients),
            others=numbers.count(None) + view.unreadable,
            dialled=view.dialled,
            body=NO_BODY,
            date=view.date,
            expires=view.expires,
        )


def _event(judged: Judged, gone: tuple[Removed, ...]) -> Handled:
    """Tell what was found and decided, for whoever reads facts."""
    result, ruling = judged.found.result, judged.ruling
    outcome, facts, shadow = ruling.outcome, ruling.facts, ruling.shadow
    tokens = map(evidence.judged, judged.found.passports)
    return Handled(
        "in",
        facts.verdict,
        result.reason.code,
        result.detail,
        judged.view.originator,
        outcome.action,
        x5u=result.passport.x5u if result.passport else "",
        evidence=evidence.of_message(
            judged.view, judged.transaction, judged.now, gone, tokens
        ),
        rule=outcome.rule,
        peer=facts.peer,
        methods=evidence.methods(judged.beside),
        shadow_action=shadow.action if shadow else "",
        shadow_rule=shadow.rule if shadow else "",
        stages=tuple(judged.watch.stages),
    )


def _withheld(found: Verification, kept: Protection) -> Verification:
    """Take each pass away unless the header beside the token is protected."""
    return Verification(
        protection.withhold(found.result, kept),
        tuple(protection.withhold(one, kept) for one in found.passports),
    )


def _lets_through(ruling: Ruling, transaction: Transaction) -> bool:
    """Tell whether a message may be delivered now, or out of the quarantine later."""
    action = ruling.outcome.action
    if transaction.late():
        return False
    if action == "quarantine":
        return transaction.quarantine
    return action in ("accept", "tag")


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
    from elsewhere or has travelled another way. Who has shown a certificate may come
    from another of its addresses.
    """
    connection = transaction.connection
    who = connection.tls_name.lower() or str(connection.client)
    parts = [who.encode("utf-8", "surrogateescape")]
    for name, value in transaction.headers:
        parts += f"\n{name}:".encode("utf-8", "surrogateescape"), value
    return hashlib.sha256(b"".join(parts)).hexdigest()[:32]
