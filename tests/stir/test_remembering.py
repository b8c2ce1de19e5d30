"""What is remembered, and what is not."""

import pytest

from stirmilter.stir.remembering import remembered


class Counted:
    """A function that counts how often it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, int]] = []

    def __call__(self, text: str, number: int) -> str:
        self.asked.append((text, number))
        if not text:
            raise ValueError("nothing")
        return text * number


@pytest.fixture
def counted() -> Counted:
    return Counted()


def test_a_short_text_is_looked_at_once(counted: Counted) -> None:
    read = remembered(3)(counted)

    assert [read("abc", 2), read("abc", 2), read("abc", 3)] == ["abcabc"] * 2 + [
        "abcabcabc"
    ]
    assert counted.asked == [("abc", 2), ("abc", 3)]


def test_a_longer_one_is_not_kept(counted: Counted) -> None:
    read = remembered(3)(counted)

    assert [read("abcd", 1), read("abcd", 1)] == ["abcd"] * 2
    assert len(counted.asked) == 2
    assert read.cache_info().currsize == 0


def test_what_was_raised_is_not_kept(counted: Counted) -> None:
    read = remembered(3)(counted)

    for _ in range(2):
        with pytest.raises(ValueError, match="nothing"):
            read("", 1)
    assert len(counted.asked) == 2


def test_the_one_not_used_for_longest_gives_way(counted: Counted) -> None:
    read = remembered(3, entries=2)(counted)

    for text in ("a", "b", "a", "c", "a", "b"):
        read(text, 1)

    assert [text for text, _ in counted.asked] == ["a", "b", "c", "b"]


def test_it_forgets_when_it_is_told(counted: Counted) -> None:
    read = remembered(3)(counted)
    read("a", 1)
    read.cache_clear()
    read("a", 1)

    assert len(counted.asked) == 2
