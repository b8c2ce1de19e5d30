"""MMS through two real Postfix relays, those of the demonstration."""

import re
import smtplib
from datetime import UTC, datetime
from pathlib import Path

import pytest

from stirmilter.demo import daemons, postfix
from stirmilter.demo.acts import ALICE, BOB
from stirmilter.demo.daemons import short_folder
from stirmilter.demo.laboratory import Laboratory
from stirmilter.demo.mms import MMS
from stirmilter.demo.operators import ONE, TWO
from stirmilter.mail.message import RawMessage
from stirmilter.stir import identity, passport
from stirmilter.stir.msgi import digest_body
from stirmilter.stir.passport import Passport

pytestmark = pytest.mark.e2e


@pytest.mark.conformance("M-12", "O-03")
def test_what_postfix_would_wrap_or_recode_crosses_untouched(lab: Laboratory) -> None:
    """Long lines and 8-bit octets, which the shipped transport settings leave alone."""
    body = ("<smil>" + "ä" * 3000 + "</smil>\r\n").encode()
    message = MMS(name="long", sender=ALICE, to=(BOB,), body=body)

    lab.send(message)

    received = lab.received.wait(message.message_id)
    assert received is not None
    assert RawMessage.parse(received).body == body
    assert _words(received)[:2] == ["stir=pass", "reason=verified"]


@pytest.mark.conformance("M-11", "M-12")
def test_dots_and_transfer_encodings_are_digested_as_they_are(lab: Laboratory) -> None:
    """Dot-stuffing is SMTP's affair; quoted-printable and base64 are not decoded."""
    body = (
        b"--b\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
        b".\r\n..=2E\r\nfr=C3=BCh=\r\n er\r\n"
        b"--b\r\nContent-Transfer-Encoding: base64\r\n\r\nSGVsbG8=\r\n--b--\r\n"
    )
    message = MMS(name="dots", sender=ALICE, to=(BOB,), body=body)

    lab.send(message)

    received = lab.received.wait(message.message_id)
    assert received is not None
    assert RawMessage.parse(received).body == body
    claims = token_of(received).claims
    assert claims.msgi == digest_body(body).value()


@pytest.mark.conformance("A-21")
def test_a_milter_after_ours_sees_the_token(lab: Laboratory, tmp_path: Path) -> None:
    """And our DKIM signature over it; here that milter is a verifier of ours."""
    port = postfix.free_port()
    milters = (f"unix:{lab.folder}/one.sock", f"unix:{lab.folder}/after.sock")
    configuration = lab.folder / "after.toml"
    text = (lab.verifying).read_text()
    configuration.write_text(
        re.sub(r"sockets = .*", f'sockets = ["{milters[1]}"]', text)
    )
    message = MMS(name="after", sender=ALICE, to=(BOB,), body=b"Hello\r\n")
    with (
        short_folder() as folder,
        daemons.sink(port) as received,
        daemons.stirmilter(configuration, tmp_path / "log"),
        postfix.instance(
            Path(folder) / "p", name=ONE, milter=", ".join(milters), next_hop=port
        ) as relay,
        smtplib.SMTP("127.0.0.1", relay.port) as smtp,
    ):
        octets = message.octets(datetime.now(UTC))
        smtp.sendmail(message.mail_from, message.recipients, octets)
        arrived = received.wait(message.message_id)

    assert arrived is not None
    words = _words(arrived)
    assert words[:2] == ["stir=pass", "reason=verified"]
    assert "policy.verdict=authenticated" in words


@pytest.mark.conformance("V-10")
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


@pytest.mark.conformance("A-09", "V-05")
def test_a_recipient_in_the_envelope_alone_is_never_named(lab: Laboratory) -> None:
    """A Bcc is a secret: not in the token, and the verdict withholds the pass."""
    message = MMS(name="bcc", sender=ALICE, to=(BOB,), body=b"Hello\r\n")
    hidden = "+13125550177/TYPE=PLMN@mms.two.example"

    lab.send(message, [*message.recipients, hidden])

    received = lab.received.wait(message.message_id)
    assert received is not None
    assert token_of(received).claims.dest == (("tn", BOB.lstrip("+")),)
    assert _words(received)[:2] == ["stir=policy", "reason=dest-partial"]


@pytest.mark.conformance("O-08")
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


def token_of(octets: bytes) -> Passport:
    [value] = [
        header.text
        for header in RawMessage.parse(octets).headers
        if header.named(("PASSporT",))
    ]
    return passport.parse(identity.parse(value).token)


def _words(octets: bytes) -> list[str]:
    """Return the words of the field that holds our own result."""
    [result] = [
        header.text
        for header in RawMessage.parse(octets).headers
        if header.named(("Authentication-Results",)) and "stir=" in header.text
    ]
    return result.split()[1:]
