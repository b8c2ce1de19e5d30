"""The MM4 view of a mail message (3GPP TS 23.140 §8.4): who sends what to whom.

Deviation: the text of TS 23.140 was not at hand; field names, values and spellings are
those of the programs that speak MM4. Names and values compare without regard to case.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

from stirmilter.mail import addresses
from stirmilter.mail.addresses import Mailbox
from stirmilter.mail.transaction import Header
from stirmilter.stir.remembering import remembered

FORWARD_REQ: Final = "mm4_forward.req"
SEVERAL: Final = "several"

_ONCE: Final = (
    "from",
    "date",
    "content-type",
    "content-transfer-encoding",
    "mime-version",
)
_READ: Final = frozenset(
    {
        *_ONCE,
        "to",
        "cc",
        "message-id",
        "x-mms-3gpp-mms-version",
        "x-mms-ack-request",
        "x-mms-expiry",
        "x-mms-message-id",
        "x-mms-message-type",
        "x-mms-originator-system",
        "x-mms-sender-visibility",
        "x-mms-transaction-id",
    }
)
_Fields = dict[str, list[str]]
"""Values by name in lower case, in order."""

_SINGLE: Final = 2  # entries that tell whether it is the only one
_DIGITS: Final = 100  # more are no number of seconds
_YEARS: Final = 10**12


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """Which addresses name somebody; by default, those of global numbers alone."""

    country: str = ""
    """Country whose national numbers are completed; for signing only: a verifier does
    not know what a stranger's network dials."""

    uris: bool = False
    """Whether a mail address that is no number is a ``mailto`` identity."""

    entries: int = addresses.ENTRIES
    """Addresses of To and Cc together that are read."""

    lexemes: int = addresses.LEXEMES
    """Lexical tokens of an address, on average."""

    def identity(self, mailbox: Mailbox | None) -> str | None:
        """Return the canonical number, or URI, of an address, or None."""
        if mailbox is None:
            return None
        if (number := mailbox.number) is not None:
            return number
        if self.country and (number := mailbox.national(self.country)):
            return number
        return mailbox.uri if self.uris else None


STRICT: Final = Reading()


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """The facts of the header that signing and verification rest on."""

    message_type: str
    """``X-Mms-Message-Type`` in lower case; empty for plain mail, `SEVERAL` when the
    field occurs more than once."""

    originator: str | None
    """Identity of the single From, else None: a canonical number, or a URI."""

    recipients: tuple[str, ...]
    """Identities of To, then those of Cc."""

    unreadable: int
    """Entries of To and Cc that another program may read as anybody."""

    dialled: tuple[str, ...]
    """Entries of To and Cc that are no identity and may be dialled, as
    `Mailbox.dialled` has them."""

    hidden: bool
    """``X-Mms-Sender-Visibility: Hide``."""

    date: datetime | None
    expires: datetime | None
    repeated: str | None
    """A field that must occur once and occurs again: two programs may believe
    different ones, so the message has two meanings."""

    message_id: str = ""
    """The first ``Message-ID``, as it is written; so are the next two."""

    transaction_id: str = ""
    """``X-Mms-Transaction-ID``: one exchange between two MMSCs."""

    mms_message_id: str = ""
    """``X-Mms-Message-ID``: the message, at the MMSC that took it in."""

    ack_request: bool = False
    """``X-Mms-Ack-Request: Yes``: the sending MMSC wants an MM4_forward.RES."""

    originator_system: str = ""
    """``X-Mms-Originator-System``, as it is written: where to."""

    version: str = ""
    """``X-Mms-3GPP-MMS-Version``, as it is written."""


def read(headers: Sequence[Header], reading: Reading = STRICT) -> View:
    """Read the header block; never raises.

    A field that must occur once and occurs twice counts as unreadable: the two halves
    of the system would not agree which one it is.
    """
    fields: _Fields = {}
    for header in headers:
        name = header.name.lower()
        if name in _READ:
            fields.setdefault(name, []).append(header.text.strip())
    date = _date(_single(fields, "date"))
    shown = _shown([*fields.get("to", ()), *fields.get("cc", ())], reading)
    recipients, dialled = _named(shown, reading)
    return View(
        message_type=_message_type(fields),
        originator=_originator(fields, reading),
        recipients=tuple(recipients),
        unreadable=shown.count(None),
        dialled=tuple(dialled),
        hidden=any(
            value.lower() != "show"
            for value in fields.get("x-mms-sender-visibility", ())
        ),
        date=date,
        expires=_expiry(_single(fields, "x-mms-expiry"), date),
        repeated=next((n for n in _ONCE if len(fields.get(n, ())) > 1), None),
        message_id=_first(fields, "message-id"),
        transaction_id=_first(fields, "x-mms-transaction-id"),
        mms_message_id=_first(fields, "x-mms-message-id"),
        ack_request=(_single(fields, "x-mms-ack-request") or "").lower() == "yes",
        originator_system=_single(fields, "x-mms-originator-system") or "",
        version=_single(fields, "x-mms-3gpp-mms-version") or "",
    )


def recipient(path: str, reading: Reading = STRICT) -> str | None:
    """Return the identity of an envelope address, or None."""
    return reading.identity(addresses.parse_path(path, reading.lexemes))


def _shown(values: Sequence[str], reading: Reading) -> list[Mailbox | None]:
    """Read To and Cc; all that is beyond the limit is one entry that is not read."""
    shown: list[Mailbox | None] = []
    limit = reading.entries
    for value in values:
        if limit <= 0:
            shown.append(None)
            break
        found = addresses.parse(value, limit, reading.lexemes)
        shown += found.entries
        limit -= max(len(found.entries), found.lexemes // reading.lexemes)
    return shown


def _named(
    shown: Sequence[Mailbox | None], reading: Reading
) -> tuple[list[str], list[str]]:
    """Part what names somebody from what may be dialled; the rest is neither."""
    recipients: list[str] = []
    dialled: list[str] = []
    for mailbox in shown:
        if mailbox is None:
            continue
        if who := reading.identity(mailbox):
            recipients.append(who)
        elif (keys := mailbox.dialled) is not None:
            dialled.append(keys)
    return recipients, dialled


def _originator(fields: _Fields, reading: Reading) -> str | None:
    """Return the identity of the only mailbox of the only From (RFC 6376 §8.15)."""
    value = _single(fields, "from")
    if not value:
        return None
    return reading.identity(addresses.parse(value, _SINGLE, reading.lexemes).single)


def _message_type(fields: _Fields) -> str:
    if len(fields.get("x-mms-message-type", ())) > 1:
        return SEVERAL
    return (_single(fields, "x-mms-message-type") or "").lower()


def _single(fields: _Fields, name: str) -> str | None:
    found = fields.get(name, ())
    return found[0] if len(found) == 1 else None


def _first(fields: _Fields, name: str) -> str:
    return fields.get(name, ("",))[0]


def _date(text: str | None) -> datetime | None:
    return None if text is None else _date_of(text)


@remembered(64)
def _date_of(text: str) -> datetime | None:
    """Read an RFC 5322 or HTTP date; one without a zone is UTC.

    It names seconds, and a relay has many messages in a second.
    """
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)


def _expiry(text: str | None, date: datetime | None) -> datetime | None:
    """Read ``X-Mms-Expiry``: seconds after Date, an HTTP date or an RFC 3339 one."""
    if text is None:
        return None
    if text.isascii() and text.isdigit():
        seconds = int(text) if len(text) < _DIGITS else _YEARS
        try:
            return date + timedelta(seconds=seconds) if date else None
        except OverflowError:
            return None
    try:
        expiry = datetime.fromisoformat(text)
    except ValueError:
        return _date(text)
    return expiry if expiry.tzinfo else expiry.replace(tzinfo=UTC)
