"""What this version does where it does not yet do what it should.

docs/conformance.md gives the reasons. Whoever makes one of these tests fail has
probably built what it says is missing: the row of the page then changes too.
"""

from ipaddress import ip_address

import pytest

from stirmilter.mail.transaction import Connection
from tests.mail.mails import PLAIN, Make, mail, result_field


@pytest.mark.conformance("M-13")
@pytest.mark.parametrize(
    "body",
    [
        pytest.param("früh\r\n".encode(), id="8-bit"),
        pytest.param(b"x" * 999 + b"\r\n", id="long-line"),
        pytest.param(b"one\rtwo\r\n", id="bare-cr"),
        pytest.param(b"one\ntwo\r\n", id="bare-lf"),
        pytest.param(b"one\x00two\r\n", id="nul"),
    ],
)
def test_a_body_that_relays_rewrite_is_signed_without_a_word(
    make: Make, body: bytes
) -> None:
    event = make().decide(mail(*PLAIN, body=body)).event

    assert (event.outcome, event.reason, event.detail) == ("signed", "signed", "")


@pytest.mark.conformance("M-14")
@pytest.mark.parametrize("body", [b"", b"Hello", b"Hello\r\n\r\n", b"\r\n"])
def test_a_body_with_an_odd_end_is_signed_without_a_word(
    make: Make, body: bytes
) -> None:
    event = make().decide(mail(*PLAIN, body=body)).event

    assert (event.outcome, event.reason, event.detail) == ("signed", "signed", "")


@pytest.mark.conformance("V-18")
@pytest.mark.parametrize("client", ["198.51.100.1", "203.0.113.9"])
def test_mail_without_a_token_is_delivered_whoever_sends_it(
    make: Make, client: str
) -> None:
    connection = Connection(client=ip_address(client))

    decision = make().decide(mail(*PLAIN, connection=connection))

    assert (decision.action, decision.event.reason) == ("accept", "no-passport")
    assert "stir=none" in result_field(decision)
