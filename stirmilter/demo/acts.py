"""How each row of the table is brought about: what people on the way do to a message.

Each act returns the octets that the originator wrote, honest or not.
"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

from stirmilter.demo import mms
from stirmilter.demo.laboratory import Laboratory
from stirmilter.demo.mms import MMS
from stirmilter.demo.operators import (
    ATTACKER,
    HUB,
    ONE_NUMBER,
    OTHER_NUMBER,
    THREE_ADDRESS,
)

ALICE: Final = f"+{ONE_NUMBER}"
BOB: Final = "+13125550100"
CAROL: Final = "+13125550101"
DAVE: Final = f"+{OTHER_NUMBER}"
_DKIM: Final = "DKIM-Signature"
_KIND: Final = b"Content-Type: multipart/related;"


def send_on(lab: Laboratory, message: MMS) -> bytes:
    """Have relay one send on what a number of its own got from operator three."""
    octets = lab.forge(message, "other")
    lab.send_on(message, octets, replace(message, to=(BOB,)).recipients)
    return octets


def lose_dkim(lab: Laboratory, message: MMS) -> bytes:
    """Have a hub drop the DKIM signature."""
    octets = lab.capture(message)
    lab.inject(message, _without(_DKIM, octets), source=HUB)
    return octets


def mark_subject(lab: Laboratory, message: MMS) -> bytes:
    """Have a hub write into Subject."""
    octets = lab.capture(message)
    marked = octets.replace(b"Subject: ", b"Subject: [hub] ", 1)
    lab.inject(message, marked, source=HUB)
    return octets


def show_as_html(
    lab: Laboratory, message: MMS, source: str = ATTACKER, domain: str = ""
) -> bytes:
    """Alter Content-Type, and sign that anew as a domain, if any is given."""
    octets = lab.capture(message)
    altered = octets.replace(_KIND, b"Content-Type: text/html;", 1)
    if domain:
        altered = lab.signed_by(domain, _without(_DKIM, altered))
    lab.inject(message, altered, source=source)
    return octets


def take_over(lab: Laboratory, message: MMS) -> bytes:
    """Have operator three put its DKIM signature in the place of operator one's."""
    octets = lab.capture(message)
    theirs = lab.signed_by("three.example", _without(_DKIM, octets))
    lab.inject(message, theirs, source=THREE_ADDRESS)
    return octets


def take_token_out(lab: Laboratory, message: MMS) -> bytes:
    """Take the PASSporT out."""
    octets = lab.capture(message)
    lab.inject(message, _without("PASSporT", octets))
    return octets


def change_body(lab: Laboratory, message: MMS) -> bytes:
    """Change a word of the text."""
    octets = lab.capture(message)
    changed = octets.replace("heute früh".encode(), b"gestern Abend")
    lab.inject(message, changed)
    return octets


def change_sender(lab: Laboratory, message: MMS) -> bytes:
    """Change From."""
    octets = lab.capture(message)
    lab.inject(
        message, octets.replace(f"From: {ALICE}".encode(), b"From: +12025550199")
    )
    return octets


def change_recipient(lab: Laboratory, message: MMS) -> bytes:
    """Change To, and the envelope."""
    octets = lab.capture(message)
    changed = octets.replace(f"To: {BOB}".encode(), f"To: {CAROL}".encode())
    lab.inject(message, changed, replace(message, to=(CAROL,)).recipients)
    return octets


def divert(lab: Laboratory, message: MMS) -> bytes:
    """Send a message on with a certificate of another number than it was sent to."""
    octets = lab.divert(lab.capture(message), "other", CAROL)
    lab.inject(message, octets, replace(message, to=(CAROL,)).recipients)
    return octets


def move_token(lab: Laboratory, message: MMS) -> bytes:
    """Put the token of one message on another."""
    donor = replace(message, name=f"{message.name}-donor", body=mms.body(video=False))
    field = _field("PASSporT").search(lab.capture(donor))
    moved = (field[0] if field else b"") + message.octets(datetime.now(UTC))
    lab.inject(message, moved)
    return moved


def forge(
    lab: Laboratory,
    message: MMS,
    signer: str,
    age: timedelta = timedelta(),
    x5u: str = "",
) -> bytes:
    """Sign with somebody's key, outside any relay."""
    octets = lab.forge(message, signer, age=age, x5u=x5u)
    lab.inject(message, octets)
    return octets


def forge_as_customer(lab: Laboratory, message: MMS) -> bytes:
    """Give relay one a message that has a token of another's certificate."""
    octets = lab.forge(message, "other")
    lab.send_on(message, octets, message.recipients)
    return octets


def replay(lab: Laboratory, message: MMS) -> bytes:
    """Deliver a message again, from elsewhere."""
    octets = lab.capture(message)
    lab.inject(message, octets)
    lab.received.wait(message.message_id)
    # The second time it has travelled further: a Received of the attacker on top.
    lab.inject(message, b"Received: from elsewhere.example\r\n" + octets)
    return octets


def bare(lab: Laboratory, message: MMS) -> bytes:
    """Deliver a message with nothing that proves anything."""
    octets = message.octets(datetime.now(UTC))
    lab.inject(message, octets)
    return octets


def _without(name: str, octets: bytes) -> bytes:
    """Drop the first field of a name."""
    return _field(name).sub(b"", octets, count=1)


def _field(name: str) -> re.Pattern[bytes]:
    pattern = rb"^%s:.*?\r\n(?![ \t])" % name.encode()
    return re.compile(pattern, re.DOTALL | re.MULTILINE)
