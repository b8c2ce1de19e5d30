"""What is said of a pattern that names no numbers, and what a set then holds."""

import re
from dataclasses import FrozenInstanceError

import pytest

from stirmilter.stir.tn import NumberSet

NO_PATTERN = (
    "expected a number +12025550123, a prefix +1202555*"
    " or a range +12025550100-+12025550199"
)
NO_RANGE = "both ends of a range need the same number of digits, the lower first"


@pytest.mark.parametrize(
    ("pattern", "told"),
    [
        pytest.param("12025550123", NO_PATTERN, id="no-plus"),
        pytest.param("+1202 555", NO_PATTERN, id="blank-inside"),
        pytest.param("*", NO_PATTERN, id="star-alone"),
        pytest.param("+100-+99", NO_RANGE, id="shorter-end"),
        pytest.param("+199-+100", NO_RANGE, id="higher-end-first"),
    ],
)
def test_a_pattern_is_quoted_with_what_it_should_be(pattern: str, told: str) -> None:
    expected = re.escape(f"'{pattern}': {told}")

    with pytest.raises(ValueError, match=f"^{expected}$"):
        NumberSet.parse(["+1*", pattern])


def test_every_pattern_of_a_list_counts() -> None:
    patterns = ["*123", "+12", "+13*", "+100-+199", "#123", "+14", "+15*", "+200-+299"]

    found = NumberSet.parse(patterns)

    assert found.numbers == {"*123", "12", "#123", "14"}
    assert found.prefixes == {"13", "15"}
    assert found.ranges == (("100", "199"), ("200", "299"))


def test_a_set_stays_as_it_was_written() -> None:
    found = NumberSet.parse(["+1*"])

    with pytest.raises(FrozenInstanceError):
        found.prefixes = frozenset({"4"})  # type: ignore[misc]
