from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stirmilter.stir import tn
from stirmilter.stir.tn import NumberSet

DIGITS = st.text("019", min_size=1, max_size=3)
SHORT_NUMBERS = ["".join(d) for n in (1, 2, 3, 4) for d in product("019", repeat=n)]


@pytest.mark.parametrize(
    ("text", "good"),
    [
        pytest.param("12025550123", True, id="e164-digits"),
        pytest.param("0", True, id="one-digit"),
        pytest.param("*67#", True, id="star-and-hash"),
        pytest.param("1" * 15, True, id="fifteen-digits"),
        pytest.param("1" * 16, False, id="sixteen-digits"),
        pytest.param("", False, id="empty"),
        pytest.param("+12025550123", False, id="plus"),
        pytest.param("1202555 0123", False, id="space"),
        pytest.param("1-202-555", False, id="hyphens"),
        pytest.param("12025550123\n", False, id="line-end"),
        pytest.param("\u0661\u0662\u0663", False, id="arabic-indic-digits"),
        pytest.param("\uff11\uff12", False, id="fullwidth-digits"),
        pytest.param("1202abc", False, id="letters"),
    ],
)
@pytest.mark.conformance("F-18")
def test_canonical_form(text: str, good: bool) -> None:
    assert tn.is_canonical(text) is good


@pytest.mark.parametrize(
    ("text", "number"),
    [
        pytest.param("+12025550123", "12025550123", id="e164"),
        pytest.param("+12", "12", id="two-digits"),
        pytest.param("+1", None, id="one-digit"),
        pytest.param("+" + "1" * 15, "1" * 15, id="fifteen-digits"),
        pytest.param("+" + "1" * 16, None, id="sixteen-digits"),
        pytest.param("12025550123", None, id="no-plus"),
        pytest.param("+02025550123", None, id="country-code-zero"),
        pytest.param("0012025550123", None, id="dialling-prefix"),
        pytest.param("+1 202 555 0123", None, id="spaces"),
        pytest.param("+1-202-555-0123", None, id="hyphens"),
        pytest.param("+1(202)5550123", None, id="brackets"),
        pytest.param("++12025550123", None, id="two-plus-signs"),
        pytest.param("\uff0b12025550123", None, id="fullwidth-plus"),
        pytest.param("+1202555012\u0663", None, id="arabic-indic-digit"),
        pytest.param("+12025550123\n", None, id="line-end"),
        pytest.param("+1202555012\u200b3", None, id="zero-width-space"),
        pytest.param("+1202*#", None, id="star-and-hash"),
        pytest.param("", None, id="empty"),
    ],
)
@pytest.mark.conformance("A-05")
def test_global_numbers_are_read_without_guessing(
    text: str, number: str | None
) -> None:
    assert tn.from_global(text) == number


@given(st.text("+0129 -\u0661", max_size=17))
def test_what_is_read_has_one_spelling(text: str) -> None:
    number = tn.from_global(text)

    assert number is None or ("+" + number == text and tn.is_canonical(number))


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        pytest.param("12025550123", "1202555xxxx", id="long"),
        pytest.param("12345", "1xxxx", id="five-digits"),
        pytest.param("1234", "xxxx", id="four-digits"),
        pytest.param("12", "xxxx", id="two-digits"),
    ],
)
def test_mask_hides_four_digits(number: str, shown: str) -> None:
    assert tn.mask(number) == shown


@pytest.mark.parametrize(
    ("pattern", "number", "inside"),
    [
        pytest.param("+12025550123", "12025550123", True, id="the-number"),
        pytest.param("+12025550123", "12025550124", False, id="the-next-number"),
        pytest.param("+12025550123", "120255501230", False, id="a-longer-number"),
        pytest.param(" +12025550123 ", "12025550123", True, id="blanks-around"),
        pytest.param("+1202555*", "12025550123", True, id="under-the-prefix"),
        pytest.param("+1202555*", "1202555", True, id="the-prefix-itself"),
        pytest.param("+1202555*", "120255", False, id="shorter-than-the-prefix"),
        pytest.param("+1202555*", "12025560000", False, id="beside-the-prefix"),
        pytest.param("+12025550100-+12025550199", "12025550100", True, id="first"),
        pytest.param("+12025550100-+12025550199", "12025550199", True, id="last"),
        pytest.param("+12025550100-+12025550199", "12025550200", False, id="after"),
        pytest.param("+12025550100-+12025550199", "12025550099", False, id="before"),
        pytest.param("+12025550100-+12025550199", "120255501500", False, id="longer"),
        pytest.param("+12025550100-+12025550199", "1202555015", False, id="shorter"),
        pytest.param("+12025550100 - +12025550199", "12025550150", True, id="spaced"),
        pytest.param("+100-+100", "100", True, id="range-of-one"),
    ],
)
def test_number_sets_hold_what_they_name(
    pattern: str, number: str, inside: bool
) -> None:
    assert (number in NumberSet.parse([pattern])) is inside


@pytest.mark.parametrize("number", ["1202555015#", "12025551*50", "12025558#99"])
def test_ranges_hold_digits_only(number: str) -> None:
    inside = number in NumberSet.parse(["+12025550000-+12025559999"])
    assert not inside


@pytest.mark.parametrize(
    "pattern",
    [
        pytest.param("", id="empty"),
        pytest.param("*", id="everything"),
        pytest.param("+*", id="prefix-of-nothing"),
        pytest.param("12025550123", id="no-plus"),
        pytest.param("1202555*", id="prefix-without-plus"),
        pytest.param("+1202*555", id="star-in-the-middle"),
        pytest.param("+12025550100-+1202555019", id="ends-of-unequal-length"),
        pytest.param("+12025550199-+12025550100", id="upside-down"),
        pytest.param("+12025550100-12025550199", id="end-without-plus"),
        pytest.param("+12025550100-+", id="no-end"),
        pytest.param("+12025550100*-+12025550199", id="prefix-and-range"),
        pytest.param("+" + "1" * 16, id="sixteen-digits"),
        pytest.param("+1202555\u0661*", id="arabic-indic-digit"),
        pytest.param("@numbers.txt", id="file"),
    ],
)
def test_bad_patterns_are_quoted(pattern: str) -> None:
    with pytest.raises(ValueError, match=r"expected|same number") as caught:
        NumberSet.parse([pattern])
    assert repr(pattern) in str(caught.value)


@given(st.sets(DIGITS), st.sets(DIGITS), st.lists(st.tuples(DIGITS, DIGITS)))
def test_number_sets_agree_with_the_naive_definition(
    numbers: set[str], prefixes: set[str], pairs: list[tuple[str, str]]
) -> None:
    ranges = [(a, b) for a, b in pairs if len(a) == len(b) and a <= b]
    found = NumberSet.parse(
        [
            *(f"+{number}" for number in numbers),
            *(f"+{prefix}*" for prefix in prefixes),
            *(f"+{first}-+{last}" for first, last in ranges),
        ]
    )

    for number in SHORT_NUMBERS:
        assert (number in found) == (
            number in numbers
            or any(number.startswith(prefix) for prefix in prefixes)
            or any(
                number
                in {f"{n:0{len(first)}}" for n in range(int(first), int(last) + 1)}
                for first, last in ranges
            )
        )


@pytest.mark.parametrize(
    "pattern", ["+12025550123", "+1*", "+100-+199"], ids=["number", "prefix", "range"]
)
def test_a_set_of_anything_is_true(pattern: str) -> None:
    assert NumberSet.parse([pattern])


def test_a_set_of_nothing_is_false() -> None:
    assert not NumberSet.parse([])


def test_blocks_are_numbers_and_ranges_but_no_prefixes() -> None:
    numbers = NumberSet.parse(["+12", "+1*", "+100-+199", "+11"])

    assert list(numbers.blocks()) == [("11", "11"), ("12", "12"), ("100", "199")]
