"""MMS through two real Postfix relays; every row of the demonstration is a test."""

import smtplib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from stirmilter.demo import postfix
from stirmilter.demo.daemons import short_folder
from stirmilter.demo.laboratory import TWO, Laboratory, laboratory
from stirmilter.demo.mms import MMS
from stirmilter.demo.scenario import ALICE, BOB, Row, play, rows
from stirmilter.mail.message import RawMessage
from stirmilter.stir import identity, passport

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Laboratory]:
    with laboratory(tmp_path_factory.mktemp("logs")) as running:
        yield running


@pytest.mark.parametrize("row", [pytest.param(r, id=r.message.name) for r in rows()])
def test_row(lab: Laboratory, row: Row) -> None:
    outcome = play(lab, row)

    assert (outcome.verdict, outcome.reason, outcome.body) == (
        row.verdict,
        row.reason,
        row.body,
    ), outcome.saw


def test_what_postfix_would_wrap_or_recode_crosses_untouched(lab: Laboratory) -> None:
    """Long lines and 8-bit octets, which the shipped transport settings leave alone."""
    body = ("<smil>" + "ä" * 3000 + "</smil>\r\n").encode()
    message = MMS(name="long", sender=ALICE, to=(BOB,), body=body)

    lab.send(message)

    received = lab.received.wait(message.message_id)
    assert received is not None
    assert RawMessage.parse(received).body == body
    assert _words(received)[:2] == ["stir=pass", "reason=verified"]


def test_a_retry_of_the_same_delivery_is_no_replay(lab: Laboratory) -> None:
    """A client that lost our reply sends the same octets again."""
    message = MMS(name="retry", sender=ALICE, to=(BOB,), body=b"Hello\r\n")
    octets = lab.capture(message)

    lab.inject(message, octets)
    lab.inject(message, octets)

    again = lab.received.wait(message.message_id, count=2)
    assert again is not None
    assert _words(again)[:2] == ["stir=pass", "reason=verified"]


def test_equal_messages_of_one_second_are_no_replays(lab: Laboratory) -> None:
    """Same numbers, same body, same second: each has a signature of its own."""
    messages = [
        MMS(name=f"equal-{n}", sender=ALICE, to=(BOB,), body=b"Hello\r\n")
        for n in range(5)
    ]

    for message in messages:
        lab.send(message)

    for message in messages:
        received = lab.received.wait(message.message_id)
        assert received is not None
        assert _words(received)[:2] == ["stir=pass", "reason=verified"]


def test_a_recipient_in_the_envelope_alone_is_never_named(lab: Laboratory) -> None:
    """A Bcc is a secret: not in the token, and the verdict withholds the pass."""
    message = MMS(name="bcc", sender=ALICE, to=(BOB,), body=b"Hello\r\n")
    hidden = "+13125550177/TYPE=PLMN@mms.two.example"

    lab.send(message, [*message.recipients, hidden])

    received = lab.received.wait(message.message_id)
    assert received is not None
    [value] = [
        header.text
        for header in RawMessage.parse(received).headers
        if header.named(("PASSporT",))
    ]
    claims = passport.parse(identity.parse(value).token).claims
    assert claims.dest == (("tn", BOB.lstrip("+")),)
    assert _words(received)[:2] == ["stir=policy", "reason=dest-partial"]


def test_without_a_verdict_nothing_is_lost(lab: Laboratory, tmp_path: Path) -> None:
    """The relay whose milter is down answers 451, as the shipped settings say."""
    with (
        short_folder() as folder,
        postfix.instance(
            Path(folder) / "p",
            name=TWO,
            milter=f"unix:{tmp_path}/nobody.sock",
            next_hop=lab.two.port,
        ) as relay,
        smtplib.SMTP("127.0.0.1", relay.port) as smtp,
        pytest.raises(smtplib.SMTPException) as refused,
    ):
        smtp.sendmail("a@one.example", ["b@two.example"], "Subject: x\r\n\r\nx\r\n")

    assert "451" in str(refused.value)
    assert "4.7.1 Service unavailable" in str(refused.value)


def test_the_demonstration_prints_its_table_and_keeps_the_messages(
    tmp_path: Path,
) -> None:
    out = tmp_path / "out"

    done = subprocess.run(
        [sys.executable, "-m", "stirmilter", "demo", "--out", out],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    _, table, last = done.stdout.split("\n\n")
    head, *lines = table.splitlines()
    assert " ".join(head.split()) == "message file verdict reason what the receiver saw"
    assert len(lines) == len(list(rows()))
    assert last.startswith("all as expected; ")
    names = {path.stem for path in (out / "received").iterdir()}
    assert names == {row.message.name for row in rows()}


def _words(octets: bytes) -> list[str]:
    [result] = [
        header.text
        for header in RawMessage.parse(octets).headers
        if header.named(("Authentication-Results",))
    ]
    return result.split()[1:]
