"""A mail that somebody of ours sends on: its ``div`` token, and what becomes of it."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

import pytest

from stirmilter.events import Handled
from stirmilter.mail.filter import MailFilter
from stirmilter.mail.mailpolicy import MailPolicy
from stirmilter.mail.report import as_json
from stirmilter.mail.transaction import Decision, Transaction
from stirmilter.services import AuthenticationService, VerificationPolicy
from stirmilter.testca import TestCA
from tests import laboratory
from tests.laboratory import ALICE, BOB, CAROL, NOW
from tests.mail.mails import (
    FROM,
    POLICY,
    REQ,
    STRANGER,
    TO,
    delivered,
    mail,
    result_field,
    signed,
    token,
)

DAVE: Final = "13125550102"
DIVERTS: Final = replace(POLICY, divert=True)

Filter = Callable[..., MailFilter]


@pytest.fixture
def make(ca: TestCA) -> Filter:
    """Make the filter of Bob's operator, whose certificate names its carrier."""

    def make(
        *numbers: str,
        policy: MailPolicy = DIVERTS,
        name: str = "spc",
        clock: Callable[[], datetime] = lambda: NOW,
        passports: int = 8,
    ) -> MailFilter:
        patterns = tuple(f"+{number}" for number in numbers or (BOB,))
        return MailFilter(
            policy=policy,
            authentication=AuthenticationService(
                [laboratory.signer(ca, name, patterns)]
            ),
            verification=laboratory.verifier(
                ca, VerificationPolicy(passports=passports)
            ),
            clock=clock,
        )

    return make


def forwarded(ca: TestCA, *recipients: str, lines: Sequence[str] = ()) -> Transaction:
    """Make the mail that Alice sent to Bob, as it leaves Bob's MMSC for others."""
    header = lines or (signed(ca), FROM, TO, REQ)
    paths = tuple(f"<+{number}@mms.example>" for number in recipients or (CAROL,))
    return mail(*header, recipients=paths)


def outcome(decision: Decision) -> tuple[str, str, str]:
    event = decision.event
    return event.outcome, event.reason, decision.action


def test_who_sends_on_to_a_sole_recipient_says_so(ca: TestCA, make: Filter) -> None:
    decision = make().decide(forwarded(ca))

    assert token(decision).claims.raw == {
        "dest": {"tn": [CAROL]},
        "div": {"tn": BOB},
        "iat": int(NOW.timestamp()),
        "orig": {"tn": ALICE},
    }
    assert decision.event == Handled(
        "out", "signed", "diverted", "", ALICE, signer="spc"
    )


@pytest.mark.conformance("A-23", "H-09")
def test_the_token_that_came_stays(ca: TestCA, make: Filter) -> None:
    """RFC 8946 §4.1: without it, the new one means nothing."""
    decision = make().decide(forwarded(ca))

    assert decision.remove == ()


def test_the_field_says_that_it_is_a_diversion(ca: TestCA, make: Filter) -> None:
    [(_, value)] = make().decide(forwarded(ca)).insert

    assert value.replace("\n ", "").endswith(";ppt=div")


@pytest.mark.conformance("A-23", "V-19")
def test_what_was_sent_on_passes_at_the_new_recipients_operator(
    ca: TestCA, make: Filter
) -> None:
    """To still names Bob, as a forwarding MMSC leaves it."""
    sent = forwarded(ca)

    arrived = make().decide(delivered(make().decide(sent), sent))

    assert outcome(arrived) == ("number-authenticated", "verified", "accept")
    assert f"header.orig={ALICE} header.ppt=msg" in result_field(arrived)
    assert "policy.diversions=1" in result_field(arrived)
    assert CAROL not in result_field(arrived)
    assert BOB not in result_field(arrived)


def test_what_was_sent_on_without_a_word_fails(ca: TestCA, make: Filter) -> None:
    sent = replace(forwarded(ca), connection=STRANGER)

    assert outcome(make().decide(sent)) == ("failed", "dest-mismatch", "accept")


@pytest.mark.conformance("A-23")
def test_only_who_turned_it_on_diverts(ca: TestCA, make: Filter) -> None:
    decision = make(policy=POLICY).decide(forwarded(ca))

    assert decision.insert == ()
    assert outcome(decision) == ("unsigned", "no-signer", "accept")
    assert not POLICY.divert, "off by default"


@pytest.mark.conformance("A-09")
@pytest.mark.parametrize(
    ("recipients", "lines", "dest"),
    [
        pytest.param((CAROL, DAVE), (), None, id="two-in-the-envelope-alone"),
        pytest.param((BOB, CAROL), (), None, id="one-of-them-in-to"),
        pytest.param((DAVE, CAROL), (f"Cc: +{CAROL}",), [CAROL], id="one-in-cc"),
        pytest.param((CAROL,), (f"Cc: +{DAVE}",), [CAROL, DAVE], id="a-sole-one"),
        pytest.param((CAROL, DAVE), (f"Bcc: +{CAROL}",), None, id="bcc-is-no-leave"),
    ],
)
def test_who_stands_in_the_envelope_among_others_is_never_named(
    ca: TestCA,
    make: Filter,
    recipients: tuple[str, ...],
    lines: tuple[str, ...],
    dest: list[str] | None,
) -> None:
    """RFC 4356: a Bcc is a secret, also of one who sends a message on."""
    sent = forwarded(ca, *recipients, lines=(signed(ca), FROM, TO, *lines))

    decision = make().decide(sent)

    if dest is None:
        assert outcome(decision) == ("unsigned", "no-signer", "accept")
    else:
        assert token(decision).claims.raw["dest"] == {"tn": dest}


@pytest.mark.conformance("H-10")
def test_a_second_way_through_us_adds_nothing(ca: TestCA, make: Filter) -> None:
    """A content filter hands the mail in again."""
    sent = forwarded(ca)
    again = replace(delivered(make().decide(sent), sent), connection=sent.connection)

    assert outcome(make().decide(again)) == ("unsigned", "no-signer", "accept")


def test_our_own_message_is_signed_and_not_diverted(make: Filter) -> None:
    decision = make(ALICE, name="one").decide(mail(FROM, TO))

    assert token(decision).ppt == "msg"
    assert outcome(decision) == ("signed", "signed", "accept")


def test_our_own_message_keeps_its_token_on_its_way(ca: TestCA, make: Filter) -> None:
    decision = make(ALICE, BOB, name="one").decide(mail(signed(ca), FROM, TO))

    assert outcome(decision) == ("unsigned", "already-signed", "accept")


def test_a_message_between_two_of_ours_is_sent_on_by_the_second(
    ca: TestCA, make: Filter
) -> None:
    decision = make(ALICE, BOB).decide(forwarded(ca))

    assert token(decision).claims.raw["div"] == {"tn": BOB}


@pytest.mark.parametrize(
    ("numbers", "reason"),
    [
        pytest.param((DAVE,), "no-signer", id="nobody-of-ours"),
        pytest.param((BOB, DAVE), "ambiguous-diversion", id="two-of-ours"),
    ],
)
def test_who_sent_it_on_is_not_guessed(
    ca: TestCA, make: Filter, numbers: tuple[str, ...], reason: str
) -> None:
    to = (BOB, DAVE) if reason == "ambiguous-diversion" else (BOB,)
    sent = forwarded(ca, lines=(signed(ca, *to), FROM, TO))

    assert outcome(make(*numbers).decide(sent)) == ("unsigned", reason, "accept")


@pytest.mark.parametrize("action", ["tempfail", "accept"])
def test_a_fault_of_ours_has_the_action_of_the_policy(
    ca: TestCA, make: Filter, action: str
) -> None:
    policy = replace(DIVERTS, signing_failure=action)  # type: ignore[arg-type]

    decision = make(policy=policy, name="one").decide(forwarded(ca))

    assert decision.insert == ()
    assert outcome(decision) == ("failed", "not-authorized", action)


def test_what_is_not_signable_is_not_diverted_either(ca: TestCA, make: Filter) -> None:
    hidden = (signed(ca), FROM, TO, "X-Mms-Sender-Visibility: Hide")

    decision = make().decide(forwarded(ca, lines=hidden))

    assert outcome(decision) == ("unsigned", "hidden-sender", "accept")


@pytest.mark.parametrize(
    ("passports", "outcomes"),
    [
        pytest.param(2, ("signed", "diverted", "accept"), id="room-for-one-more"),
        pytest.param(1, ("unsigned", "too-many-passports", "accept"), id="no-room"),
    ],
)
def test_no_token_is_added_that_a_verifier_would_not_judge(
    ca: TestCA, make: Filter, passports: int, outcomes: tuple[str, str, str]
) -> None:
    decision = make(passports=passports).decide(forwarded(ca))

    assert outcome(decision) == outcomes


def test_a_message_may_be_sent_on_until_it_is_stale(ca: TestCA, make: Filter) -> None:
    later = NOW + timedelta(hours=24, seconds=1)

    decision = make(clock=lambda: later).decide(forwarded(ca))

    assert outcome(decision) == ("unsigned", "no-signer", "accept")


def test_a_good_link_vouches_for_no_number_in_the_report(
    ca: TestCA, make: Filter
) -> None:
    sent = forwarded(ca)
    arrived = delivered(make().decide(sent), sent)

    found = as_json(*make().verify(arrived, NOW))

    assert [one["ppt"] for one in found["passports"]] == ["div", "msg"]
    assert [one["result"] for one in found["passports"]] == ["pass", "pass"]
    assert [one["orig"] for one in found["passports"]] == [None, ALICE]
    assert found["stir"]["ppt"] == "msg"


@pytest.mark.conformance("V-02")
def test_a_link_alone_authenticates_nobody(ca: TestCA, make: Filter) -> None:
    """The message token was taken off, or never was."""
    sent = forwarded(ca)
    arrived = delivered(make().decide(sent), sent)
    alone = replace(
        arrived, headers=(arrived.headers[0], *arrived.headers[2:]), connection=STRANGER
    )

    decision = make().decide(alone)

    assert outcome(decision) == ("unauthenticated", "unsupported-ppt", "accept")
    assert "header.orig" not in result_field(decision)
