"""Mail of those who are not written as +E164: mail addresses, national numbers, codes.

Both are off until an operator turns them on, and national numbers are completed in what
we sign alone: no verifier knows what a stranger's network dials.
"""

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Final

import pytest

from stirmilter import log
from stirmilter.mail.filter import MailFilter
from stirmilter.mail.mm4 import Reading
from stirmilter.mail.transaction import Decision
from stirmilter.services import AuthenticationService
from stirmilter.testca import TestCA
from tests import laboratory
from tests.laboratory import ALICE, BOB, NOW
from tests.mail.mails import (
    FROM,
    POLICY,
    STRANGER,
    TO,
    delivered,
    mail,
    result_field,
    signed,
    token,
)
from tests.services.forwarders import signer
from tests.services.hosts import FROM_MAIL, HOST, TO_MAIL, with_hosts
from tests.services.world import World

OFF: Final = Reading()
ON: Final = Reading(uris=True)
AMERICAN: Final = Reading(country="US")
MAILED: Final = (f"From: Alice <alice@{HOST}>", "To: bob@B.example")
"""A mail in which nobody has a number."""

Filter = Callable[..., MailFilter]


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> World:
    return with_hosts(tmp_path_factory.mktemp("hosts"))


@pytest.fixture
def make(there: World) -> Filter:
    """Make a filter whose signer has a number and a host."""

    def make(ours: Reading = OFF, theirs: Reading = OFF) -> MailFilter:
        one = signer(there, "host-and-number", ALICE, domains=(HOST,))
        return MailFilter(
            policy=replace(POLICY, ours=ours, theirs=theirs),
            authentication=AuthenticationService([one]),
            verification=there.verifier(),
            clock=lambda: NOW,
        )

    return make


@pytest.fixture
def ours(ca: TestCA) -> Filter:
    """Make a filter whose signer holds Alice's number alone, under the test CA."""

    def ours(ours: Reading = OFF, theirs: Reading = OFF) -> MailFilter:
        patterns = (f"+{ALICE}", "*123")
        return MailFilter(
            policy=replace(POLICY, ours=ours, theirs=theirs),
            authentication=AuthenticationService(
                [laboratory.signer(ca, "spc", patterns)]
            ),
            verification=laboratory.verifier(ca),
            clock=lambda: NOW,
        )

    return ours


def outcome(decision: Decision) -> tuple[str, str]:
    return decision.event.outcome, decision.event.reason


# Mail addresses


@pytest.mark.conformance("A-22")
def test_mail_addresses_are_nobody_by_default(make: Filter) -> None:
    decision = make().decide(mail(*MAILED, recipients=("<bob@b.example>",)))

    assert outcome(decision) == ("unsigned", "no-originator")
    assert decision.event.orig is None


@pytest.mark.conformance("A-22")
def test_mail_addresses_are_signed_for_when_turned_on(make: Filter) -> None:
    decision = make(ours=ON).decide(mail(*MAILED, recipients=("<bob@b.example>",)))

    claims = token(decision).claims
    assert claims.raw["orig"] == {"uri": FROM_MAIL}
    assert claims.raw["dest"] == {"uri": [TO_MAIL]}


@pytest.mark.parametrize(
    ("theirs", "expected"),
    [
        pytest.param(OFF, ("failed", "orig-mismatch"), id="off"),
        pytest.param(ON, ("number-authenticated", "verified"), id="on"),
    ],
)
def test_a_verifier_believes_mail_addresses_when_turned_on(
    make: Filter, theirs: Reading, expected: tuple[str, str]
) -> None:
    sent = mail(*MAILED, recipients=("<bob@b.example>",))
    signing = make(ours=ON).decide(sent)

    decision = make(theirs=theirs).decide(delivered(signing, sent))

    assert outcome(decision) == expected
    assert ("policy.tn-authority=domain" in result_field(decision)) is (theirs == ON)


@pytest.mark.parametrize(
    ("lines", "recipients", "dest"),
    [
        pytest.param((TO, "Cc: b@b.ex"), (BOB,), {"uri": ["mailto:b@b.ex"]}, id="cc"),
        pytest.param((TO,), (BOB, "b@b.ex"), {}, id="bcc-stays-a-secret"),
        pytest.param((TO,), ("b@b.ex",), {"uri": ["mailto:b@b.ex"]}, id="sole-one"),
    ],
)
def test_mail_addresses_are_named_where_numbers_would_be(
    make: Filter,
    lines: tuple[str, ...],
    recipients: tuple[str, ...],
    dest: dict[str, list[str]],
) -> None:
    paths = tuple(f"<{'' if '@' in one else '+'}{one}>" for one in recipients)

    decision = make(ours=ON).decide(mail(FROM, *lines, recipients=paths))

    assert token(decision).claims.raw["dest"] == {"tn": [BOB], **dest}
    assert token(decision).claims.raw["orig"] == {"tn": ALICE}


def test_mail_addresses_in_dest_do_no_harm_to_a_verifier_without(make: Filter) -> None:
    sent = mail(FROM, TO, f"Cc: b@{HOST}")
    signing = make(ours=ON).decide(sent)

    decision = make().decide(delivered(signing, sent))

    assert outcome(decision) == ("number-authenticated", "verified")


@pytest.mark.parametrize(
    ("theirs", "reason"),
    [
        pytest.param(OFF, "verified", id="not-looked-at-while-off"),
        pytest.param(ON, "dest-partial", id="must-be-named-while-on"),
    ],
)
def test_a_mail_address_that_a_message_shows(
    make: Filter, theirs: Reading, reason: str
) -> None:
    sent = mail(FROM, TO, "Cc: b@b.example")
    signing = make().decide(sent)

    decision = make(theirs=theirs).decide(delivered(signing, sent))

    assert decision.event.reason == reason


@pytest.mark.parametrize(
    "sender",
    [
        pytest.param(f"bob@{HOST}", id="somebody-else-there"),
        pytest.param(f"Alice@{HOST}", id="in-capitals"),
        pytest.param(f"+{ALICE}@{HOST}", id="the-number-there"),
        pytest.param(f"alice@x.{HOST}", id="a-host-below"),
    ],
)
def test_another_mail_address_is_somebody_else(make: Filter, sender: str) -> None:
    sent = mail(*MAILED, recipients=("<bob@b.example>",))
    moved = delivered(make(ours=ON).decide(sent), sent)
    headers = [h for h in moved.headers if h.name != "From"]
    stolen = mail(f"From: {sender}", recipients=sent.recipients)
    forged = replace(moved, headers=(*headers, *stolen.headers))

    decision = make(theirs=ON).decide(forged)

    assert outcome(decision) == ("failed", "orig-mismatch")


def test_the_log_hides_who_sent_a_mail(
    make: Filter, caplog: pytest.LogCaptureFixture
) -> None:
    event = make(ours=ON).decide(mail(*MAILED, recipients=("<bob@b.ex>",))).event

    with caplog.at_level(logging.INFO, log.logger.name):
        log.handled()(event)

    assert f"orig=mailto:xxxx@{HOST}" in caplog.text
    assert "alice" not in caplog.text.lower()


# National numbers and service codes


@pytest.mark.conformance("A-05")
@pytest.mark.parametrize(
    "sender",
    [
        pytest.param("2025550123", id="without-the-country"),
        pytest.param("12025550123", id="without-the-plus"),
        pytest.param("2025550123/TYPE=PLMN@mms.example", id="as-mm4-writes-it"),
        pytest.param("01112025550123", id="as-dialled-abroad"),
    ],
)
def test_national_numbers_are_completed_in_what_we_sign(
    ours: Filter, sender: str
) -> None:
    sent = mail(f"From: {sender}", "To: 3125550100", recipients=("<3125550100>",))

    claims = token(ours(ours=AMERICAN).decide(sent)).claims

    assert claims.raw["orig"] == {"tn": ALICE}
    assert claims.raw["dest"] == {"tn": [BOB]}
    assert ours().decide(sent).event.reason == "no-originator"


def test_national_numbers_are_nobody_to_a_verifier(ca: TestCA, ours: Filter) -> None:
    """Not even to one that completes them in what it signs."""
    sent = mail(signed(ca), "From: 2025550123", TO, connection=STRANGER)

    decision = ours(ours=AMERICAN).decide(sent)

    assert outcome(decision) == ("failed", "orig-mismatch")


def test_national_recipients_are_nobody_to_a_verifier(ca: TestCA, ours: Filter) -> None:
    header, path = (signed(ca), FROM, "To: 3125550100"), ("<3125550100>",)
    sent = mail(*header, recipients=path, connection=STRANGER)

    decision = ours(ours=AMERICAN).decide(sent)

    assert outcome(decision) == ("failed", "dest-mismatch")


@pytest.mark.conformance("V-06")
@pytest.mark.parametrize(
    "shown",
    ["3125550100/TYPE=PLMN", "13125550100@mms.example", "01113125550100", "5550100"],
)
def test_a_national_recipient_is_the_one_that_its_signer_completed(
    ours: Filter, shown: str
) -> None:
    sent = mail(FROM, f"To: {shown}")
    decision = ours(ours=AMERICAN).decide(sent)

    assert token(decision).claims.raw["dest"] == {"tn": [BOB]}
    assert ours().decide(delivered(decision, sent)).event.reason == "verified"


@pytest.mark.parametrize(
    "sender",
    [
        pytest.param("12345", id="short-code"),
        pytest.param("911", id="emergency"),
        pytest.param("1025550123", id="no-such-area"),
        pytest.param("442079460000", id="of-another-country"),
        pytest.param("202-555-0123", id="hyphens"),
        pytest.param("\uff12025550123", id="fullwidth-digit"),
        pytest.param("202555012\u0663", id="arabic-indic-digit"),
    ],
)
def test_what_the_country_does_not_assign_is_nobody(ours: Filter, sender: str) -> None:
    decision = ours(ours=AMERICAN).decide(mail(f"From: {sender}", TO))

    assert outcome(decision) == ("unsigned", "no-originator")


def test_a_number_is_no_mail_address_while_both_are_on(make: Filter) -> None:
    """A short code at our own host would be signed for as a URI."""
    both = Reading(country="US", uris=True)

    decision = make(ours=both).decide(mail(f"From: 12345@{HOST}", TO))

    assert outcome(decision) == ("unsigned", "no-originator")


@pytest.mark.parametrize(
    ("sender", "orig"),
    [
        pytest.param("*123/TYPE=PLMN", "*123", id="with-its-type"),
        pytest.param("*123", None, id="without"),
        pytest.param("123/TYPE=PLMN", None, id="a-short-code"),
    ],
)
def test_service_codes_are_signed_for_as_they_are_dialled(
    ours: Filter, sender: str, orig: str | None
) -> None:
    decision = ours().decide(mail(f"From: {sender}", TO))

    assert decision.event.orig == orig
    assert bool(decision.insert) is (orig is not None)
