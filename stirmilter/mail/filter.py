"""`MailFilter.decide`: what becomes of one mail transaction.

Outgoing mail is signed, incoming mail is verified; which of the two it is depends on
who speaks, never on what the message says. The clock is read here: once to decide, and
once before if there is something to prepare.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import chain
from typing import Final, Literal

from stirmilter.events import Handled
from stirmilter.mail import removals
from stirmilter.mail.beside import Beside, Checks, NoChecks
from stirmilter.mail.checks.canonical import BodyHashes
from stirmilter.mail.dkimsign import DkimSigner
from stirmilter.mail.incoming import Incoming
from stirmilter.mail.mailpolicy import MailPolicy
from stirmilter.mail.outgoing import Outgoing
from stirmilter.mail.policy.actions import Action
from stirmilter.mail.resultfields import Judged
from stirmilter.mail.survival import BodyHazards, BodyKeeper, KeptBody
from stirmilter.mail.transaction import (
    Connection,
    Decision,
    Header,
    Preparation,
    Transaction,
)
from stirmilter.mail.verdict import Verdict
from stirmilter.services import (
    AuthenticationService,
    VerificationService,
)
from stirmilter.stir.msgi import ALGORITHMS, BodyDigester

_NO_HASHES: Final = BodyHashes(())
"""Of no body, so all may share it."""

_SMALL: Final = 16_384  # octets of header and envelope that are read in no time


def _is_small(headers: Sequence[Header], recipients: Sequence[str]) -> bool:
    octets = sum(map(len, chain.from_iterable(headers)))
    return octets + sum(map(len, recipients)) <= _SMALL


class MailFilter:
    """Joins the mail view and the two services; knows no protocol."""

    def __init__(
        self,
        *,
        policy: MailPolicy,
        authentication: AuthenticationService,
        verification: VerificationService,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        peers: Mapping[str, VerificationService] | None = None,
        checks: Checks | None = None,
        dkim: DkimSigner | None = None,
        keeper: BodyKeeper | None = None,
    ) -> None:
        """Take what decides, the two services, and what is asked besides.

        Args:
            policy: what the operator decided.
            authentication: signs.
            verification: verifies.
            clock: read once for each message.
            peers: by name, who verifies for peers with anchors or limits of their own.
            checks: the methods beside STIR.
            dkim: signs what leaves, besides.
            keeper: keeps bodies; None makes one by the policy.
        """
        self.policy = policy
        self.authentication = authentication
        self.verification = verification
        self.clock = clock
        self.peers = peers or {}
        self.checks = checks or NoChecks()
        self.dkim = dkim
        survival = policy.survival
        self.keeper = keeper or BodyKeeper(survival.each, survival.total)
        self._incoming = Incoming(policy, verification, self.peers, self.checks)
        passports = verification.policy.passports
        self._outgoing = Outgoing(policy, authentication, passports, dkim)
        self._signs_at_once = self._outgoing.signs_at_once
        self._judges_at_once = self._incoming.decides_at_once

    @property
    def verifying(self) -> tuple[VerificationService, ...]:
        """All that judge tokens, for whomever."""
        return (self.verification, *self.peers.values())

    def outgoing(self, connection: Connection) -> bool:
        """Tell whether we answer for what this client sends."""
        policy = self.policy
        return (
            connection.daemon_name in policy.daemon_names
            or connection.tls_name.lower() in policy.tls_names
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
        sender: str = "",
    ) -> Preparation:
        """Say what the header lets us begin with: no digest and no fetch too many."""
        tokens = self.policy.tokens(headers)
        small = _is_small(headers, recipients)
        if self.outgoing(connection):
            needed = self.verification.algorithms(tokens)
            return Preparation(
                BodyDigester({*needed, self.authentication.algorithm}),
                self._hashes(),
                hazards=self._hazards(headers),
                at_once=self._signs_at_once and not tokens and small,
            )
        hashes = self.checks.prepare(headers)
        at_once = self._judges_at_once and small
        if not tokens:
            return Preparation(BodyDigester(()), hashes, at_once=at_once)
        view = self._incoming.view(headers)
        begun = Transaction(
            connection=connection,
            sender=sender,
            recipients=tuple(recipients),
            headers=tuple(headers),
            view=view,
        )
        needs = self._incoming.needs(begun, self.clock())
        return Preparation(
            BodyDigester(needs.algorithms),
            hashes,
            needs.urls,
            kept=self._kept(),
            view=view,
            at_once=at_once,
        )

    def whole(self, headers: Sequence[Header]) -> Preparation:
        """Say what anybody could need of the body, whoever speaks: for use by hand."""
        forms = self.checks.prepare(headers).forms | self._hashes().forms
        return Preparation(
            BodyDigester(ALGORITHMS),
            BodyHashes(forms),
            hazards=self._hazards(headers),
            kept=self._kept(),
        )

    def _hazards(self, headers: Sequence[Header]) -> BodyHazards | None:
        if self.policy.survival.hazards == "sign" or not self.authentication.signers:
            return None
        return BodyHazards(headers, self.policy.survival.parts)

    def _kept(self) -> KeptBody | None:
        return self.keeper.body() if self.keeper.each else None

    def _hashes(self) -> BodyHashes:
        return BodyHashes([self.dkim.body]) if self.dkim else _NO_HASHES

    def decide(self, transaction: Transaction) -> Decision:
        """Sign or verify one message."""
        now = self.clock()
        if self.outgoing(transaction.connection):
            return self.sign(transaction, now)
        decision, _ = self.verify(transaction, now)
        return decision

    def sign(self, transaction: Transaction, now: datetime) -> Decision:
        """Insert a PASSporT, or say why not; see `Outgoing.sign`."""
        return self._outgoing.sign(transaction, now)

    def verify(
        self, transaction: Transaction, now: datetime, beside: Beside | None = None
    ) -> tuple[Decision, Judged]:
        """Judge what arrives; see `Incoming.verify`."""
        return self._incoming.verify(transaction, now, beside)

    def undecided(self, transaction: Transaction) -> Decision:
        """Say what becomes of a message that we could not decide: a bug, or too late.

        One that is accepted all the same carries no result of ours, and none that
        somebody forged.
        """
        action = self.policy.actions.failures.internal
        event = self.refused(transaction.connection, "internal-error", action)
        return Decision(
            action=action,
            remove=removals.of(transaction.headers, self.policy),
            event=replace(event, rule="failure:internal"),
        )

    def refused(
        self, connection: Connection, reason: str, action: Action = "tempfail"
    ) -> Handled:
        """Tell of a message that nobody decided about, because of something of ours.

        Args:
            connection: who sent it.
            reason: in a word.
            action: what became of it.
        """
        outgoing = self.outgoing(connection)
        outcome = "failed" if outgoing else Verdict.UNDETERMINED
        direction: Literal["out", "in"] = "out" if outgoing else "in"
        return Handled(direction, outcome, reason, action=action)

    def using(
        self,
        authentication: AuthenticationService | None = None,
        policy: MailPolicy | None = None,
    ) -> MailFilter:
        """Return the same with another service that signs, or another policy."""
        return MailFilter(
            policy=policy or self.policy,
            authentication=authentication or self.authentication,
            verification=self.verification,
            clock=self.clock,
            peers=self.peers,
            checks=self.checks,
            dkim=self.dkim,
            keeper=self.keeper,
        )
