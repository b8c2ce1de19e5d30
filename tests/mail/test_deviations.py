"""What this version does where it does not yet do what it should.

docs/conformance.md gives the reasons. Whoever makes one of these tests fail has
probably built what it says is missing: the row of the page then changes too.
"""

from dataclasses import replace
from ipaddress import ip_address

import pytest

from stirmilter.mail.survival.hazards import BodyHazards
from stirmilter.mail.transaction import Connection
from tests.mail.mails import PLAIN, Make, mail, result_field


def hazards_told(make: Make, body: bytes) -> tuple[str, ...]:
    """Sign a body, looked at as it streams in, and return what its line tells of it."""
    looked = BodyHazards()
    looked.update(body)
    transaction = replace(mail(*PLAIN, body=body), hazards=looked.finish())

    event = make().decide(transaction).event

    assert (event.outcome, event.reason) == ("signed", "signed")
    return event.hazards


@pytest.mark.conformance("M-13")
@pytest.mark.parametrize(
    ("body", "told"),
    [
        pytest.param("früh\r\n".encode(), ("8bit",), id="8-bit"),
        pytest.param(b"x" * 999 + b"\r\n", ("long-lines",), id="long-line"),
        pytest.param(b"one\x00two\r\n", ("binary",), id="nul"),
        pytest.param(b"one\rtwo\r\n", (), id="bare-cr"),
        pytest.param(b"one\ntwo\r\n", (), id="bare-lf"),
    ],
)
def test_what_relays_rewrite_is_told_except_cr_and_lf_apart_in_text(
    make: Make, body: bytes, told: tuple[str, ...]
) -> None:
    assert hazards_told(make, body) == told


@pytest.mark.conformance("M-14")
@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"Hello", ("no-final-newline",)),
        (b"", ()),
        (b"Hello\r\n\r\n", ()),
        (b"\r\n", ()),
    ],
)
def test_a_missing_line_end_is_told_and_empty_lines_at_the_end_are_not(
    make: Make, body: bytes, told: tuple[str, ...]
) -> None:
    assert hazards_told(make, body) == told


@pytest.mark.conformance("V-18")
@pytest.mark.parametrize("client", ["198.51.100.1", "203.0.113.9"])
def test_mail_without_a_token_is_delivered_whoever_sends_it(
    make: Make, client: str
) -> None:
    connection = Connection(client=ip_address(client))

    decision = make().decide(mail(*PLAIN, connection=connection))

    assert (decision.action, decision.event.reason) == ("accept", "no-passport")
    assert "stir=none" in result_field(decision)
