"""What is sent, what is tried against it, and what must come of each."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from stirmilter.demo import mms
from stirmilter.demo.laboratory import ONE_NUMBER, OTHER_NUMBER, TWO, Laboratory
from stirmilter.demo.mms import MMS
from stirmilter.mail.message import RawMessage

ALICE: Final = f"+{ONE_NUMBER}"
BOB: Final = "+13125550100"
CAROL: Final = "+13125550101"

_RESULT: Final = re.compile(
    r"stir=(?P<word>[a-z]+)\s+reason=(?P<reason>[a-z-]+).*"
    r"policy\.verdict=(?P<verdict>[a-z-]+)",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: what is expected, and how it is brought about."""

    title: str
    verdict: str
    reason: str
    body: str
    """``intact`` or ``changed``: what the receiver holds against what was written."""

    message: MMS
    act: Callable[[Laboratory, MMS], bytes]
    """Sends it, and returns the octets that the originator wrote."""

    copies: int = 1
    """Which copy of the message the row is about, when it arrives more than once."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the receiver saw."""

    verdict: str
    reason: str
    body: str
    saw: str
    received: bytes = b""


def rows() -> Iterator[Row]:
    """Yield the honest messages, then the attacks."""
    full, short = mms.body(), mms.body(video=False)

    def new(name: str, **changes: object) -> MMS:
        plain = MMS(name=name, sender=ALICE, to=(BOB,), body=short)
        return replace(plain, **changes)  # type: ignore[arg-type] # the fields of MMS

    good = "number-authenticated"
    yield Row(
        "photo and video, certificate of the number",
        good,
        "verified",
        "intact",
        new("video", body=full),
        Laboratory.send,
    )
    yield Row(
        "photo and video to two, certificate of a range",
        good,
        "verified",
        "intact",
        new("range", sender="+12025550150", cc=(CAROL,), body=full),
        Laboratory.send,
    )
    yield Row(
        "text in 8-bit UTF-8, certificate of the carrier",
        good,
        "verified",
        "intact",
        new("spc", sender="+13125550177"),
        Laboratory.send,
    )
    yield Row(
        "submitted by sendmail(1)",
        good,
        "verified",
        "intact",
        new("sendmail"),
        Laboratory.submit,
    )
    yield Row(
        "of a third operator, sent on by its recipient",
        good,
        "verified",
        "intact",
        new("sent-on", sender=f"+{OTHER_NUMBER}", to=(ALICE,)),
        _send_on,
    )
    yield Row(
        "from a number that no signer serves",
        "unauthenticated",
        "no-passport",
        "intact",
        new("unserved", sender="+14155550100"),
        Laboratory.send,
    )
    yield from _attacks(new)


def _attacks(new: Callable[..., MMS]) -> Iterator[Row]:
    def attack(
        title: str, reason: str, body: str, message: MMS, act: Callable[..., bytes]
    ) -> Row:
        return Row(f"attack: {title}", "failed", reason, body, message, act)

    yield attack("body changed", "body-altered", "changed", new("body"), _change_body)
    yield attack(
        "sender changed", "orig-mismatch", "intact", new("sender"), _change_sender
    )
    yield attack(
        "recipient changed", "dest-mismatch", "intact", new("rcpt"), _change_recipient
    )
    yield attack(
        "sent on by a stranger",
        "not-authorized",
        "intact",
        new("diverted"),
        _divert,
    )
    yield attack(
        "token moved to another message",
        "body-altered",
        "intact",
        new("moved", body=mms.body(video=False, greeting="Send me money.\n")),
        _move_token,
    )
    yield attack(
        "stale token",
        "stale",
        "intact",
        new("stale"),
        lambda lab, m: _forge(lab, m, "one", age=timedelta(days=2)),
    )
    yield attack(
        "certificate of another carrier's number",
        "not-authorized",
        "intact",
        new("other"),
        lambda lab, m: _forge(lab, m, "other"),
    )
    yield attack(
        "expired certificate",
        "credential-expired",
        "intact",
        new("expired"),
        lambda lab, m: _forge(lab, m, "expired"),
    )
    yield attack(
        "certificate of a root that nobody trusts",
        "credential-untrusted",
        "intact",
        new("untrusted"),
        lambda lab, m: _forge(lab, m, "untrusted"),
    )
    yield Row(
        "attack: replayed from elsewhere",
        "failed",
        "replayed",
        "intact",
        new("replay"),
        _replay,
        copies=2,
    )
    yield Row(
        "attack: x5u leads nowhere",
        "undetermined",
        "credential-unavailable",
        "intact",
        new("nowhere"),
        lambda lab, m: _forge(lab, m, "one", x5u="https://127.0.0.1:9/none.pem"),
    )
    yield Row(
        "attack: no PASSporT",
        "unauthenticated",
        "no-passport",
        "intact",
        new("bare"),
        _bare,
    )
    yield Row(
        "attack: no PASSporT, result forged",
        "unauthenticated",
        "no-passport",
        "intact",
        new(
            "forged",
            extra=(
                f"Authentication-Results: {TWO}; stir=pass reason=verified",
                f"Authentication-Results: (a)\t{TWO.upper()} 1; stir=pass",
                "Authentication-Results: ;",
            ),
        ),
        _bare,
    )


def play(lab: Laboratory, row: Row) -> Outcome:
    """Run one row and read what arrived at the second MMSC."""
    written = row.act(lab, row.message)
    octets = lab.received.wait(row.message.message_id, row.copies)
    if octets is None:
        return Outcome("-", "-", "-", "nothing arrived")
    arrived = RawMessage.parse(octets)
    results = [
        header.text
        for header in arrived.headers
        if header.named(("Authentication-Results",))
    ]
    match = _RESULT.search(results[0]) if len(results) == 1 else None
    if match is None:
        return Outcome("-", "-", "-", f"{len(results)} result fields", octets)
    same = arrived.body == RawMessage.parse(written).body
    tokens = sum(header.named(("PASSporT",)) for header in arrived.headers)
    return Outcome(
        match["verdict"],
        match["reason"],
        "intact" if same else "changed",
        f"stir={match['word']}, {tokens} PASSporT, {len(arrived.body)} octets"
        f" {'intact' if same else 'changed'}",
        octets,
    )


def _change_body(lab: Laboratory, message: MMS) -> bytes:
    octets = lab.capture(message)
    changed = octets.replace("heute früh".encode(), b"gestern Abend")
    lab.inject(message, changed)
    return octets


def _change_sender(lab: Laboratory, message: MMS) -> bytes:
    octets = lab.capture(message)
    lab.inject(
        message, octets.replace(f"From: {ALICE}".encode(), b"From: +12025550199")
    )
    return octets


def _change_recipient(lab: Laboratory, message: MMS) -> bytes:
    octets = lab.capture(message)
    changed = octets.replace(f"To: {BOB}".encode(), f"To: {CAROL}".encode())
    lab.inject(message, changed, replace(message, to=(CAROL,)).recipients)
    return octets


def _send_on(lab: Laboratory, message: MMS) -> bytes:
    octets = lab.forge(message, "other")
    lab.send_on(message, octets, replace(message, to=(BOB,)).recipients)
    return octets


def _divert(lab: Laboratory, message: MMS) -> bytes:
    octets = lab.divert(lab.capture(message), "other", CAROL)
    lab.inject(message, octets, replace(message, to=(CAROL,)).recipients)
    return octets


def _move_token(lab: Laboratory, message: MMS) -> bytes:
    donor = replace(message, name=f"{message.name}-donor", body=mms.body(video=False))
    octets = lab.capture(donor)
    field = re.search(rb"^PASSporT:.*?\r\n(?![ \t])", octets, re.DOTALL | re.MULTILINE)
    moved = (field[0] if field else b"") + message.octets(datetime.now(UTC))
    lab.inject(message, moved)
    return moved


def _forge(
    lab: Laboratory,
    message: MMS,
    signer: str,
    age: timedelta = timedelta(),
    x5u: str = "",
) -> bytes:
    octets = lab.forge(message, signer, age=age, x5u=x5u)
    lab.inject(message, octets)
    return octets


def _replay(lab: Laboratory, message: MMS) -> bytes:
    octets = lab.capture(message)
    lab.inject(message, octets)
    lab.received.wait(message.message_id)
    # The second time it has travelled further: a Received of the attacker on top.
    lab.inject(message, b"Received: from elsewhere.example\r\n" + octets)
    return octets


def _bare(lab: Laboratory, message: MMS) -> bytes:
    octets = message.octets(datetime.now(UTC))
    lab.inject(message, octets)
    return octets
