"""What becomes of a mail of ours: whether it is signed, and what is said."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from stirmilter.events import Handled
from stirmilter.stir.msgi import digest_body
from stirmilter.testca import TestCA
from tests.laboratory import ALICE, BOB, BODY, CAROL, NOW
from tests.mail.mails import (
    FROM,
    MALLORY,
    PLAIN,
    POLICY,
    REQ,
    TO,
    US,
    Make,
    delivered,
    mail,
    signed,
    token,
    with_signature_of,
)


@pytest.mark.conformance("H-01")
def test_what_we_sign_a_verifier_passes(make: Make) -> None:
    sent = mail(*PLAIN, REQ)

    signing = make().decide(sent)
    verifying = make().decide(delivered(signing, sent))

    assert signing.action == "accept"
    assert signing.remove == ()
    assert signing.event == Handled(
        "out", "signed", "signed", "", ALICE, "accept", signer="one"
    )
    assert verifying.event.outcome == "number-authenticated"
    assert verifying.event.reason == "verified"


@pytest.mark.conformance("F-15", "M-03")
def test_a_token_says_who_to_whom_when_and_what(make: Make) -> None:
    claims = token(make().decide(mail(*PLAIN))).claims

    assert claims.raw == {
        "dest": {"tn": [BOB]},
        "iat": int(NOW.timestamp()),
        "msgi": str(digest_body(BODY).value("sha256")),
        "orig": {"tn": ALICE},
    }


@pytest.mark.conformance("H-01", "H-05")
def test_a_field_is_named_and_folded_as_configured(make: Make) -> None:
    mail_filter = make(policy=replace(POLICY, header="X-Passport"))

    [(name, value)] = mail_filter.decide(mail(*PLAIN)).insert

    assert name == "X-Passport"
    assert all(len(line) <= 78 for line in f"{name}: {value}".split("\n"))


@pytest.mark.parametrize(
    ("lines", "recipients", "dest"),
    [
        pytest.param([TO], [BOB], [BOB], id="to"),
        pytest.param([f"Cc: +{BOB}"], [BOB], [BOB], id="cc"),
        pytest.param([TO, f"Cc: +{CAROL}"], [BOB, CAROL], [BOB, CAROL], id="both"),
        pytest.param([f"To: +{CAROL}, +{BOB}"], [BOB], [BOB, CAROL], id="sorted"),
        pytest.param([TO, f"Cc: +{BOB}"], [BOB], [BOB], id="each-once"),
        pytest.param([TO], [BOB, CAROL], [BOB], id="bcc-beside-a-to"),
        pytest.param(
            [TO, f"Bcc: +{CAROL}"], [BOB, CAROL], [BOB], id="bcc-field-is-no-leave"
        ),
        pytest.param([], [CAROL], [CAROL], id="sole-recipient-is-no-secret"),
        pytest.param([TO], [CAROL], [BOB, CAROL], id="sole-recipient-beside-a-to"),
        pytest.param(
            [TO, "Cc: carol@mx.example"], [BOB], [BOB], id="mail-address-in-cc"
        ),
    ],
)
@pytest.mark.conformance("F-17", "A-08", "A-09")
def test_dest_names_whom_the_header_shows(
    make: Make, lines: list[str], recipients: list[str], dest: list[str]
) -> None:
    paths = tuple(f"<+{number}@mms.example>" for number in recipients)

    decision = make().decide(mail(FROM, *lines, recipients=paths))

    assert token(decision).claims.raw["dest"] == {"tn": dest}


def test_a_recipient_without_a_number_is_not_named(make: Make) -> None:
    paths = ("<bob@mx.example>", f"<+{BOB}@mms.example>")

    decision = make().decide(mail(*PLAIN, recipients=paths))

    assert token(decision).claims.raw["dest"] == {"tn": [BOB]}


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param([*PLAIN, "Date: Fri, 02 Jan 2026 12:00:00 +0000"], id="dated-now"),
        pytest.param(
            [*PLAIN, "Date: Tue, 30 Dec 2025 12:00:01 +0000"], id="just-young-enough"
        ),
        pytest.param([*PLAIN, "Date: yesterday"], id="unreadable-date"),
        pytest.param(
            [*PLAIN, "x-mms-message-type: mm4_FORWARD.req"], id="type-in-any-case"
        ),
        pytest.param([*PLAIN, "X-Mms-Sender-Visibility: show"], id="sender-shown"),
        pytest.param([*PLAIN, "Sender: system@mx.example"], id="sent-by-a-system"),
        pytest.param([*PLAIN, "X-Mms-Expiry: 1"], id="about-to-expire"),
        pytest.param([*PLAIN, "X-Mms-Expiry: yesterday"], id="unreadable-expiry"),
    ],
)
def test_signs(make: Make, lines: list[str]) -> None:
    assert make().decide(mail(*lines)).event.outcome == "signed"


@pytest.mark.parametrize(
    ("lines", "envelope", "reason"),
    [
        pytest.param(PLAIN, {"sender": "<>"}, "null-sender", id="null-sender"),
        pytest.param(PLAIN, {"sender": ""}, "null-sender", id="empty-sender"),
        *(
            pytest.param(
                [*PLAIN, f"X-Mms-Message-Type: {kind}"], {}, "message-type", id=kind
            )
            for kind in (
                "MM4_forward.RES",
                "MM4_delivery_report.REQ",
                "MM4_Delivery_report.RES",
                "MM4_read_reply_report.REQ",
                "MM4_read_reply_report.RES",
            )
        ),
        pytest.param(
            [*PLAIN, "X-Mms-Sender-Visibility: Hide"],
            {},
            "hidden-sender",
            id="hidden-sender",
        ),
        pytest.param(
            [*PLAIN, "Date: Tue, 30 Dec 2025 11:59:59 +0000"],
            {},
            "date",
            id="old-date",
        ),
        pytest.param(
            [*PLAIN, "Date: Fri, 02 Jan 2026 12:05:01 +0000"],
            {},
            "date",
            id="date-ahead",
        ),
        pytest.param(
            [*PLAIN, "Content-Type: text/plain", "content-type: text/html"],
            {},
            "ambiguous-header",
            id="two-content-types",
        ),
        pytest.param([TO], {}, "no-originator", id="no-from"),
        pytest.param([FROM, *PLAIN], {}, "ambiguous-header", id="two-from"),
        pytest.param(
            [f"From: +{ALICE}, +{CAROL}", TO], {}, "no-originator", id="two-authors"
        ),
        pytest.param(
            ["From: system@mx.example", TO], {}, "no-originator", id="system-address"
        ),
        pytest.param(
            [FROM, "To: bob@mx.example"],
            {"recipients": ("<bob@mx.example>",)},
            "no-recipient",
            id="no-number-to-write-to",
        ),
        pytest.param(
            [FROM],
            {"recipients": (f"<+{BOB}@h>", f"<+{CAROL}@h>")},
            "no-recipient",
            id="nobody-shown",
        ),
        pytest.param(
            PLAIN,
            {"recipients": ("<bob@mx.example>",)},
            "no-recipient",
            id="shown-and-sent-to-a-mail-address",
        ),
        pytest.param(
            PLAIN,
            {"recipients": (f"<+{CAROL}@h>", "<+13125550102@h>")},
            "no-recipient",
            id="nobody-of-the-envelope-shown",
        ),
        pytest.param(
            PLAIN,
            {"recipients": (f"<+{CAROL}@h>",) * 2},
            "no-recipient",
            id="bcc-named-twice",
        ),
        pytest.param([*PLAIN, "X-Mms-Expiry: 0"], {}, "expired", id="expires-now"),
        pytest.param(
            [*PLAIN, "X-Mms-Expiry: 2026-01-02T11:59:59Z"], {}, "expired", id="expired"
        ),
        pytest.param(
            [FROM, f"To: {', '.join(f'+{13125550100 + n}' for n in range(101))}"],
            {},
            "too-many-recipients",
            id="more-recipients-than-a-verifier-reads",
        ),
        pytest.param(
            ["From: +4930123456", TO], {}, "no-signer", id="number-of-another-country"
        ),
    ],
)
@pytest.mark.conformance("A-02", "A-04", "A-06", "A-07", "A-10", "A-12", "A-19")
def test_leaves_alone(
    make: Make, lines: list[str], envelope: dict[str, object], reason: str
) -> None:
    decision = make().decide(mail(*lines, **envelope))  # type: ignore[arg-type]

    assert (decision.event.outcome, decision.event.reason) == ("unsigned", reason)
    assert decision.action == "accept"
    assert decision.insert == ()
    assert decision.remove == ()


@pytest.mark.conformance("A-07")
def test_plain_mail_is_left_alone_if_only_mm4_is_to_be_signed(make: Make) -> None:
    mail_filter = make(
        policy=replace(POLICY, message_types=frozenset({"mm4_forward.req"}))
    )

    assert mail_filter.decide(mail(*PLAIN)).event.reason == "message-type"
    assert mail_filter.decide(mail(*PLAIN, REQ)).event.outcome == "signed"


def test_a_response_that_says_so_twice_is_not_plain_mail(make: Make) -> None:
    response = "X-Mms-Message-Type: MM4_forward.RES"

    decision = make().decide(mail(*PLAIN, response, response))

    assert decision.event.outcome == "unsigned"


@pytest.mark.conformance("H-10")
def test_what_passes_us_twice_is_signed_once(make: Make) -> None:
    mail_filter = make()
    sent = mail(*PLAIN)
    inserted = delivered(mail_filter.decide(sent), sent).headers

    decision = mail_filter.decide(replace(sent, headers=inserted))

    assert decision.event.reason == "already-signed"
    assert decision.insert == ()


@pytest.mark.parametrize(
    ("later", "reason"),
    [
        pytest.param(timedelta(hours=24), "already-signed", id="a-day"),
        pytest.param(timedelta(hours=25), "signed", id="longer"),
    ],
)
def test_a_token_of_ours_that_is_stale_is_no_longer_enough(
    make: Make, later: timedelta, reason: str
) -> None:
    times = iter([NOW, NOW + later])
    mail_filter = make(clock=lambda: next(times))
    sent = mail(*PLAIN)
    inserted = delivered(mail_filter.decide(sent), sent).headers

    decision = mail_filter.decide(replace(sent, headers=inserted))

    assert decision.event.reason == reason


@pytest.mark.conformance("H-10")
def test_what_passes_us_twice_is_signed_once_under_our_own_name(make: Make) -> None:
    mail_filter = make(policy=replace(POLICY, header="X-Passport"))
    sent = mail(*PLAIN)
    inserted = delivered(mail_filter.decide(sent), sent).headers

    decision = mail_filter.decide(replace(sent, headers=inserted))

    assert decision.event.reason == "already-signed"


@pytest.mark.parametrize(
    "foreign",
    [
        pytest.param(lambda ca: signed(ca, msgi=MALLORY), id="another-body"),
        pytest.param(lambda ca: signed(ca, CAROL), id="another-recipient"),
        pytest.param(
            lambda ca: signed(ca, orig={"tn": CAROL}), id="another-originator"
        ),
        pytest.param(lambda ca: signed(ca, msgi=None), id="no-digest"),
        pytest.param(lambda ca: signed(ca, name="range"), id="a-signer-we-do-not-hold"),
        pytest.param(
            lambda ca: with_signature_of(signed(ca), signed(ca, iat=1)),
            id="a-signature-of-something-else",
        ),
        pytest.param(lambda _: "PASSporT: junk", id="junk"),
    ],
)
@pytest.mark.conformance("H-01", "H-09")
def test_a_token_that_is_not_ours_is_kept_and_ours_put_above(
    ca: TestCA, make: Make, foreign: Callable[[TestCA], str]
) -> None:
    decision = make().decide(mail(*PLAIN, foreign(ca)))

    assert decision.event.outcome == "signed"
    assert decision.remove == ()
    assert len(decision.insert) == 1


@pytest.mark.parametrize(
    ("signer", "reason"),
    [
        pytest.param("other", "not-authorized", id="certificate-for-another-number"),
        pytest.param("expired", "credential-expired", id="certificate-expired"),
    ],
)
@pytest.mark.parametrize("on_failure", ["tempfail", "accept"])
@pytest.mark.conformance("A-02", "A-18", "O-08")
def test_a_failure_of_ours_follows_the_setting(
    make: Make, signer: str, reason: str, on_failure: str
) -> None:
    policy = replace(POLICY, signing_failure=on_failure)  # type: ignore[arg-type]

    decision = make(signer, policy=policy).decide(mail(*PLAIN))

    assert (decision.event.outcome, decision.event.reason) == ("failed", reason)
    assert decision.event.detail.startswith(f"{signer}: ")
    assert decision.event.action == decision.action == on_failure
    assert decision.insert == ()
    assert decision.reply is not None
    assert decision.reply[:2] == ("451", "4.7.0")


@pytest.mark.parametrize("more", [[], ["X-Mms-Sender-Visibility: Hide"]])
def test_a_result_under_our_name_is_removed_from_outgoing_mail_too(
    make: Make, more: list[str]
) -> None:
    forged = f"Authentication-Results: {US}; stir=pass"

    decision = make().decide(mail(forged, *PLAIN, *more))

    assert decision.event.direction == "out"
    assert decision.remove == (("Authentication-Results", 1),)


def test_mail_full_of_tokens_is_not_given_one_more(make: Make) -> None:
    """A verifier would judge none of them."""
    decision = make().decide(mail(*PLAIN, *["PASSporT: junk"] * 8))

    assert (decision.event.outcome, decision.event.reason) == (
        "unsigned",
        "too-many-passports",
    )


def test_a_token_of_ours_in_a_field_that_contradicts_it_does_not_count(
    ca: TestCA, make: Make
) -> None:
    field = signed(ca).replace("ppt=msg", "ppt=shaken")

    assert make().decide(mail(field, *PLAIN)).event.outcome == "signed"
