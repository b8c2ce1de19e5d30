"""`MailFilter.decide`: what becomes of one mail transaction.

Outgoing mail is signed, incoming mail is verified; which of the two it is depends on
who speaks, never on what the message says. The clock is read here: once to decide, and
once before if there is something to prepare.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from stirmilter.mail.incoming import Incoming
from stirmilter.mail.mailpolicy import MailPolicy
from stirmilter.mail.outgoing import Outgoing
from stirmilter.mail.transaction import (
    Connection,
    Decision,
    Header,
    Preparation,
    Transaction,
)
from stirmilter.services import (
    AuthenticationService,
    Verification,
    VerificationService,
)
from stirmilter.stir.msgi import BodyDigester


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
        self._incoming = Incoming(policy, verification)
        self._outgoing = Outgoing(policy, authentication, verification.policy.passports)

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
        tokens = self.policy.tokens(headers)
        if self.outgoing(connection):
            needed = self.verification.algorithms(tokens)
            return Preparation(BodyDigester({*needed, self.authentication.algorithm}))
        if not tokens:
            return Preparation(BodyDigester(()))
        needs = self._incoming.needs(recipients, headers, self.clock())
        return Preparation(BodyDigester(needs.algorithms), needs.urls)

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
        self, transaction: Transaction, now: datetime
    ) -> tuple[Decision, Verification]:
        """Judge what arrives; see `Incoming.verify`."""
        return self._incoming.verify(transaction, now)
