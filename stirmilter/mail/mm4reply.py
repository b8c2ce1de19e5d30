"""The answer to a rejected MM4_forward.REQ (3GPP TS 23.140 §8.4.1).

A rejection in SMTP reaches the relay that sent; this reaches the MMSC behind it. It
goes to an address that a stranger's message names, so it is only made of what cannot
break a header field, and for nobody who is not plainly an MMSC.

Deviation: the text of TS 23.140 was not at hand; names and values are those of the
programs that speak MM4.
"""

from __future__ import annotations

import hashlib
import re
from datetime import datetime
from email.utils import format_datetime
from typing import Final

from stirmilter.mail import addresses, message
from stirmilter.mail.mm4 import FORWARD_REQ, View
from stirmilter.mail.transaction import Submission

STATUS: Final = "Error-service-denied"

_LOCAL: Final = re.compile(
    r"(?=[^A-Za-z]*[A-Za-z])[A-Za-z0-9](?:[A-Za-z0-9._=+-]{0,62}[A-Za-z0-9])?"
)
_LABEL: Final = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_HOST: Final = re.compile(rf"(?=.{{4,253}}\Z){_LABEL}(?:\.{_LABEL})+")
_IDENTIFIER: Final = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]{0,253}[\x21-\x7e])?")
_VERSION: Final = re.compile(r"[0-9]{1,2}\.[0-9]{1,2}\.[0-9]{1,2}")
_DEFAULT_VERSION: Final = "6.3.0"


def reply(
    view: View, sender: str, system: str, text: str, now: datetime
) -> Submission | None:
    """Make the MM4_forward.RES of a rejected message, or None if it must have none.

    None for anything but a request that asks for one, from somebody who can be
    answered: never for an answer, nor for the null sender (no loops, RFC 3834 §2).

    Args:
        view: the header of the request.
        sender: argument of its MAIL FROM.
        system: our own address, as an MMSC.
        text: why, printable ASCII.
        now: aware time.
    """
    if view.message_type != FORWARD_REQ or not view.ack_request:
        return None
    if sender.strip() in ("", "<>"):
        return None
    recipient = system_address(view.originator_system)
    identifiers = view.transaction_id, view.mms_message_id
    if recipient is None or not all(map(_IDENTIFIER.fullmatch, identifiers)):
        return None
    version = view.version if _VERSION.fullmatch(view.version) else _DEFAULT_VERSION
    fields = {
        "From": system,
        "Sender": system,
        "To": recipient,
        "Date": format_datetime(now),
        "Message-ID": _message_id(view, system, now),
        "Auto-Submitted": "auto-replied",  # RFC 3834 §5
        "X-Mms-3GPP-MMS-Version": version,
        "X-Mms-Message-Type": "MM4_forward.RES",
        "X-Mms-Transaction-ID": view.transaction_id,
        "X-Mms-Message-ID": view.mms_message_id,
        "X-Mms-Request-Status-Code": STATUS,
        "X-Mms-Status-Text": text,
    }
    octets = b"".join(message.write_field(*field) for field in fields.items())
    return Submission(recipient, octets + b"\r\n")


def system_address(text: str) -> str | None:
    """Return the address of an MMSC, or None if it may be anything else.

    A plain local part with a letter in it, so no subscriber's number, and without a
    route (``%``, ``!``); and a host name.
    """
    mailbox = addresses.parse(text).single
    if mailbox is None:
        return None
    if not _LOCAL.fullmatch(mailbox.local) or ".." in mailbox.local:
        return None
    if not _HOST.fullmatch(mailbox.domain):
        return None
    return f"{mailbox.local}@{mailbox.domain}"


def _message_id(view: View, system: str, now: datetime) -> str:
    """Name the answer; the same request again, a moment later, is another answer."""
    seed = f"{view.transaction_id}\n{view.mms_message_id}\n{now.isoformat()}"
    digest = hashlib.sha256(seed.encode()).hexdigest()[:32]
    return f"<{digest}@{system.rpartition('@')[2]}>"
