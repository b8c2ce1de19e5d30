"""What the operator decides about mail, as values."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network
from typing import Literal

from stirmilter.mail import mm4
from stirmilter.mail.mm4 import Reading
from stirmilter.mail.policy.actions import Action
from stirmilter.mail.policy.policy import Policy
from stirmilter.mail.survival import Hazard
from stirmilter.mail.transaction import Connection, Header
from stirmilter.stir.tn import NumberSet


@dataclass(frozen=True, slots=True, kw_only=True)
class Survival:
    """What the way does to bodies, and what of it is looked for."""

    hazards: Literal["sign", "warn", "tempfail"] = "warn"
    """What becomes of a body with hazards that is to be signed: not looked for, noted,
    or not sent now."""

    harmless: frozenset[Hazard] = frozenset()
    """Hazards that the next hop is known to survive."""

    each: int = 1_048_576
    """Octets of one body that are kept until its digest is known to be good, or 0."""

    total: int = 16_777_216
    """Octets of all bodies together, in a process."""

    effort: int = 33_554_432
    """Octets that may be digested to find what altered one body."""


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

    signatures: int = 10
    """DKIM results that are written into the message."""

    result_length: int = 255
    """Octets of a stranger's text in a result; what is longer is left out."""

    actions: Policy = field(default_factory=Policy)
    """What becomes of what was judged."""

    mm4: MM4Answers | None = None
    """How rejected requests are answered; None does not answer."""

    survival: Survival = field(default_factory=Survival)
    """What is looked for in bodies that the way may change, or has changed."""

    def tokens(self, headers: Iterable[Header], *more: str) -> list[str]:
        """Return the values of the fields that we read, and of those named besides."""
        names = (*self.headers, *more)
        return [header.text for header in headers if header.named(names)]


@dataclass(frozen=True, slots=True, kw_only=True)
class MM4Answers:
    """How a rejected MM4_forward.REQ is answered (3GPP TS 23.140 §8.4.1)."""

    system: str
    """Our address as an MMSC."""

    strangers: bool = False
    """Whether clients that no peer is get an answer as well."""


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
