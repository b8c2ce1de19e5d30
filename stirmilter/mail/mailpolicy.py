"""What the operator decides about mail, as values."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from ipaddress import IPv4Network, IPv6Network
from typing import Literal, Protocol

from stirmilter.events import RemovedLimits
from stirmilter.mail import mm4
from stirmilter.mail.mm4 import Reading
from stirmilter.mail.policy.actions import Action
from stirmilter.mail.policy.policy import Policy
from stirmilter.mail.survival import Hazard, PartLimits
from stirmilter.mail.transaction import Connection, Header


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

    parts: PartLimits = field(default_factory=PartLimits)


Refusal = Literal["unsigned", "tempfail", "reject"]
"""What becomes of a message whose number was not given to who sends it."""


@dataclass(frozen=True, kw_only=True)
class MailPolicy:
    """What the operator decides about mail."""

    authserv_id: str
    networks: tuple[IPv4Network | IPv6Network, ...] = ()
    """Clients whose mail is outgoing."""

    logins: bool = False
    """Whether mail of a client with a SASL login is outgoing."""

    daemon_names: frozenset[str] = frozenset()
    """Postfix services whose mail is outgoing."""

    tls_names: frozenset[str] = frozenset()
    """Names in client certificates whose mail is outgoing; lower case."""

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
    """Who may use which numbers; without any, everybody all of ours."""

    unlisted: bool = False
    """Whether whoever is none of `submitters` may use all of ours, or none."""

    refused: Refusal = "unsigned"
    """What becomes of a message from a number that its submitter may not use."""

    signatures: int = 10
    """DKIM results that are written into the message."""

    result_length: int = 255
    """Octets of a stranger's text in a result; what is longer is left out."""

    removed: RemovedLimits = field(default_factory=RemovedLimits)
    """What is kept as evidence of fields that are taken out."""

    actions: Policy = field(default_factory=Policy)
    """What becomes of what was judged."""

    mm4: MM4Answers | None = None
    """How rejected requests are answered; None does not answer."""

    survival: Survival = field(default_factory=Survival)
    """What is looked for in bodies that the way may change, or has changed."""

    def tokens(self, headers: Iterable[Header], *, leaving: bool = False) -> list[str]:
        """Return the values of the fields that we read.

        Of mail that is leaving, those of the field that we write as well.
        """
        wanted = self._leaving if leaving else self._arriving
        return [header.text for header in headers if header.name.lower() in wanted]

    @cached_property
    def _arriving(self) -> frozenset[str]:
        return frozenset(name.lower() for name in self.headers)

    @cached_property
    def _leaving(self) -> frozenset[str]:
        return self._arriving | {self.header.lower()}


@dataclass(frozen=True, slots=True, kw_only=True)
class MM4Answers:
    """How a rejected MM4_forward.REQ is answered (3GPP TS 23.140 §8.4.1)."""

    system: str
    """Our address as an MMSC."""

    strangers: bool = False
    """Whether clients that no peer is get an answer as well."""


class Numbers(Protocol):
    """Some canonical numbers: a list, or somebody who is asked."""

    def __contains__(self, tn: str, /) -> bool:
        """Tell whether a number is one of them, or raise StoreError."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Submitter:
    """Who hands mail in, and the numbers it may use (RFC 8224 §6.1 step 2).

    Each criterion that is given must hold, with any of its values.
    """

    numbers: tuple[Numbers, ...]
    """Each may raise StoreError when it is asked."""

    name: str = ""
    networks: tuple[IPv4Network | IPv6Network, ...] = ()
    logins: frozenset[str] = frozenset()
    tls_names: frozenset[str] = frozenset()
    """Names in its client certificate, which the MTA has verified; lower case."""

    daemon_names: frozenset[str] = frozenset()
    """Postfix services that it hands mail to."""

    refused: Refusal | None = None
    """What becomes of its messages from other numbers; None as the policy says."""

    def is_(self, connection: Connection) -> bool:
        """Tell whether it is this one that speaks."""
        client = connection.client
        if self.networks and (
            client is None or not any(client in network for network in self.networks)
        ):
            return False
        if self.logins and connection.login not in self.logins:
            return False
        if self.tls_names and connection.tls_name.lower() not in self.tls_names:
            return False
        return not self.daemon_names or connection.daemon_name in self.daemon_names

    def may_use(self, speaker: str) -> bool:
        """Tell whether a canonical number, or URI, was given to it.

        Raises:
            StoreError: that cannot be known now.
        """
        return any(speaker in numbers for numbers in self.numbers)
