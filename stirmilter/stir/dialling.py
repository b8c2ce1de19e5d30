"""Numbers as somebody dials them, held against those that a token names.

A verifier completes no national form (`tn.from_national` is for signers): of one it
only asks whether a number of the token may be meant. Whoever signs for a country names
the whole number where To shows ``030123456``, which is no other than +4930123456.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Final

FEWEST: Final = 6
"""Digits that must agree; fewer are a short code, which each network has for itself."""

_BEFORE: Final = ("", "001", "0011", "009", "010", "011", "020", "8", "810")
"""What is dialled before a number to leave the country, or the town, if not zeros
alone; as libphonenumber has them."""


def unexplained(dialled: Iterable[str], named: Collection[str]) -> int:
    """Count what was dialled and means none of the identities that are named.

    One means a number that is spelt the same, but for a plus sign. Digits alone also
    mean a number that ends like them, without the zeros and codes before them.

    Args:
        dialled: each of the characters ``0-9 # * +``, or of none of them.
        named: canonical numbers and URIs.
    """
    ends = {
        number[start:]
        for number in named
        if number.isdigit()
        for start in range(len(number) - FEWEST + 1)
    }
    return sum(
        text.removeprefix("+") not in named and ends.isdisjoint(_without_codes(text))
        for text in dialled
    )


def _without_codes(text: str) -> Iterator[str]:
    for code in _BEFORE:
        if text.startswith(code):
            yield text[len(code) :].lstrip("0")
