"""The facts that signing and verification rest on, out of a header block."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stirmilter.mail import mm4
from stirmilter.mail.mm4 import View
from stirmilter.mail.transaction import Header

ALICE = "12025550123"
BOB = "13125550100"
CAROL = "13125550101"
DATE = "Date: Fri, 02 Jan 2026 13:00:00 +0100"


def read(*lines: str) -> View:
    """Read fields written as in a message; surrogates are octets outside UTF-8."""
    fields = (line.partition(":") for line in lines)
    return mm4.read(
        [
            Header(name, value.encode("utf-8", "surrogateescape"))
            for name, _, value in fields
        ]
    )


@pytest.mark.parametrize(
    ("lines", "originator"),
    [
        pytest.param([f"From: +{ALICE}/TYPE=PLMN"], ALICE, id="one-number"),
        pytest.param(
            [f"fROM: Alice <+{ALICE}@mx.example>"], ALICE, id="name-in-any-case"
        ),
        pytest.param([f"From:\n +{ALICE}"], ALICE, id="folded"),
        pytest.param([f"From:+{ALICE}"], ALICE, id="no-space-behind-the-colon"),
        pytest.param(
            [f"From: +{ALICE}", f"Sender: +{BOB}"], ALICE, id="from-before-sender"
        ),
        pytest.param([], None, id="no-from"),
        pytest.param([f"Sender: +{ALICE}"], None, id="sender-alone"),
        pytest.param([f"Resent-From: +{ALICE}"], None, id="resent-from-alone"),
        pytest.param(["From:"], None, id="empty"),
        pytest.param(["From: alice@mx.example"], None, id="mail-address"),
        pytest.param([f"From: +{ALICE}", f"From: +{ALICE}"], None, id="two-fields"),
        pytest.param([f"From: +{ALICE}", "FROM:"], None, id="second-field-empty"),
        pytest.param([f"From: +{ALICE}, +{BOB}"], None, id="two-mailboxes"),
        pytest.param([f"From: +{ALICE}, x y"], None, id="second-mailbox-unreadable"),
        pytest.param([f"From: Alice: +{ALICE};"], None, id="group"),
        pytest.param([f"From: +{ALICE}\udcff"], None, id="octet-outside-utf-8"),
    ],
)
@pytest.mark.conformance("A-04", "V-03")
def test_the_originator_is_the_number_of_the_single_from(
    lines: list[str], originator: str | None
) -> None:
    assert read(*lines).originator == originator


@pytest.mark.parametrize(
    ("lines", "recipients"),
    [
        pytest.param([f"To: +{BOB}/TYPE=PLMN@h"], (BOB,), id="to"),
        pytest.param([f"CC: +{BOB}"], (BOB,), id="cc"),
        pytest.param([f"To: +{BOB}, +{CAROL}"], (BOB, CAROL), id="two-in-a-field"),
        pytest.param([f"To: +{BOB}", f"To: +{CAROL}"], (BOB, CAROL), id="two-fields"),
        pytest.param([f"Cc: +{CAROL}", f"To: +{BOB}"], (BOB, CAROL), id="to-first"),
        pytest.param([f"To: g: +{BOB}, +{CAROL};"], (BOB, CAROL), id="group"),
        pytest.param([f"To: a@h, +{BOB}, b c"], (BOB,), id="numbers-among-others"),
        pytest.param([f"Bcc: +{BOB}"], (), id="bcc-is-never-read"),
        pytest.param(
            [f"Resent-To: +{BOB}", f"Reply-To: +{BOB}"], (), id="other-fields"
        ),
        pytest.param([], (), id="none"),
    ],
)
@pytest.mark.conformance("A-08")
def test_recipients_are_the_numbers_of_to_and_cc(
    lines: list[str], recipients: tuple[str, ...]
) -> None:
    assert read(*lines).recipients == recipients


@pytest.mark.parametrize(
    ("lines", "kind"),
    [
        pytest.param(
            ["X-Mms-Message-Type: MM4_forward.REQ"], mm4.FORWARD_REQ, id="as-written"
        ),
        pytest.param(
            ["x-mms-message-type:mm4_FORWARD.req"], mm4.FORWARD_REQ, id="any-case"
        ),
        pytest.param(
            ["X-Mms-Message-Type: MM4_forward.RES"], "mm4_forward.res", id="response"
        ),
        pytest.param([], "", id="plain-mail"),
    ],
)
def test_the_message_type_is_in_lower_case(lines: list[str], kind: str) -> None:
    assert read(*lines).message_type == kind


@pytest.mark.parametrize(
    ("lines", "hidden"),
    [
        pytest.param([], False, id="not-said"),
        pytest.param(["X-Mms-Sender-Visibility: Show"], False, id="show"),
        pytest.param(["x-mms-sender-visibility:\tSHOW "], False, id="show-in-any-case"),
        pytest.param(["X-Mms-Sender-Visibility: Hide"], True, id="hide"),
        pytest.param(["X-MMS-SENDER-VISIBILITY: hide"], True, id="hide-in-any-case"),
        pytest.param(["X-Mms-Sender-Visibility: Perhaps"], True, id="unknown-word"),
        pytest.param(["X-Mms-Sender-Visibility:"], True, id="empty"),
        pytest.param(
            ["X-Mms-Sender-Visibility: Show", "X-Mms-Sender-Visibility: Hide"],
            True,
            id="shown-and-hidden",
        ),
    ],
)
@pytest.mark.conformance("A-19")
def test_in_doubt_the_sender_is_hidden(lines: list[str], hidden: bool) -> None:
    assert read(*lines).hidden is hidden


@pytest.mark.parametrize(
    ("lines", "date"),
    [
        pytest.param([DATE], datetime(2026, 1, 2, 12, tzinfo=UTC), id="rfc-5322"),
        pytest.param(
            ["date: 2 Jan 2026 12:00 GMT"],
            datetime(2026, 1, 2, 12, tzinfo=UTC),
            id="short",
        ),
        pytest.param(
            ["Date: Fri, 02 Jan 2026 12:00:00 -0000"],
            datetime(2026, 1, 2, 12, tzinfo=UTC),
            id="zone-unknown-is-utc",
        ),
        pytest.param([], None, id="none"),
        pytest.param(["Date: yesterday"], None, id="no-date"),
        pytest.param(["Date: 31 Feb 2026 12:00:00 +0000"], None, id="no-such-day"),
        pytest.param(["Date: 2 Jan 2026 12:00:00 +9999"], None, id="no-such-zone"),
        pytest.param([DATE, DATE], None, id="two"),
    ],
)
def test_reads_the_date(lines: list[str], date: datetime | None) -> None:
    assert read(*lines).date == date


@pytest.mark.parametrize(
    ("value", "expires"),
    [
        pytest.param(
            "3600", datetime(2026, 1, 2, 13, tzinfo=UTC), id="seconds-after-date"
        ),
        pytest.param("0", datetime(2026, 1, 2, 12, tzinfo=UTC), id="at-once"),
        pytest.param(
            "Sat, 03 Jan 2026 08:00:00 GMT",
            datetime(2026, 1, 3, 8, tzinfo=UTC),
            id="http-date",
        ),
        pytest.param(
            "2026-01-03T08:00:00Z", datetime(2026, 1, 3, 8, tzinfo=UTC), id="rfc-3339"
        ),
        pytest.param(
            "2026-01-03T08:00:00+01:00",
            datetime(2026, 1, 3, 7, tzinfo=UTC),
            id="with-a-zone",
        ),
        pytest.param(
            "2026-01-03T08:00:00",
            datetime(2026, 1, 3, 8, tzinfo=UTC),
            id="without-a-zone",
        ),
        pytest.param("999999999999", None, id="seconds-beyond-all-years"),
        pytest.param("9" * 10_000, None, id="seconds-beyond-all-numbers"),
        pytest.param("-60", None, id="negative"),
        pytest.param("\u0663600", None, id="arabic-digits"),
        pytest.param("soon", None, id="neither"),
        pytest.param("", None, id="empty"),
    ],
)
def test_reads_the_three_shapes_of_an_expiry(
    value: str, expires: datetime | None
) -> None:
    assert read(DATE, f"X-Mms-Expiry: {value}").expires == expires


def test_seconds_without_a_date_to_count_from_are_no_expiry() -> None:
    assert read("X-Mms-Expiry: 3600").expires is None


def test_two_expiries_are_none() -> None:
    assert read(DATE, "X-Mms-Expiry: 60", "X-MMS-Expiry: 3600").expires is None


@pytest.mark.parametrize(
    ("path", "number"),
    [
        pytest.param(f"<+{BOB}/TYPE=PLMN@mx.example>", BOB, id="mm4"),
        pytest.param(f"+{BOB}", BOB, id="bare"),
        pytest.param("<bob@mx.example>", None, id="mail-address"),
        pytest.param("<>", None, id="null"),
        pytest.param(f"<@relay.example:+{BOB}@mx.example>", None, id="source-route"),
    ],
)
def test_reads_the_number_of_an_envelope_address(path: str, number: str | None) -> None:
    assert mm4.recipient(path) == number


NAMES = ["Date", "X-Mms-Expiry", "From", "To", "X-Mms-Message-Type", "Message-ID"]
TIMES = st.text("0123456789 :+-TZ,JanFriGM(\udcff", max_size=32)


@given(
    st.lists(st.tuples(st.sampled_from(NAMES), TIMES | st.text(max_size=8)), max_size=4)
)
def test_reads_any_header_block(fields: list[tuple[str, str]]) -> None:
    """Whatever the fields hold, there is a view and its times can be compared."""
    lines = [f"{name}: {value}" for name, value in fields if _is_octets(value)]

    view = read(*lines)

    for time in (view.date, view.expires):
        assert time is None or time.tzinfo is not None


def _is_octets(value: str) -> bool:
    """Tell whether `value` can be what decoding octets gives."""
    try:
        octets = value.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return False
    return octets.decode("utf-8", "surrogateescape") == value


@pytest.mark.parametrize(
    ("line", "unreadable"),
    [
        pytest.param("To: +13125550100, name@example.com", 0, id="all-readable"),
        pytest.param("Cc: a b c, +13125550100", 1, id="three-words"),
        pytest.param("To: +13125550100[ <+19995550100>", 1, id="two-readings"),
    ],
)
def test_entries_that_cannot_be_read_are_counted(line: str, unreadable: int) -> None:
    assert read(line).unreadable == unreadable


@pytest.mark.parametrize(
    ("entry", "dialled"),
    [
        pytest.param("13125550100/TYPE=PLMN@h", ("13125550100",), id="no-plus"),
        pytest.param("0013125550100/TYPE=PLMN", ("0013125550100",), id="abroad"),
        pytest.param("12345/TYPE=PLMN", ("12345",), id="short-code"),
        pytest.param("12345", ("12345",), id="short-code-without-a-type"),
        pytest.param("123456789@h", (), id="mail-address-of-digits"),
        pytest.param("*123@h", ("*123",), id="service-code-without-a-type"),
        pytest.param("+1-312-555-0100@h", ("+13125550100",), id="dashes"),
        pytest.param('"(312) 555.0100"@h', ("3125550100",), id="brackets"),
        pytest.param("+13125550100/TYPE=MSISDN", ("+13125550100",), id="another-type"),
        pytest.param("+13125550100/x=y@h", ("+13125550100",), id="something-behind"),
        pytest.param(
            "+13125550100/TYPE=PLMN/TYPE=IPv4", ("+13125550100",), id="two-types"
        ),
        pytest.param("#31#+13125550100", ("#31#+13125550100",), id="hidden-caller"),
        pytest.param("+13125550100123456", ("+13125550100123456",), id="too-long"),
        pytest.param("acme/type=ALPHANUM", ("",), id="no-digits"),
        pytest.param("tn13/TYPE=PLMN@h", ("13",), id="letters"),
        pytest.param(f"+{BOB}/TYPE=PLMN@h", (), id="canonical"),
        pytest.param("*123/TYPE=PLMN", (), id="canonical-service-code"),
        pytest.param("192.0.2.1/TYPE=IPv4", (), id="ipv4"),
        pytest.param("2001-db8--1/type=ipv6", (), id="ipv6"),
        pytest.param("name/TYPE=EMAIL@h", (), id="e-mail"),
        pytest.param("name@h", (), id="mail-address"),
        pytest.param("bob-13125550100@h", (), id="name-and-number"),
        pytest.param("12@h", (), id="two-digits"),
        pytest.param("a b", (), id="unreadable"),
    ],
)
def test_what_somebody_may_dial_is_kept_as_it_is_dialled(
    entry: str, dialled: tuple[str, ...]
) -> None:
    assert read(f"To: {entry}").dialled == dialled


def test_what_a_signer_completes_is_not_dialled_as_well() -> None:
    headers = [Header("To", b" 030123456/TYPE=PLMN, 12345")]

    view = mm4.read(headers, mm4.Reading(country="DE"))

    assert (view.recipients, view.dialled) == (("4930123456",), ("12345",))


@pytest.mark.parametrize(
    ("lines", "recipients", "unreadable"),
    [
        pytest.param([f"To: +{BOB}", f"Cc: +{CAROL}"], (BOB, CAROL), 0, id="as-many"),
        pytest.param([f"To: +{BOB}, +{CAROL}, +{ALICE}"], (BOB, CAROL), 1, id="field"),
        pytest.param([f"To: +{BOB}"] * 9, (BOB, BOB), 1, id="fields"),
        pytest.param(
            [f"Cc: +{ALICE}", f"To: +{BOB}, +{CAROL}"], (BOB, CAROL), 1, id="cc-last"
        ),
    ],
)
def test_addresses_of_all_fields_are_limited_together(
    lines: list[str], recipients: tuple[str, ...], unreadable: int
) -> None:
    fields = [line.partition(":") for line in lines]
    headers = [Header(name, value.encode()) for name, _, value in fields]

    view = mm4.read(headers, mm4.Reading(entries=2))

    assert (view.recipients, view.unreadable) == (recipients, unreadable)
