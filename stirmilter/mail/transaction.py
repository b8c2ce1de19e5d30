"""One mail transaction as a value, and what is decided about it.

Adapters build a `Transaction` and apply a `Decision`; neither holds a socket or a
callback, so everything between the two is tested without any.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING, Final, NamedTuple

from stirmilter.events import Handled
from stirmilter.mail.checks.canonical import NOTHING_HASHED, BodyHashes, HashedBody
from stirmilter.mail.policy.actions import Action
from stirmilter.mail.policy.ruling import Ruling
from stirmilter.mail.survival import BodyHazards, Hazard, KeptBody
from stirmilter.stir.msgi import BodyDigester, BodyDigests

if TYPE_CHECKING:
    from stirmilter.mail.mm4 import View

NO_BODY: Final = BodyDigests({}, 0)
"""A body that is still to come."""


class Header(NamedTuple):
    """A header field as it was received: folds and leading space in the value."""

    name: str
    value: bytes

    @property
    def text(self) -> str:
        """The value with octets outside UTF-8 kept as surrogates."""
        return self.value.decode("utf-8", "surrogateescape")

    def named(self, names: Iterable[str]) -> bool:
        """Compare the name, ignoring case."""
        return self.name.lower() in {name.lower() for name in names}


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """Who is speaking; lives as long as the SMTP session."""

    client: IPv4Address | IPv6Address | None
    """None for a submission that came over no network."""

    login: str = ""
    """SASL login name; empty when the client did not authenticate."""

    daemon_name: str = ""
    """Postfix's `milter_macro_daemon_name` of the service that took the message."""

    helo: str = ""
    """What the client calls itself; proves nothing."""

    tls_name: str = ""
    """Name in the client's certificate, if the MTA has verified that; else empty."""

    name: str = ""
    """Host name of the address, if it leads back to the address; else empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Transaction:
    """One message with its envelope, complete but for the octets of the body."""

    connection: Connection
    sender: str
    """Argument of MAIL FROM, as given; ``<>`` or empty is the null sender."""

    recipients: tuple[str, ...]
    """Arguments of RCPT TO, as given."""

    headers: tuple[Header, ...]
    body: BodyDigests = NO_BODY
    hashed: HashedBody = NOTHING_HASHED
    """The same body as DKIM and ARC see it."""

    hazards: frozenset[Hazard] = frozenset()
    """What in the body may not reach the next reader as it is."""

    kept: KeptBody | None = None
    """The octets of the body, if they may be wanted again."""

    view: View | None = None
    """The header as it was read before the body came, if it was."""

    quarantine: bool = True
    """Whether the MTA lets us have it held; if not, what should be is answered 451."""

    late: Callable[[], bool] = field(default=lambda: False, compare=False)
    """Tells whether it was answered undecided meanwhile: no decision is applied."""


@dataclass(frozen=True, slots=True)
class Preparation:
    """What can be begun when the header is complete and the body is still to come."""

    digester: BodyDigester
    """To be fed the body."""

    hashes: BodyHashes = field(default_factory=lambda: BodyHashes(()))
    """As well."""

    urls: tuple[str, ...] = ()
    """What the decision will want to have been fetched."""

    hazards: BodyHazards | None = None
    kept: KeptBody | None = None
    view: View | None = None
    at_once: bool = False
    """Whether it is worth trying to decide where there is no time (`haste`)."""

    def readers(self) -> tuple[Callable[[bytes], None], ...]:
        """Return what is to be told each chunk of the body."""
        parts = (self.digester, self.hashes, self.hazards, self.kept)
        return tuple(part.update for part in parts if part is not None)

    def transaction(
        self,
        connection: Connection,
        sender: str,
        recipients: tuple[str, ...],
        headers: tuple[Header, ...],
        *,
        quarantine: bool = True,
        late: Callable[[], bool] = lambda: False,
    ) -> Transaction:
        """Return the message with what was found, once all of the body was told."""
        return Transaction(
            connection=connection,
            sender=sender,
            recipients=recipients,
            headers=headers,
            body=self.digester.finish(),
            hashed=self.hashes.finish(),
            hazards=self.hazards.finish() if self.hazards else frozenset(),
            kept=self.kept,
            view=self.view,
            quarantine=quarantine,
            late=late,
        )


class Removal(NamedTuple):
    """A header field to delete: its name and which of that name, from 1."""

    name: str
    occurrence: int


class Insertion(NamedTuple):
    """A header field to put at the top; folds in the value are LF and white space."""

    name: str
    value: str


class Submission(NamedTuple):
    """A message of ours, from the null sender, as no answer to it is wanted."""

    recipient: str
    octets: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What is to be done to the message, and what is to be told about it."""

    event: Handled
    action: Action = "accept"
    remove: tuple[Removal, ...] = ()
    """Fields to delete. Each deletion renumbers those after it: from the last."""

    insert: tuple[Insertion, ...] = field(default=())
    reply: tuple[str, str, str] | None = None
    """SMTP code, enhanced code and text, to ``tempfail`` or ``reject``."""

    ruling: Ruling | None = None
    """What the policy decided, and about what; None for mail that leaves."""

    answer: Submission | None = None
    """What the MMSC that sent it is to be told besides, once it is rejected."""
