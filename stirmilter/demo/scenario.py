"""What is sent, what is tried against it, and what must come of each.

The rows stand in the order of the verdicts that are expected: all six occur.
"""

from __future__ import annotations

import smtplib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial

from stirmilter.demo import acts, mms, outcome
from stirmilter.demo.acts import ALICE, BOB, CAROL, DAVE
from stirmilter.demo.laboratory import Laboratory
from stirmilter.demo.mms import MMS
from stirmilter.demo.operators import THREE, THREE_ADDRESS, TWO
from stirmilter.demo.outcome import Seen

_NOWHERE = "https://127.0.0.1:9/none.pem"
_STRANGER = "+14155550100"  # operator one has no certificate for it


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: what is expected, and how it is brought about."""

    title: str
    expected: Seen
    message: MMS
    act: Callable[[Laboratory, MMS], bytes]
    """Sends it, and returns the octets that the originator wrote."""

    copies: int = 1
    """Which copy of the message the row is about, when it arrives more than once."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a row."""

    seen: Seen
    reply: str = ""
    """What relay two said, if it refused the message."""

    received: bytes = b""


def rows() -> Iterator[Row]:
    """Yield the rows, verdict by verdict."""
    yield from _authenticated()
    yield from _number_authenticated()
    yield from _domain_authenticated()
    yield from _unauthenticated()
    yield from _failed()
    yield Row(
        "attack: x5u leads nowhere",
        _seen("undetermined", "credential-unavailable", "fail none fail"),
        _mms("nowhere"),
        partial(acts.forge, signer="one", x5u=_NOWHERE),
    )


def play(lab: Laboratory, row: Row) -> Outcome:
    """Run one row, and read what became of it at the second operator."""
    name = row.message.message_id
    try:
        written = row.act(lab, row.message)
    except smtplib.SMTPDataError as error:
        said = error.smtp_error
        text = said.decode("ascii", "replace") if isinstance(said, bytes) else said
        reply = f"{error.smtp_code} {text}"
        return Outcome(outcome.refused(lab.journal, name), reply)
    octets = lab.received.wait(name, row.copies)
    if octets is None:
        return Outcome(Seen(verdict="nothing arrived"))
    return Outcome(outcome.received(octets, written), received=octets)


def _mms(name: str, **changes: object) -> MMS:
    plain = MMS(name=name, sender=ALICE, to=(BOB,), body=mms.body(video=False))
    return replace(plain, **changes)  # type: ignore[arg-type] # the fields of MMS


def _seen(
    verdict: str,
    stir: str,
    methods: str,
    action: str = "accept",
    body: str = "intact",
) -> Seen:
    """Say what is expected; `methods` are SPF, DKIM and DMARC."""
    spf, dkim, dmarc = methods.split()
    return Seen(
        verdict=verdict,
        stir=stir,
        spf=spf,
        dkim=dkim,
        dmarc=dmarc,
        action=action,
        body=body,
    )


def _authenticated() -> Iterator[Row]:
    good = _seen("authenticated", "verified", "pass pass pass")
    full = mms.body()
    yield Row(
        "photo and video, certificate of the number",
        good,
        _mms("video", body=full),
        Laboratory.send,
    )
    yield Row(
        "photo and video to two, certificate of a range",
        good,
        _mms("range", sender="+12025550150", cc=(CAROL,), body=full),
        Laboratory.send,
    )
    yield Row(
        "text in 8-bit UTF-8, certificate of the carrier",
        good,
        _mms("spc", sender="+13125550177"),
        Laboratory.send,
    )
    yield Row("submitted by sendmail(1)", good, _mms("sendmail"), Laboratory.submit)
    yield Row(
        "of operator three, sent on by its recipient",
        _seen("authenticated", "verified", "fail pass fail"),
        _mms("sent-on", sender=DAVE, origin=THREE, to=(ALICE,)),
        acts.send_on,
    )
    yield Row(
        "PASSporT of carrier one, DKIM of carrier three",
        replace(
            _seen("authenticated", "verified", "fail pass fail"),
            action="reject",
            body="-",
        ),
        _mms("taken-over", sender="+13125550177"),
        acts.take_over,
    )


def _number_authenticated() -> Iterator[Row]:
    def row(title: str, methods: str, name: str, act: Callable[..., bytes]) -> Row:
        return Row(
            title, _seen("number-authenticated", "verified", methods), _mms(name), act
        )

    yield row(
        "a hub dropped the DKIM signature", "fail none fail", "lost", acts.lose_dkim
    )
    yield row("a hub wrote into Subject", "fail fail fail", "hub", acts.mark_subject)
    yield row(
        "attack: Content-Type altered", "fail fail fail", "html", acts.show_as_html
    )
    yield row(
        "attack: that, and signed by attacker.example",
        "fail pass fail",
        "signed-html",
        partial(acts.show_as_html, domain="attacker.example"),
    )


def _domain_authenticated() -> Iterator[Row]:
    good = _seen("domain-authenticated", "no-passport", "pass pass pass")
    yield Row(
        "from a number without a certificate",
        good,
        _mms("unserved", sender=_STRANGER),
        Laboratory.send,
    )
    yield Row(
        "the sender's number is to be hidden",
        good,
        _mms("hidden", extra=("X-Mms-Sender-Visibility: Hide",)),
        Laboratory.send,
    )


def _unauthenticated() -> Iterator[Row]:
    nothing = _seen("unauthenticated", "no-passport", "fail none fail")
    yield Row("attack: no PASSporT", nothing, _mms("bare"), acts.bare)
    yield Row(
        "attack: no PASSporT, results forged",
        nothing,
        _mms(
            "forged",
            extra=(
                f"Authentication-Results: {TWO}; stir=pass reason=verified",
                f"Authentication-Results: (a)\t{TWO.upper()} 1; dkim=pass",
                "Authentication-Results: ;",
                "X-Stirmilter: authenticated",
            ),
        ),
        acts.bare,
    )
    yield Row(
        "attack: PASSporT taken out",
        replace(nothing, dkim="fail"),
        _mms("taken-out"),
        acts.take_token_out,
    )
    yield Row(
        "attack: Content-Type altered, from a strict peer",
        replace(nothing, stir="headers-unprotected", dkim="fail"),
        _mms("strict"),
        partial(acts.show_as_html, source=THREE_ADDRESS),
    )


def _failed() -> Iterator[Row]:
    def attack(
        title: str,
        reason: str,
        methods: str,
        message: MMS,
        act: Callable[..., bytes],
        *,
        body: str = "intact",
    ) -> Row:
        seen = _seen("failed", reason, methods, "tag", body)
        return Row(f"attack: {title}", seen, message, act)

    altered, alone = "fail fail fail", "fail none fail"
    yield attack(
        "body changed",
        "body-altered",
        altered,
        _mms("body"),
        acts.change_body,
        body="changed",
    )
    yield attack(
        "sender changed", "orig-mismatch", altered, _mms("sender"), acts.change_sender
    )
    yield attack(
        "recipient changed",
        "dest-mismatch",
        altered,
        _mms("rcpt"),
        acts.change_recipient,
    )
    yield attack(
        "sent on by a stranger",
        "not-authorized",
        altered,
        _mms("diverted"),
        acts.divert,
    )
    yield attack(
        "token moved to another message",
        "body-altered",
        alone,
        _mms("moved", body=mms.body(video=False, greeting="Send me money.\n")),
        acts.move_token,
    )
    yield attack(
        "stale token",
        "stale",
        alone,
        _mms("stale"),
        partial(acts.forge, signer="one", age=timedelta(days=2)),
    )
    for title, reason, signer in (
        ("certificate of another carrier's number", "not-authorized", "other"),
        ("expired certificate", "credential-expired", "expired"),
        ("certificate under an unknown root", "credential-untrusted", "untrusted"),
    ):
        act = partial(acts.forge, signer=signer)
        yield attack(title, reason, alone, _mms(signer), act)
    yield attack(
        "another's certificate, DKIM of one",
        "not-authorized",
        "pass pass pass",
        _mms("customer", sender=_STRANGER),
        acts.forge_as_customer,
    )
    yield replace(
        attack(
            "replayed from elsewhere",
            "replayed",
            "fail pass pass",
            _mms("replay"),
            acts.replay,
        ),
        copies=2,
    )
