"""Outgoing mail: a PASSporT for what a number of ours sends (RFC 8224 §6.1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from email.utils import format_datetime
from typing import Final

from stirmilter.errors import SigningError, StoreError
from stirmilter.events import Handled
from stirmilter.mail import evidence, mm4, removals
from stirmilter.mail.dkimsign import DkimSigner
from stirmilter.mail.mailpolicy import MailPolicy, Refusal, Submitter
from stirmilter.mail.policy.actions import Action
from stirmilter.mail.stopwatch import Stopwatch
from stirmilter.mail.survival import HAZARDS, Hazard
from stirmilter.mail.transaction import (
    Connection,
    Decision,
    Header,
    Insertion,
    Removal,
    Transaction,
)
from stirmilter.services import AuthenticationService, Message
from stirmilter.stir import identity
from stirmilter.stir.jws import SoftwareKey
from stirmilter.stir.passport import Passport
from stirmilter.stir.tn import NumberSet

_STRENGTH: Final[tuple[Refusal, ...]] = ("unsigned", "tempfail", "reject")

_BY_DEFAULT: Final = "sign.refused"
_REJECTED: Final = ("550", "5.7.1")

AT_RISK: Final = "body-at-risk"
"""Code of a message that is not sent, since its body would be altered."""


class _RefusedError(SigningError):
    """The number was not given to who sends the message."""

    def __init__(self, code: str, detail: str, refusal: Refusal, rule: str) -> None:
        super().__init__(code, detail)
        self.action: Action = "accept" if refusal == "unsigned" else refusal
        self.rule = rule


class Outgoing:
    """Signs what leaves, as far as it is ours to sign."""

    def __init__(
        self,
        policy: MailPolicy,
        authentication: AuthenticationService,
        passports: int,
        dkim: DkimSigner | None = None,
    ) -> None:
        """Take what decides, who signs, and how many tokens a verifier judges."""
        self.policy = policy
        self.authentication = authentication
        self.passports = passports
        self.dkim = dkim

    @property
    def signs_at_once(self) -> bool:
        """Whether signing asks nobody: keys and numbers are in memory, and no RSA."""
        signers, submitters = self.authentication.signers, self.policy.submitters
        return (
            self.dkim is None
            and all(isinstance(one.key, SoftwareKey) for one in signers)
            and all(isinstance(n, NumberSet) for one in submitters for n in one.numbers)
        )

    def sign(self, transaction: Transaction, now: datetime) -> Decision:
        """Insert a PASSporT where there is to be one, and DKIM over all that leaves."""
        watch = Stopwatch()
        decision = self._decide(transaction, now, watch)
        if self.dkim is None or decision.action != "accept":
            return decision
        headers = removals.kept(transaction.headers, decision.remove)
        hashed = transaction.hashed
        try:
            field = self.dkim.sign(headers, decision.insert, hashed, now)
        except SigningError as error:
            told = f"unsigned {error.code}"
            return replace(decision, event=_with_dkim(decision.event, told, watch))
        return replace(
            decision,
            insert=(field, *decision.insert),
            event=_with_dkim(decision.event, f"signed {self.dkim.domain}", watch),
        )

    def _decide(
        self, transaction: Transaction, now: datetime, watch: Stopwatch
    ) -> Decision:
        """Insert a PASSporT, or say why not; the message goes on unless we failed.

        A result under our name is removed here too: it is no less forged for coming
        from a client of ours, and the relay may deliver to our own readers.
        """
        forged = removals.of(transaction.headers, self.policy)
        gone = evidence.removed(transaction.headers, forged, self.policy.removed)
        view = mm4.read(transaction.headers, self.policy.ours)
        sole = self._sole(transaction.recipients)
        message = Message(
            orig=view.originator,
            dest=frozenset(
                view.recipients if sole is None else {*view.recipients, sole}
            ),
            body=transaction.body,
        )
        try:
            self._check_signable(view, transaction, now)
            tokens = self.policy.tokens(transaction.headers, leaving=True)
            others = transaction.recipients if sole is None else None
            token = self._sign(message, others, tokens, now)
            speaker = (token.claims.div or token.claims.orig).value
            submitter = self._check_submitter(transaction.connection, speaker)
            hazards = self._hazards(transaction)
            self._check_survival(hazards)
        except SigningError as error:
            watch.lap("sign")
            kept = evidence.of_message(view, transaction, now, gone)
            event = Handled(
                "out",
                "failed" if error.failure else "unsigned",
                error.code,
                error.detail,
                view.originator,
                evidence=kept,
                stages=tuple(watch.stages),
                rule=error.rule if isinstance(error, _RefusedError) else "",
            )
            return self._unsigned(event, self._action(error), forged)
        signer = self.authentication.signer_for(speaker, now)
        word = "signed" if token.claims.div is None else "diverted"
        watch.lap("sign")
        made = [evidence.issued(token, signer, word, hazards)] if signer else []
        return Decision(
            remove=forged,
            insert=(
                *_missing_date(transaction.headers, now),
                Insertion(
                    self.policy.header, identity.write(token, self.policy.header)
                ),
            ),
            event=Handled(
                "out",
                "signed",
                word,
                "",
                view.originator,
                signer=signer.name if signer else "",
                hazards=hazards,
                submitter=submitter,
                evidence=evidence.of_message(view, transaction, now, gone, made),
                stages=tuple(watch.stages),
            ),
        )

    def _action(self, error: SigningError) -> Action:
        if isinstance(error, _RefusedError):
            return error.action
        if error.code == AT_RISK:
            return "tempfail"
        return self.policy.signing_failure if error.failure else "accept"

    def _unsigned(
        self, event: Handled, action: Action, forged: tuple[Removal, ...]
    ) -> Decision:
        """Let a message go as it is, or come again."""
        reply = ("451", "4.7.0", "the message cannot be signed now")
        if event.reason == AT_RISK:  # RFC 3463 §3.7: conversion required
            reply = ("451", "4.6.3", "the next hop may alter the body")
        elif event.rule:  # RFC 3463 §3.8: delivery not authorized, message refused
            code, enhanced = ("451", "4.7.1") if action == "tempfail" else _REJECTED
            reply = (code, enhanced, f"not your number to send from: {event.reason}")
        event = replace(event, action=action)
        return Decision(action=action, remove=forged, event=event, reply=reply)

    def _sign(
        self,
        message: Message,
        others: Sequence[str] | None,
        tokens: Sequence[str],
        now: datetime,
    ) -> Passport:
        """Vouch for a message that is ours, or for our sending on of another one.

        Args:
            message: as it leaves.
            others: of the envelope; None if its only one stands in `dest` already.
            tokens: that it carries.
            now: aware time.

        Raises:
            SigningError: neither is the case, or we failed.
        """
        full = len(tokens) >= self.passports
        if self.policy.divert and not full:
            try:
                return self.authentication.divert(message, tokens, now)
            except SigningError as error:
                if error.code not in ("not-diverted", "no-signer"):
                    raise
        if self.authentication.signed(message, tokens, now):
            raise SigningError("already-signed", "it carries a token of ours")
        if full:
            raise SigningError("too-many-passports", f"{len(tokens)} already")
        for_others = (
            message.dest and others is not None and not self._reaches(message, others)
        )
        if for_others and self._is_ours(message.orig, now):
            raise SigningError("no-recipient", "dest would name nobody it goes to")
        return self.authentication.sign(message, now)

    def _sole(self, recipients: Sequence[str]) -> str | None:
        """Return the identity of the only recipient of the envelope, if it has one.

        That one belongs in ``dest``, beside those of To and Cc. Whoever else stands in
        the envelope alone is a Bcc and stays a secret (RFC 4356), except when there is
        nobody else to read it.
        """
        if len(recipients) != 1:
            return None
        return mm4.recipient(recipients[0], self.policy.ours)

    def _reaches(self, message: Message, recipients: Sequence[str]) -> bool:
        """Tell whether a token would name anybody whom the message goes to.

        To a verifier of the others it is one for another message (RFC 8225 §5.2.1).
        """
        ours = self.policy.ours
        return any(mm4.recipient(path, ours) in message.dest for path in recipients)

    def _is_ours(self, orig: str | None, now: datetime) -> bool:
        return orig is not None and bool(self.authentication.signer_for(orig, now))

    def _check_signable(
        self, view: mm4.View, transaction: Transaction, now: datetime
    ) -> None:
        """Leave alone what is not a message from a number to numbers.

        Raises:
            SigningError: never a failure: the message goes out as it is.
        """
        if transaction.sender.strip() in ("", "<>"):
            raise SigningError("null-sender", "an automatic message")
        if view.message_type not in self.policy.message_types:
            raise SigningError("message-type", view.message_type)
        if view.hidden:
            # RFC 8224 §11: a token would tell what the sender asked us to hide.
            raise SigningError("hidden-sender", "X-Mms-Sender-Visibility")
        if view.repeated is not None:
            raise SigningError("ambiguous-header", f"{view.repeated} occurs twice")
        if view.date is not None and not (
            -self.policy.newest <= now - view.date <= self.policy.oldest
        ):
            raise SigningError("date", f"dated {view.date:%Y-%m-%d %H:%M}")
        if view.expires is not None and view.expires <= now:
            raise SigningError("expired", f"at {view.expires:%Y-%m-%d %H:%M}")

    def _hazards(self, transaction: Transaction) -> tuple[Hazard, ...]:
        """Name what the next hop may make another body of, as `HAZARDS` orders it."""
        found = transaction.hazards - self.policy.survival.harmless
        return tuple(one for one in HAZARDS if one in found)

    def _check_survival(self, hazards: Sequence[Hazard]) -> None:
        """Keep a body here that would fail at its verifiers, if that is the policy.

        Raises:
            SigningError: `AT_RISK`.
        """
        if hazards and self.policy.survival.hazards == "tempfail":
            raise SigningError(AT_RISK, ", ".join(hazards), failure=True)

    def _check_submitter(self, connection: Connection, speaker: str) -> str:
        """Refuse a number that was not given to whom speaks, and return its name.

        Source: RFC 8224 §6.1 step 2.

        Raises:
            SigningError: only a failure if it cannot be known now.
        """
        policy = self.policy
        if not policy.submitters:
            return ""
        known = [one for one in policy.submitters if one.is_(connection)]
        if not known and not policy.unlisted:
            nothing = "no numbers were given to it"
            raise _RefusedError(
                "unlisted-submitter", nothing, policy.refused, _BY_DEFAULT
            )
        try:
            allowed = next((one for one in known if one.may_use(speaker)), None)
        except StoreError as error:
            raise SigningError(
                "numbers-unavailable", str(error), failure=True
            ) from None
        if known and allowed is None:
            names = ", ".join(one.name for one in known)
            detail = f"not among the numbers of {names}"
            raise _RefusedError("not-its-number", detail, *self._refusal(known))
        return allowed.name if allowed else ""

    def _refusal(self, known: Sequence[Submitter]) -> tuple[Refusal, str]:
        """Return the strongest of what the blocks of a client say, and which does."""
        said = [
            (one.refused, f"submitter:{one.name}")
            for one in known
            if one.refused is not None
        ]
        default = self.policy.refused, _BY_DEFAULT
        return max(said or [default], key=lambda one: _STRENGTH.index(one[0]))


def _with_dkim(event: Handled, told: str, watch: Stopwatch) -> Handled:
    watch.lap("dkim")
    return replace(event, methods=(("dkim", told),), stages=tuple(watch.stages))


def _missing_date(headers: Sequence[Header], now: datetime) -> tuple[Insertion, ...]:
    """Return the Date that a signed message lacks (RFC 8224 §6.1 step 3)."""
    if any(header.name.lower() == "date" for header in headers):
        return ()
    return (Insertion("Date", format_datetime(now)),)
