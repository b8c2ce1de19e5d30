"""What of a header counts, what does not, and what is left alone."""

from dataclasses import replace

import pytest

from stirmilter.stir.msgi import digest_body
from stirmilter.testca import TestCA
from tests.laboratory import BODY, NOW
from tests.mail.mails import (
    OURS,
    PLAIN,
    STRANGER,
    US,
    Make,
    delivered,
    mail,
    result_field,
    signed,
    token,
)

ARC = (
    f"ARC-Seal: i=1; a=rsa-sha256; d={US}; s=s; cv=none; b=AAAA",
    f"ARC-Message-Signature: i=1; a=rsa-sha256; d={US}; s=s; h=from; bh=AAAA; b=AAAA",
    f"ARC-Authentication-Results: i=1; {US}; stir=pass",
)


@pytest.mark.conformance("M-19")
def test_no_other_header_field_changes_the_digest(make: Make) -> None:
    mail_filter = make()

    for text in ("text/plain", "text/html; charset=utf-7"):
        sent = mail(*PLAIN, f"Content-Type: {text}")
        digester = mail_filter.prepare(OURS, sent.recipients, sent.headers).digester
        digester.update(BODY)
        decision = mail_filter.decide(replace(sent, body=digester.finish()))
        assert token(decision).claims.msgi == digest_body(BODY).value()


@pytest.mark.conformance("M-19")
@pytest.mark.parametrize("name", ["Content-Type", "Content-Transfer-Encoding"])
def test_a_pass_vouches_for_no_header_field(make: Make, name: str) -> None:
    """It passes under another one, and is therefore called no more than it is."""
    sent = mail(*PLAIN, f"{name}: one")
    received = delivered(make().decide(sent), sent)
    others = tuple(
        header._replace(value=b" another") if header.named((name,)) else header
        for header in received.headers
    )

    decision = make().decide(replace(received, headers=others))

    assert others != received.headers
    assert "stir=pass reason=verified" in result_field(decision)
    assert "policy.verdict=number-authenticated" in result_field(decision)


@pytest.mark.conformance("A-11")
@pytest.mark.parametrize(
    "date",
    ["Wed, 31 Dec 2025 12:00:00 +0000", "Fri, 02 Jan 2026 12:04:00 +0000"],
    ids=["earlier", "later"],
)
def test_iat_is_our_own_time_whatever_date_says(make: Make, date: str) -> None:
    claims = token(make().decide(mail(*PLAIN, f"Date: {date}"))).claims

    assert claims.iat == int(NOW.timestamp())


@pytest.mark.conformance("V-11")
def test_a_date_far_from_iat_is_noted_and_costs_no_pass(ca: TestCA, make: Make) -> None:
    date = "Date: Fri, 02 Jan 2026 11:00:00 +0000"
    received = mail(*PLAIN, date, signed(ca), connection=STRANGER)

    _, judged = make().verify(received, NOW)

    assert judged.found.result.passed
    assert judged.found.result.notes == ("iat is 3600 s after Date",)


@pytest.mark.conformance("E-18")
@pytest.mark.parametrize("outgoing", [True, False], ids=["outgoing", "incoming"])
def test_arc_sets_are_neither_made_nor_touched(
    ca: TestCA, make: Make, outgoing: bool
) -> None:
    lines = PLAIN if outgoing else (*PLAIN, signed(ca))

    decision = make().decide(
        mail(*ARC, *lines, connection=OURS if outgoing else STRANGER)
    )

    assert decision.event.reason == ("signed" if outgoing else "verified")
    assert decision.remove == ()
    assert not any(name.lower().startswith("arc-") for name, _ in decision.insert)
