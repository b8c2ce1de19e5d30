"""Facts that left the filter, for whoever keeps account: log, metrics, journal.

One event for a message, several readers. Plain values only: a reader knows no STIR.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal, NamedTuple

IDENTIFIER_LENGTH: Final = 255
"""Characters of a message's identifier that are kept as evidence; the rest is cut off.

No setting, but how the journal is written: `stirmilter journal show` finds a longer one
since it cuts what it is asked for in the same way, whenever that was written.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class RemovedLimits:
    """How much is kept as evidence of the header fields taken out of a message."""

    fields: int = 32
    """Of one message, the first ones."""

    characters: int = 500
    """Of each value, where something longer ends in three dots; at least 16."""


class Removed(NamedTuple):
    """A header field that was taken out of a message, since it claimed to be ours."""

    name: str
    text: str
    """Its value as it arrived, folds and all; escaped where it is not printable."""


class Certificate(NamedTuple):
    """One certificate of a path."""

    sha256: str
    """Digest of `der`, in hexadecimal."""

    der: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """One PASSporT and what was found about it, or one that we made.

    Enough to answer, when its certificate has long expired or been revoked, whether it
    was good when the message came (RFC 9475 §4): the path with its validity, what the
    revocation lists said at that time, and ``iat``.
    """

    reason: str
    """Code of the `Reason`; ``signed`` or ``diverted`` for one of ours."""

    word: str = ""
    """Result word (RFC 8601 §2.7); empty for one of ours."""

    rule: str = ""
    """Where the requirement stands that was not met."""

    detail: str = ""
    ppt: str = ""
    iat: int | None = None
    """Seconds since 1970; None for a token that could not be read."""

    x5u: str = ""
    path: tuple[Certificate, ...] = ()
    """Signer first, anchor last; empty unless an anchor vouched for it. Of ours: the
    chain that we publish, without the anchor."""

    valid: tuple[datetime, datetime] | None = None
    """When the whole path is valid: from, until."""

    status: str = "unchecked"
    """What the revocation lists said of the path at reception."""

    authority: str = "none"
    msgi: str = "absent"
    diversions: int = 0
    notes: tuple[str, ...] = ()
    fingerprint: str = ""
    """Digest that names the act of signing, whatever became of the text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What a message was and what its tokens proved, to be explained later.

    Texts of strangers are printable and bounded; numbers of recipients are not here.
    """

    time: datetime
    """When it was judged or signed; the clock that everything was held against."""

    client: str = ""
    """Address of the SMTP client."""

    message_id: str = ""
    transaction_id: str = ""
    """``X-Mms-Transaction-ID``."""

    mms_message_id: str = ""
    """``X-Mms-Message-ID``."""

    tokens: tuple[Token, ...] = ()
    """In the order of the header."""

    removed: tuple[Removed, ...] = ()
    """In the order of the header; as many as `RemovedLimits` lets."""


Stage = Literal["prefetch", "queue", "stir", "methods", "policy", "sign", "dkim"]
"""What a message spends its time with: waiting for what is fetched with its header, and
for a thread; then PASSporTs, the methods beside them, and what is made of it all. An
outgoing one, being signed, and signed with DKIM."""


@dataclass(frozen=True, slots=True)
class Handled:
    """One message left the filter."""

    direction: Literal["out", "in"]
    outcome: str
    """Outgoing: ``signed``, ``unsigned`` or ``failed``. Incoming: the verdict."""

    reason: str
    """Code of the `Reason`, or why there is no signature."""

    detail: str = ""
    orig: str | None = None
    """Canonical number, unmasked: whoever writes it down masks it."""

    action: str = "accept"
    signer: str = ""
    """Outgoing: name of the signer."""

    x5u: str = ""
    """Incoming: where the token that speaks for the message wants its chain from."""

    queue_id: str = "-"
    seconds: float = 0.0
    evidence: Evidence | None = field(default=None, compare=False)
    """What stands behind the event; it makes no other event of it."""

    rule: str = ""
    """The rule, ladder or failure that chose the action; empty by default. Outgoing:
    the setting that refused the number."""

    peer: str = ""
    """Incoming: name of the peer that sent it."""

    methods: tuple[tuple[str, str], ...] = ()
    """Incoming: ``spf``, ``dkim`` (once for each signature), ``dmarc`` and ``arc``, as
    far as they were looked at: the word, then perhaps why."""

    shadow_action: str = ""
    """Incoming: what the shadow table would have done, if that is something else."""

    shadow_rule: str = ""
    stages: tuple[tuple[Stage, float], ...] = field(default=(), compare=False)
    """Seconds of each, as far as it was come to."""

    submitter: str = ""
    """Outgoing: who was given the number that was signed for, if numbers are given."""

    hazards: tuple[str, ...] = ()
    """Outgoing: what in the body the next hop may not carry as it is."""


Outcome = Literal["fetched", "unchanged", "failed", "refused", "postponed"]


@dataclass(frozen=True, slots=True)
class Fetched:
    """One URL was asked for, or would have been."""

    host: str
    """As the URL names it, in lower case."""

    outcome: Outcome
    """Refused for good, because of its address; postponed while the host is busy or
    rests."""

    octets: int = 0
    """Of the body."""

    seconds: float = 0.0
    detail: str = ""
    """Why there is nothing."""


Claim = Literal["granted", "replayed", "unknown"]
"""A token was used by no other delivery before, or by one, or nobody knows."""


class Claimed(NamedTuple):
    """A replay store was asked about a token."""

    outcome: Claim
    seconds: float
