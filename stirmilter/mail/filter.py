"""`MailFilter.decide`: what becomes of one mail transaction.

Outgoing mail is signed, incoming mail is verified; which of the two it is depends on
who speaks, never on what the message says. The clock is read here: once to decide, and
once before if there is something to prepare.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from ipaddress import IPv4Network, IPv6Network
from typing import Final

from stirmilter.errors import SigningError
from stirmilter.events import Handled
from stirmilter.mail import authres, evidence, mm4, verdict
from stirmilter.mail.mm4 import Reading
from stirmilter.mail.transaction import (
    Action,
    Connection,
    Decision,
    Header,
    Insertion,
    Preparation,
    Transaction,
)
from stirmilter.services import (
    AuthenticationService,
    Message,
    Verification,
    VerificationService,
)
from stirmilter.stir import identity
from stirmilter.stir.msgi import BodyDigester, BodyDigests
from stirmilter.stir.passport import Passport
from stirmilter.stir.result import StirResult
from stirmilter.stir.tn import NumberSet

_NO_BODY: Final = BodyDigests({}, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class MailPolicy:
    """What the operator decides about mail."""

    authserv_id: str
    networks: tuple[IPv4Network | IPv6Network, ...] = ()
    """Clients whose mail is outgoing."""

    logins: bool = False
    """Whether mail of a client with a SASL login is outgoing."""

    daemon_names: frozenset[str] = frozenset()
    """Postfix services whose mail is outgoing."""

    message_types: frozenset[str] = frozenset({mm4.FORWARD_REQ, ""})
    """MM4 message types that are signed; the empty one is plain mail."""

    oldest: timedelta = timedelta(hours=72)
    """Mail dated longer ago is not signed (RFC 8224 §4.1); MMS may be deferred."""

    newest: timedelta = timedelta(minutes=5)
    """Nor is mail dated further ahead."""

    signing_failure: Action = "tempfail"
    """What becomes of a message that we should have signed and could not."""

    method: str = "stir"
    """Name of our method in Authentication-Results (RFC 8601 §2.7.6)."""

    header: str = "PASSporT"
    """Field that we write."""

    headers: frozenset[str] = field(default_factory=lambda: frozenset({"PASSporT"}))
    """Fields that we read."""

    ours: Reading = mm4.STRICT
    """How the addresses of outgoing mail are read."""

    theirs: Reading = mm4.STRICT
    """How those of incoming mail are."""

    divert: bool = False
    """Whether a message that a number of ours sends on gets a ``div`` token."""

    submitters: tuple[Submitter, ...] = ()
    """Clients and logins that may use some numbers only; all others any of ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Submitter:
    """Who hands mail in, and the numbers it may use (RFC 8224 §6.1 step 2)."""

    numbers: NumberSet
    network: IPv4Network | IPv6Network | None = None
    login: str | None = None

    def is_(self, connection: Connection) -> bool:
        """Tell whether it is this one that speaks."""
        if self.login is not None:
            return connection.login == self.login
        return connection.client is not None and connection.client in (
            self.network or ()
        )


class MailFilter:
    """Joins the mail view and the two services; knows no protocol."""

    def __init__(
        self,
        *,
        policy: MailPolicy,
        authentication: AuthenticationService,
        verification: VerificationService,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.policy = policy
        self.authentication = authentication
        self.verification = verification
        self.clock = clock

    def outgoing(self, connection: Connection) -> bool:
        """Tell whether we answer for what this client sends."""
        policy = self.policy
        return (
            connection.daemon_name in policy.daemon_names
            or (policy.logins and bool(connection.login))
            or (
                connection.client is not None
                and any(connection.client in network for network in policy.networks)
            )
        )

    def prepare(
        self,
        connection: Connection,
        recipients: Sequence[str],
        headers: Sequence[Header],
    ) -> Preparation:
        """Say what the header lets us begin with: no digest and no fetch too many."""
        tokens = self._tokens(headers)
        if self.outgoing(connection):
            needed = self.verification.algorithms(tokens)
            return Preparation(BodyDigester({*needed, self.authentication.algorithm}))
        if not tokens:
            return Preparation(BodyDigester(()))
        view = mm4.read(headers, self.policy.theirs)
        message = self._received(view, recipients)
        needs = self.verification.needs(message, tokens, self.clock())
        return Preparation(BodyDigester(needs.algorithms), needs.urls)

    def decide(self, transaction: Transaction) -> Decision:
        """Sign or verify one message."""
        now = self.clock()
        if self.outgoing(transaction.connection):
            return self.sign(transaction, now)
        decision, _ = self.verify(transaction, now)
        return decision

    def sign(self, transaction: Transaction, now: datetime) -> Decision:
        """Insert a PASSporT, or say why not; the message goes on unless we failed.

        A result under our name is removed here too: it is no less forged for coming
        from a client of ours, and the relay may deliver to our own readers.
        """
        forged = authres.removals(transaction.headers, self.policy.authserv_id)
        removed = evidence.removed(transaction.headers, forged)
        view = mm4.read(transaction.headers, self.policy.ours)
        message = Message(
            orig=view.originator,
            dest=_shown(view, transaction, self.policy.ours),
            body=transaction.body,
        )
        try:
            self._check_signable(view, transaction, now)
            tokens = self._tokens(transaction.headers, self.policy.header)
            token = self._sign(message, tokens, now)
            speaker = (token.claims.div or token.claims.orig).value
            self._check_submitter(transaction.connection, speaker)
        except SigningError as error:
            action = self.policy.signing_failure if error.failure else "accept"
            return Decision(
                action=action,
                remove=forged,
                event=Handled(
                    "out",
                    "failed" if error.failure else "unsigned",
                    error.code,
                    error.detail,
                    view.originator,
                    action,
                    evidence=evidence.of_message(
                        view, transaction.connection, now, removed=removed
                    ),
                ),
                reply=("451", "4.7.0", "the message cannot be signed now"),
            )
        signer = self.authentication.signer_for(speaker, now)
        word = "signed" if token.claims.div is None else "diverted"
        made = [evidence.issued(token, signer, word)] if signer else []
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
                evidence=evidence.of_message(
                    view, transaction.connection, now, made, removed
                ),
            ),
        )

    def _sign(self, message: Message, tokens: Sequence[str], now: datetime) -> Passport:
        """Vouch for a message that is ours, or for our sending on of another one.

        Raises:
            SigningError: neither is the case, or we failed.
        """
        full = len(tokens) >= self.verification.policy.passports
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
        return self.authentication.sign(message, now)

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
            message, self._tokens(transaction.headers), now
        )
        result = found.result
        tokens = map(evidence.judged, found.passports)
        word = verdict.combine(
            result.reason.word, headers_covered=False, dmarc_pass=False
        )
        forged = authres.removals(transaction.headers, self.policy.authserv_id)
        removed = evidence.removed(transaction.headers, forged)
        decision = Decision(
            remove=forged,
            insert=(Insertion(authres.NAME, self._result_field(result, word)),),
            event=Handled(
                "in",
                word,
                result.reason.code,
                result.detail,
                message.orig,
                x5u=result.passport.x5u if result.passport else "",
                evidence=evidence.of_message(
                    view, transaction.connection, now, tokens, removed
                ),
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

    def _check_submitter(self, connection: Connection, speaker: str) -> None:
        """Refuse the use of a number to whom others were given.

        Raises:
            SigningError: not a failure: the message goes out as it is.
        """
        known = [one for one in self.policy.submitters if one.is_(connection)]
        if known and not any(speaker in one.numbers for one in known):
            raise SigningError("not-its-number", "the client may use other numbers")

    def _tokens(self, headers: Sequence[Header], *more: str) -> list[str]:
        names = (*self.policy.headers, *more)
        return [header.text for header in headers if header.named(names)]

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


def _missing_date(headers: Sequence[Header], now: datetime) -> tuple[Insertion, ...]:
    """Return the Date that a signed message lacks (RFC 8224 §6.1 step 3)."""
    if any(header.named(("date",)) for header in headers):
        return ()
    return (Insertion("Date", format_datetime(now)),)


def _shown(
    view: mm4.View, transaction: Transaction, reading: Reading
) -> frozenset[str]:
    """Return the identities for ``dest``: To and Cc, and a sole recipient.

    Whoever stands in the envelope alone is a Bcc and stays a secret (RFC 4356), except
    when there is nobody else to read it.
    """
    shown = set(view.recipients)
    if len(transaction.recipients) == 1:
        sole = mm4.recipient(transaction.recipients[0], reading)
        if sole is not None:
            shown.add(sole)
    return frozenset(shown)


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
