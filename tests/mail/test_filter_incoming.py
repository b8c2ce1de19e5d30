"""What becomes of a mail of others: how it is judged, and what is told."""

from dataclasses import replace

import pytest

from stirmilter.events import Handled
from stirmilter.mail.transaction import Removal
from stirmilter.testca import TestCA
from tests.laboratory import ALICE, BOB, CAROL
from tests.mail.mails import (
    FROM,
    PLAIN,
    POLICY,
    STRANGER,
    TO,
    Make,
    mail,
    result_field,
    signed,
)


@pytest.mark.conformance("E-18")
def test_forged_results_go_and_the_rest_stays(make: Make) -> None:
    decision = make().decide(
        mail(
            "Authentication-Results: other.example; spf=pass",
            "authentication-results: mx.example; stir=pass",
            FROM,
            'Authentication-RESULTS: "MX.Example." 1; dkim=pass',
            "Authentication-Results-X: mx.example; spf=pass",
            "ARC-Authentication-Results: i=1; mx.example; spf=pass",
            "Authentication-Results: other.example 1; dmarc=pass",
            "Authentication-Results: ;;",
            TO,
            connection=STRANGER,
        )
    )

    assert decision.remove == (
        Removal("authentication-results", 2),
        Removal("Authentication-RESULTS", 3),
        Removal("Authentication-Results", 5),
    )


def test_a_pass_tells_the_number_and_where_its_proof_is(ca: TestCA, make: Make) -> None:
    decision = make().decide(mail(*PLAIN, signed(ca), connection=STRANGER))

    assert decision.action == "accept"
    assert result_field(decision) == (
        "mx.example; stir=pass reason=verified header.orig=12025550123 header.ppt=msg"
        " policy.msgi=exact policy.tn-authority=tn policy.verdict=number-authenticated"
        ' policy.x5u="https://certs.example/one.pem"'
    )
    assert decision.event == Handled(
        "in",
        "number-authenticated",
        "verified",
        orig=ALICE,
        x5u="https://certs.example/one.pem",
    )


@pytest.mark.parametrize(
    ("name", "claims", "envelope", "field"),
    [
        pytest.param(
            "one",
            {},
            {"body": b"Hello Mallory\r\n"},
            "stir=fail reason=body-altered header.ppt=msg policy.msgi=altered"
            " policy.tn-authority=none policy.verdict=failed",
            id="altered-body",
        ),
        pytest.param(
            "one",
            {"orig": {"tn": CAROL}},
            {},
            "stir=fail reason=orig-mismatch header.ppt=msg policy.msgi=absent"
            " policy.tn-authority=none policy.verdict=failed",
            id="another-originator",
        ),
        pytest.param(
            "one",
            {},
            {"recipients": (f"<+{CAROL}@h>",)},
            "stir=fail reason=dest-mismatch header.ppt=msg policy.msgi=absent"
            " policy.tn-authority=none policy.verdict=failed",
            id="another-recipient",
        ),
        pytest.param(
            "one",
            {},
            {"recipients": (f"<+{BOB}@h>", f"<+{CAROL}@h>")},
            "stir=policy reason=dest-partial header.ppt=msg policy.msgi=exact"
            " policy.tn-authority=tn policy.verdict=unauthenticated",
            id="a-recipient-too-many",
        ),
        pytest.param(
            "one",
            {},
            {"recipients": (f"<+{BOB}@h>", "<carol@mx.example>")},
            "stir=policy reason=dest-partial header.ppt=msg policy.msgi=exact"
            " policy.tn-authority=tn policy.verdict=unauthenticated",
            id="a-recipient-without-a-number",
        ),
        pytest.param(
            "one",
            {"dest": {"tn": [f"+{CAROL}"]}},
            {},
            "stir=permerror reason=malformed policy.verdict=failed",
            id="a-recipient-in-another-spelling",
        ),
        pytest.param(
            "one",
            {"msgi": None},
            {},
            "stir=policy reason=no-msgi header.ppt=msg policy.msgi=absent"
            " policy.tn-authority=tn policy.verdict=unauthenticated",
            id="no-digest",
        ),
        pytest.param(
            "untrusted",
            {},
            {},
            "stir=fail reason=credential-untrusted header.ppt=msg policy.msgi=exact"
            " policy.tn-authority=none policy.verdict=failed",
            id="untrusted-certificate",
        ),
        pytest.param(
            "other",
            {},
            {},
            "stir=fail reason=not-authorized header.ppt=msg policy.msgi=exact"
            " policy.tn-authority=none policy.verdict=failed",
            id="certificate-for-another-number",
        ),
    ],
)
@pytest.mark.conformance("M-18", "V-05", "V-15")
def test_what_does_not_pass_publishes_no_number_and_no_url(
    ca: TestCA,
    make: Make,
    name: str,
    claims: dict[str, object],
    envelope: dict[str, object],
    field: str,
) -> None:
    token_field = signed(ca, name=name, **claims)

    decision = make().decide(
        mail(*PLAIN, token_field, connection=STRANGER, **envelope)  # type: ignore[arg-type]
    )

    assert result_field(decision) == f"mx.example; {field}"
    assert decision.action == "accept"
    assert not any(number in decision.event.detail for number in (ALICE, BOB, CAROL))


@pytest.mark.parametrize(
    ("tokens", "field"),
    [
        pytest.param(
            [],
            "stir=none reason=no-passport policy.verdict=unauthenticated",
            id="none",
        ),
        pytest.param(
            ["PASSporT: junk"],
            "stir=permerror reason=malformed policy.verdict=failed",
            id="malformed",
        ),
        pytest.param(
            ["Identity: junk"],
            "stir=none reason=no-passport policy.verdict=unauthenticated",
            id="in-a-field-that-is-not-read",
        ),
        pytest.param(
            ["passport: junk"] * 9,
            "stir=permerror reason=too-many-passports policy.verdict=failed",
            id="too-many",
        ),
    ],
)
def test_says_what_is_wrong_without_a_readable_token(
    make: Make, tokens: list[str], field: str
) -> None:
    decision = make().decide(mail(*PLAIN, *tokens, connection=STRANGER))

    assert result_field(decision) == f"mx.example; {field}"


def test_the_method_is_named_as_configured(make: Make) -> None:
    mail_filter = make(policy=replace(POLICY, method="x-stir"))

    decision = mail_filter.decide(mail(*PLAIN, connection=STRANGER))

    assert result_field(decision).startswith("mx.example; x-stir=none ")


def test_reads_the_fields_it_is_told_to(ca: TestCA, make: Make) -> None:
    mail_filter = make(policy=replace(POLICY, headers=frozenset({"Identity"})))
    field = signed(ca).replace("PASSporT:", "identity:")

    decision = mail_filter.decide(mail(*PLAIN, field, connection=STRANGER))

    assert decision.event.reason == "verified"


@pytest.mark.parametrize("bad", ["PASSporT: junk", "PASSporT:"])
@pytest.mark.conformance("H-07", "V-13")
def test_one_good_token_among_bad_ones_is_enough(
    ca: TestCA, make: Make, bad: str
) -> None:
    decision = make().decide(mail(*PLAIN, bad, signed(ca), bad, connection=STRANGER))

    assert decision.event.reason == "verified"


@pytest.mark.parametrize(
    ("expiry", "reason"),
    [
        pytest.param("1800", "verified", id="not-yet"),
        pytest.param("60", "stale", id="seconds-after-date"),
        pytest.param("Fri, 02 Jan 2026 11:59:59 GMT", "stale", id="date"),
    ],
)
def test_a_message_beyond_its_expiry_is_stale(
    ca: TestCA, make: Make, expiry: str, reason: str
) -> None:
    date = "Date: Fri, 02 Jan 2026 11:45:00 +0000"

    decision = make().decide(
        mail(*PLAIN, date, f"X-Mms-Expiry: {expiry}", signed(ca), connection=STRANGER)
    )

    assert decision.event.reason == reason


@pytest.mark.parametrize(
    "line",
    [
        pytest.param("Cc: +19995550001", id="another-number"),
        pytest.param("Cc: +13125550100[ <+19995550001>", id="two-readings"),
        *(
            pytest.param(f"Cc: {entry}", id=entry)
            for entry in (
                "19995550001/TYPE=PLMN@mms.two.example",
                "0019995550001/TYPE=PLMN",
                "12345/TYPE=PLMN",
                "12345",
                "+1-999-555-0001/TYPE=PLMN",
                "+19995550001/TYPE=MSISDN",
                "#31#+19995550001/TYPE=PLMN",
                "+19995550001000000/TYPE=PLMN",
            )
        ),
    ],
)
@pytest.mark.conformance("V-06")
def test_who_is_shown_as_a_recipient_must_be_in_dest(
    ca: TestCA, make: Make, line: str
) -> None:
    received = mail(signed(ca), *PLAIN, line, connection=STRANGER)

    assert make().decide(received).event.reason == "dest-partial"
