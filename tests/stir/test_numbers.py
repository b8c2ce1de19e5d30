"""No number has two spellings, no number has two meanings, and all of them are ASCII.

`test_tn` and `test_addresses` have the rows; here stand the rules behind them.
"""

from typing import Final

import phonenumbers
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stirmilter.mail.addresses import Mailbox
from stirmilter.stir import tn
from stirmilter.stir.result import Authority, Reason, Unverified
from stirmilter.stir.tn import NumberSet
from stirmilter.stir.tnauthlist import TNAuthList
from tests.laboratory import ALICE

ASCII: Final = "+0129#*- /"
FOREIGN: Final = (
    "\uff0b\uff11\uff0a\uff03\u0661\u06f1\u0967\u00b2\u2460\u200b\u200d\u202e\u2028"
)
"""Fullwidth, Arabic-Indic, Persian, Devanagari; squared, circled; what has no width."""

TEXT: Final = st.text(ASCII + FOREIGN, max_size=17)
DIGITS: Final = st.text("0123456789", min_size=1, max_size=15)
LOCAL: Final = st.builds(
    "{}{}{}{}".format,
    st.sampled_from(["", "+", "++", "\uff0b", "*", "#", "0"]),
    st.text("0129#*", max_size=16),
    st.sampled_from(["", "\u200b", "\u0661", " "]),
    st.sampled_from(["", "/TYPE=PLMN", "/type=plmn", "/TYPE=IPv4", "/TYPE=PLMN/X=Y"]),
)
COUNTRIES: Final = sorted(phonenumbers.SUPPORTED_REGIONS)


# Spelling


@pytest.mark.conformance("A-05")
@given(TEXT)
def test_a_global_number_is_written_one_way(text: str) -> None:
    number = tn.from_global(text)

    assert number is None or text == f"+{number}"


@given(TEXT)
def test_a_service_code_is_written_one_way(text: str) -> None:
    number = tn.from_service(text)

    assert number is None or text == number


@given(TEXT)
@example("*1")
@example("1*")
@example("+1*")
def test_nothing_is_both_a_number_and_a_code(text: str) -> None:
    """Digits alone are a global number; a code begins with a star or a hash."""
    number, code = tn.from_global(f"+{text}"), tn.from_service(text)

    assert number is None or code is None
    assert number is None or number.isdigit()
    assert code is None or code[0] in "#*"


@pytest.mark.conformance("A-05")
@given(LOCAL)
def test_the_number_of_an_address_says_how_it_was_written(local: str) -> None:
    number = Mailbox(local).number
    if number is None:
        return

    written = local.upper().removesuffix("/TYPE=PLMN")
    if number.isdigit():
        assert written == f"+{number}"
    else:
        assert local.upper() == f"{number}/TYPE=PLMN"
    assert tn.is_canonical(number)


@given(LOCAL, st.sampled_from(["", "mms.example"]))
def test_an_address_is_a_number_or_a_uri_or_nobody(local: str, domain: str) -> None:
    mailbox = Mailbox(local, domain)

    assert mailbox.number is None or mailbox.uri is None


@given(DIGITS)
def test_digits_alone_are_nobody(digits: str) -> None:
    """A short code reads like a number of another country."""
    for local in (digits, f"{digits}/TYPE=PLMN"):
        assert Mailbox(local, "mms.example").number is None
        assert Mailbox(local, "mms.example").uri is None


@pytest.mark.conformance("A-05", "F-18")
@given(TEXT)
def test_what_is_canonical_is_ascii(text: str) -> None:
    for found in (
        tn.from_global(text),
        tn.from_service(text),
        tn.from_national(text, "US"),
        Mailbox(text).number,
        Mailbox(text).national("US"),
    ):
        assert found is None or (found.isascii() and tn.is_canonical(found))
    if not text.isascii():
        assert not tn.is_canonical(text)
        assert Mailbox(text).number is None
        assert tn.from_national(text, "US") is None


@pytest.mark.parametrize(
    ("text", "code"),
    [
        pytest.param("*123", "*123", id="star"),
        pytest.param("#123", "#123", id="hash"),
        pytest.param("*#06", "*#06", id="both"),
        pytest.param("*1#", "*1#", id="hash-at-the-end"),
        pytest.param("*" + "1" * 14, "*" + "1" * 14, id="fifteen-characters"),
        pytest.param("*" + "1" * 15, None, id="sixteen-characters"),
        pytest.param("12345", None, id="short-code"),
        pytest.param("1*23", None, id="digit-first"),
        pytest.param("*", None, id="star-alone"),
        pytest.param("**", None, id="two-stars"),
        pytest.param("#*#", None, id="no-digit"),
        pytest.param("+*123", None, id="plus"),
        pytest.param("*12 3", None, id="blank"),
        pytest.param("*123\n", None, id="line-end"),
        pytest.param("\uff0a123", None, id="fullwidth-star"),
        pytest.param("*12\uff13", None, id="fullwidth-digit"),
    ],
)
def test_service_codes_begin_with_what_no_number_has(
    text: str, code: str | None
) -> None:
    assert tn.from_service(text) == code


# National numbers


@pytest.mark.conformance("A-05")
@given(st.text("0123456789", min_size=3, max_size=21), st.sampled_from(COUNTRIES))
def test_a_completed_number_is_a_global_one_that_is_assigned(
    digits: str, country: str
) -> None:
    number = tn.from_national(digits, country)

    if number is not None:
        assert tn.from_global(f"+{number}") == number
        assert phonenumbers.is_valid_number(phonenumbers.parse(f"+{number}"))


@given(st.text("0123456789", min_size=7, max_size=11))
@example("2025550123")
@example("12025550123")
def test_a_north_american_number_is_completed_to_one_number(digits: str) -> None:
    """Dialled in three ways, and completed again, it stays what it is."""
    number = tn.from_national(digits, "US")

    if number is not None and number.startswith("1"):
        assert {
            tn.from_national(written, "US")
            for written in (number, number[1:], f"011{number}")
        } == {number}


@pytest.mark.parametrize(
    ("digits", "country", "number"),
    [
        pytest.param("2025550123", "US", ALICE, id="subscriber"),
        pytest.param("12025550123", "US", ALICE, id="with-the-trunk-prefix"),
        pytest.param("011442079460000", "US", "442079460000", id="abroad"),
        pytest.param("02079460000", "GB", "442079460000", id="london"),
        pytest.param("0012025550123", "GB", ALICE, id="abroad-from-london"),
        pytest.param("0676123456", "IT", "390676123456", id="zero-that-stays"),
        pytest.param("5550123", "US", None, id="without-the-area"),
        pytest.param("12345", "US", None, id="short-code"),
        pytest.param("911", "US", None, id="emergency"),
        pytest.param("1025550123", "US", None, id="area-that-does-not-exist"),
        pytest.param("2025550123", "GB", None, id="of-another-plan"),
        pytest.param("2025550123", "XX", None, id="unknown-country"),
        pytest.param("+12025550123", "US", None, id="plus"),
        pytest.param("202-555-0123", "US", None, id="hyphens"),
        pytest.param("202555012x", "US", None, id="letter"),
        pytest.param("1800FLOWERS", "US", None, id="vanity"),
        pytest.param("2025550123;ext=1", "US", None, id="extension"),
        pytest.param("2025550123\n", "US", None, id="line-end"),
        pytest.param("\uff12025550123", "US", None, id="fullwidth-digit"),
        pytest.param("202555012\u0663", "US", None, id="arabic-indic-digit"),
        pytest.param("202555\u200b0123", "US", None, id="zero-width-space"),
        pytest.param("1" * 21, "US", None, id="endless"),
    ],
)
def test_national_numbers(digits: str, country: str, number: str | None) -> None:
    assert tn.from_national(digits, country) == number


@pytest.mark.parametrize(
    ("code", "known"),
    [
        ("US", True),
        ("GB", True),
        ("us", False),
        ("UK", False),
        ("001", False),
        ("", False),
    ],
)
def test_countries_are_those_with_a_plan(code: str, known: bool) -> None:
    assert tn.is_country(code) is known


# Sets


@given(st.lists(TEXT, max_size=2), TEXT)
def test_a_set_holds_canonical_numbers_alone(patterns: list[str], text: str) -> None:
    """Whatever it was made from."""
    try:
        found = NumberSet.parse([*patterns, f"+{ALICE}", "*123", "+1999*", "+100-+199"])
    except ValueError:
        return

    assert ALICE in found
    assert f"+{ALICE}" not in found
    if text in found:
        assert text.isascii()


@pytest.mark.parametrize(
    ("pattern", "number", "inside"),
    [
        pytest.param("*123", "*123", True, id="code"),
        pytest.param("*123", "#123", False, id="another-code"),
        pytest.param("*123", "123", False, id="number-of-its-digits"),
        pytest.param("*123", "*1234", False, id="longer-code"),
        pytest.param("+123", "*123", False, id="code-of-its-digits"),
        pytest.param("+1*", "*1", False, id="code-below-no-prefix"),
        pytest.param("+100-+199", "*150", False, id="code-in-no-range"),
    ],
)
def test_codes_and_numbers_do_not_mix_in_a_set(
    pattern: str, number: str, inside: bool
) -> None:
    assert (number in NumberSet.parse([pattern])) is inside


@pytest.mark.parametrize(
    ("identity", "shown"),
    [
        pytest.param("*123", "xxxx", id="service-code"),
        pytest.param("*12345", "*1xxxx", id="longer-code"),
        pytest.param(ALICE, "1202555xxxx", id="number"),
    ],
)
def test_mask_hides_the_end(identity: str, shown: str) -> None:
    assert tn.mask(identity) == shown


# Ranges of a certificate


@pytest.mark.parametrize(
    ("start", "count", "number", "authority"),
    [
        pytest.param("9900", 100, "9900", "range", id="first-of-a-block-of-nines"),
        pytest.param("9900", 100, "9999", "range", id="last-of-a-block-of-nines"),
        pytest.param("9900", 100, "10000", "none", id="one-digit-more"),
        pytest.param("9900", 100, "0000", "none", id="from-the-start-again"),
        pytest.param("0098", 2, "0099", "range", id="leading-zeros"),
        pytest.param("0098", 2, "99", "none", id="without-them"),
        pytest.param("0098", 2, "0100", "none", id="after-them"),
        pytest.param("0", 10, "0", "range", id="zero"),
        pytest.param("0", 10, "00", "none", id="two-zeros"),
        pytest.param("9" * 14 + "8", 2, "9" * 15, "range", id="last-number-there-is"),
        pytest.param("9" * 14 + "8", 2, "9" * 14 + "8", "range", id="the-one-before"),
        pytest.param("0" * 15, 10**15, "5" * 15, "range", id="all-of-15-digits"),
        pytest.param("0" * 15, 10**15, "5" * 14, "none", id="none-of-14-digits"),
        pytest.param("100", 2, "1*1", "none", id="a-star-between"),
        pytest.param("0", 10, "\u0661", "none", id="arabic-indic-digit"),
    ],
)
@pytest.mark.conformance("C-09", "C-03")
def test_edges_of_a_range(
    start: str, count: int, number: str, authority: Authority
) -> None:
    assert TNAuthList.build(ranges=[(start, count)]).authority(number) == authority


@pytest.mark.parametrize(
    ("start", "count"),
    [
        pytest.param("9900", 101, id="over-the-end"),
        pytest.param("9" * 15, 2, id="over-the-end-of-15-digits"),
        pytest.param("1" * 16, 2, id="sixteen-digits"),
        pytest.param("9900", 1, id="one"),
        pytest.param("9900", 0, id="none"),
        pytest.param("9900", -1, id="backwards"),
        pytest.param("99#0", 2, id="hash"),
        pytest.param("\uff1999", 2, id="fullwidth-digit"),
        pytest.param("\u0661", 2, id="arabic-indic-digit"),
    ],
)
@pytest.mark.conformance("C-09")
def test_no_range(start: str, count: int) -> None:
    with pytest.raises(Unverified) as caught:
        TNAuthList.build(ranges=[(start, count)])
    assert caught.value.reason is Reason.CREDENTIAL_MALFORMED


@st.composite
def blocks(draw: st.DrawFn) -> tuple[str, int]:
    start = draw(DIGITS.filter(lambda text: int(text) < 10 ** len(text) - 1))
    return start, draw(st.integers(2, 10 ** len(start) - int(start)))


@given(blocks())
@example(("9900", 100))
@example(("0", 10))
def test_a_range_is_as_long_as_its_count(block: tuple[str, int]) -> None:
    start, count = block

    [(first, last)] = TNAuthList.build(ranges=[block]).ranges

    assert first == start
    assert len(last) == len(start)
    assert int(last) - int(first) + 1 == count


@pytest.mark.conformance("A-05")
@pytest.mark.parametrize(
    ("digits", "country"),
    [
        pytest.param("4915123456789", "DE", id="global-without-its-plus"),
        pytest.param("468123456", "SE", id="number-of-stockholm-either-way"),
        pytest.param("15123456789", "DE", id="trunk-prefix-is-missing"),
        pytest.param("30123456", "DE", id="trunk-prefix-is-missing-and-nobody-abroad"),
        pytest.param("957165270", "AO", id="no-trunk-prefix-and-another-country"),
    ],
)
def test_digits_that_are_a_global_number_too_are_nobodys(
    digits: str, country: str
) -> None:
    """Whose subscriber is meant would be a guess."""
    assert tn.from_national(digits, country) is None


@pytest.mark.conformance("A-05")
@pytest.mark.parametrize(
    ("digits", "country", "number"),
    [
        pytest.param("015123456789", "DE", "4915123456789", id="trunk-prefix"),
        pytest.param("00442071838750", "DE", "442071838750", id="dialled-abroad"),
        pytest.param("2025550123", "US", "12025550123", id="north-america"),
        pytest.param("12025550123", "US", "12025550123", id="north-america-with-1"),
        pytest.param("600123456", "ES", "34600123456", id="no-trunk-prefix"),
        pytest.param("34600123456", "ES", "34600123456", id="the-same-number-in-full"),
        pytest.param("0612345678", "IT", "390612345678", id="zero-belongs-to-it"),
    ],
)
def test_numbers_are_completed_as_they_are_dialled(
    digits: str, country: str, number: str
) -> None:
    assert tn.from_national(digits, country) == number
