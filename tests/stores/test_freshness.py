"""How long an answer stays fresh, by what its header fields say (RFC 9111)."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stirmilter.stores.freshness import http_date, lifetime

NOW = datetime(2026, 1, 2, 12, 0, tzinfo=UTC)
FOREVER = float(2**31)


def fresh(*lines: str, delay: float = 0.0) -> float | None:
    """Read header lines; Date is now, unless they say otherwise."""
    fields = [line.partition(":") for line in lines]
    if not any(name == "date" for name, _, _ in fields):
        fields.append(("date", ":", date(0)))
    encoded = [(name.encode(), value.strip().encode()) for name, _, value in fields]
    return lifetime(encoded, NOW - timedelta(seconds=delay), NOW)


def date(seconds: float) -> str:
    return format_datetime(NOW + timedelta(seconds=seconds), usegmt=True)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        pytest.param("max-age=60", 60, id="max-age"),
        pytest.param("Max-Age=60", 60, id="capitals"),
        pytest.param('max-age="60"', 60, id="quoted"),
        pytest.param("public, max-age=60, must-revalidate", 60, id="among-others"),
        pytest.param(",, max-age=60 ,\t,", 60, id="empty-elements"),
        pytest.param("max-age=60, max-age=60", 60, id="twice-the-same"),
        pytest.param('x="a, max-age=5", max-age=60', 60, id="inside-of-another"),
        pytest.param(r'x="\", max-age=5", max-age=60', 60, id="behind-a-backslash"),
        pytest.param("max-age=0", 0, id="zero"),
        pytest.param("max-age=" + "0" * 30 + "60", 60, id="leading-zeros"),
        pytest.param("max-age=99999999999", FOREVER, id="eleven-digits"),
        pytest.param("max-age=" + "9" * 5000, FOREVER, id="five-thousand-digits"),
        pytest.param("max-age=60, max-age=61", 0, id="two-values"),
        pytest.param("max-age=-60", 0, id="negative"),
        pytest.param("max-age=1e3", 0, id="exponent"),
        pytest.param("max-age=6.5", 0, id="fraction"),
        pytest.param("max-age=\u0666", 0, id="digit-of-another-script"),
        pytest.param("max-age=", 0, id="no-value"),
        pytest.param("max-age", 0, id="no-equals-sign"),
        pytest.param("max-age = 60", 0, id="spaces"),
        pytest.param("max-age=60; public", 0, id="semicolon"),
        pytest.param('x="max-age=60', 0, id="quote-never-closed"),
        pytest.param("max-age=60, no-store", 0, id="no-store"),
        pytest.param("max-age=60, NO-CACHE", 0, id="no-cache"),
        pytest.param('max-age=60, no-cache="set-cookie"', 0, id="no-cache-of-a-field"),
        pytest.param("s-maxage=60", None, id="s-maxage-alone"),
        pytest.param("s-maxage=5, max-age=60", 60, id="s-maxage-beside"),
        pytest.param("private", None, id="nothing-about-time"),
        pytest.param("x-no-store", None, id="another-name"),
        pytest.param("", None, id="empty"),
    ],
)
def test_cache_control(value: str, seconds: float | None) -> None:
    assert fresh(f"cache-control: {value}") == seconds


def test_several_fields_are_one_list() -> None:
    assert fresh("cache-control: max-age=60", "cache-control: no-store") == 0
    assert fresh("cache-control: public", "cache-control: max-age=60") == 60


@pytest.mark.parametrize(
    ("lines", "seconds"),
    [
        pytest.param([f"expires: {date(60)}"], 60, id="ahead"),
        pytest.param([f"expires: {date(-60)}"], 0, id="past"),
        pytest.param(["expires: 0"], 0, id="zero"),
        pytest.param(["expires: -1"], 0, id="minus-one"),
        pytest.param(["expires: tomorrow"], 0, id="words"),
        pytest.param(["expires: "], 0, id="empty"),
        pytest.param(
            [f"expires: {date(60)}", f"expires: {date(60)}"], 60, id="twice-the-same"
        ),
        pytest.param(
            [f"expires: {date(60)}", f"expires: {date(70)}"], 0, id="two-values"
        ),
        pytest.param(
            [f"expires: {date(60)}", "cache-control: max-age=5"], 5, id="max-age-wins"
        ),
        pytest.param(
            [f"expires: {date(60)}", "cache-control: public"], 60, id="no-max-age"
        ),
        pytest.param(
            ["expires: Fri, 31 Dec 9999 23:59:59 GMT"], FOREVER, id="for-ever"
        ),
        pytest.param(
            [f"expires: {date(3660)}", f"date: {date(3600)}"], 60, id="clock-ahead"
        ),
        pytest.param(
            [f"expires: {date(60)}", "date: garbage"], 60, id="date-that-is-none"
        ),
        pytest.param([], None, id="nothing"),
    ],
)
def test_expires(lines: list[str], seconds: float | None) -> None:
    assert fresh(*lines) == seconds


@pytest.mark.parametrize(
    ("lines", "seconds"),
    [
        pytest.param(["age: 20"], 40, id="age"),
        pytest.param(["age: 70"], 0, id="older-than-that"),
        pytest.param(["age: 20, 50"], 40, id="first-of-a-list"),
        pytest.param(["age: 20", "age: 50"], 40, id="first-of-two"),
        pytest.param(["age: -20"], 60, id="negative-is-no-age"),
        pytest.param(["age: old"], 60, id="words-are-no-age"),
        pytest.param(["age: " + "9" * 5000], 0, id="endless"),
        pytest.param([f"date: {date(-20)}"], 40, id="from-date"),
        pytest.param([f"date: {date(-20)}", "age: 30"], 30, id="the-greater"),
        pytest.param([f"date: {date(20)}"], 60, id="date-ahead"),
    ],
)
def test_the_age_is_taken_off(lines: list[str], seconds: float) -> None:
    assert fresh("cache-control: max-age=60", *lines) == seconds


def test_the_time_on_the_way_is_taken_off() -> None:
    assert fresh("cache-control: max-age=60", "age: 20", delay=3) == 37


def test_a_clock_that_was_set_back_meanwhile_makes_nothing_younger() -> None:
    assert fresh("cache-control: max-age=60", "age: 20", delay=-100) == 40


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("Sun, 06 Nov 1994 08:49:37 GMT", id="imf-fixdate"),
        pytest.param("Sunday, 06-Nov-94 08:49:37 GMT", id="rfc-850"),
        pytest.param("Sun Nov  6 08:49:37 1994", id="asctime"),
    ],
)
def test_dates_have_three_forms(text: str) -> None:
    assert http_date(text, NOW) == datetime(1994, 11, 6, 8, 49, 37, tzinfo=UTC)


@pytest.mark.parametrize(
    ("year", "meant"),
    [("26", 2026), ("76", 2076), ("77", 1977), ("99", 1999), ("00", 2000)],
)
def test_a_year_of_two_digits_is_not_far_ahead(year: str, meant: int) -> None:
    found = http_date(f"Monday, 01-Jan-{year} 00:00:00 GMT", NOW)

    assert found == datetime(meant, 1, 1, tzinfo=UTC)


def test_a_leap_second_is_a_second() -> None:
    found = http_date("Sat, 31 Dec 2016 23:59:60 GMT", NOW)

    assert found == datetime(2016, 12, 31, 23, 59, 59, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("Sun, 06 Nov 1994 08:49:37", id="no-zone"),
        pytest.param("Sun, 06 Nov 1994 08:49:37 +0000", id="numeric-zone"),
        pytest.param("Sun, 06 Nov 1994 08:49:37 CET", id="another-zone"),
        pytest.param("Sun, 31 Feb 1994 08:49:37 GMT", id="no-such-day"),
        pytest.param("Sun, 00 Nov 1994 08:49:37 GMT", id="day-zero"),
        pytest.param("Sun, 06 Nuv 1994 08:49:37 GMT", id="no-such-month"),
        pytest.param("Sun, 06 Nov 0000 08:49:37 GMT", id="year-zero"),
        pytest.param("Sun, 06 Nov 1994 24:00:00 GMT", id="hour-24"),
        pytest.param("1994-11-06T08:49:37Z", id="iso"),
    ],
)
def test_what_is_no_date(text: str) -> None:
    assert http_date(text, NOW) is None


FIELDS = st.sampled_from(["cache-control", "expires", "date", "age", "pragma"])
WORDS = st.sampled_from(
    ["max-age", "no-store", "no-cache", "s-maxage", "=", '"', ",", " ", "\\", "-", "0"]
)
VALUES = st.one_of(
    st.lists(WORDS | st.integers().map(str)).map("".join),
    st.text(),
    st.datetimes(min_value=datetime(1900, 1, 1)).map(  # noqa: DTZ001 - hypothesis wants it
        lambda moment: format_datetime(moment.replace(tzinfo=UTC), usegmt=True)
    ),
)


@given(st.lists(st.tuples(FIELDS, VALUES)))
def test_whatever_a_server_says_has_a_meaning(fields: list[tuple[str, str]]) -> None:
    encoded = [(name.encode(), value.encode()) for name, value in fields]

    found = lifetime(encoded, NOW, NOW)

    assert found is None or 0 <= found <= FOREVER


@given(st.lists(st.tuples(FIELDS, VALUES)))
def test_no_store_cannot_be_talked_away(fields: list[tuple[str, str]]) -> None:
    """Neither before it nor behind it; in a field of its own."""
    encoded = [(name.encode(), value.encode()) for name, value in fields]
    refusal = (b"cache-control", b"no-store")

    for place in (0, len(encoded)):
        assert lifetime([*encoded[:place], refusal, *encoded[place:]], NOW, NOW) == 0


@given(st.integers(0, 2**31), st.integers(0, 2**31))
def test_what_is_left_is_what_was_granted_less_the_age(granted: int, age: int) -> None:
    found = fresh(f"cache-control: max-age={granted}", f"age: {age}")

    assert found == max(0, granted - age)


@given(st.datetimes(min_value=datetime(1900, 1, 1)))  # noqa: DTZ001 - hypothesis wants it
def test_a_date_is_read_as_it_was_written(moment: datetime) -> None:
    whole = moment.replace(microsecond=0, tzinfo=UTC)

    assert http_date(format_datetime(whole, usegmt=True), NOW) == whole
