"""Telephone numbers in canonical form, and sets of them (RFC 8224 §8.3).

A canonical number is 1 to 15 of the ASCII characters ``0-9 # *``, without ``+``. Only
this module makes one, on both sides, so that no number has two spellings, and none has
two meanings: digits alone are always a global number. A short code such as 12345 means
something else in each network and would read like +12345, so it is no number here;
codes that begin with ``#`` or ``*`` cannot be mistaken, and stand as they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Final

import phonenumbers

from stirmilter.stir.numberlist import NumberList

CANONICAL: Final = re.compile(r"[0-9#*]{1,15}", re.ASCII)
_GLOBAL: Final = re.compile(r"\+([1-9][0-9]{1,14})", re.ASCII)
_SERVICE: Final = re.compile(r"(?=[#*]+[0-9])[0-9#*]{2,15}", re.ASCII)
_NATIONAL: Final = re.compile(r"[0-9]{4,20}", re.ASCII)
_PATTERN: Final = re.compile(
    r"\+(?P<start>[0-9]{1,15})(?:(?P<star>\*)|\s*-\s*\+(?P<end>[0-9]{1,15}))?", re.ASCII
)


def is_canonical(text: str) -> bool:
    """Tell whether `text` may stand in a ``tn`` claim (RFC 8226 §9, RFC 8224 §8.3)."""
    return CANONICAL.fullmatch(text) is not None


def from_global(text: str) -> str | None:
    """Return the canonical form of ``+`` and 2 to 15 digits, or None.

    Nothing is stripped and nothing is guessed: a national number has no meaning without
    a country, and a lenient reading would give one number two spellings (RFC 8224 §8.3
    lets the local policy decide). Unicode digits do not pass.
    """
    match = _GLOBAL.fullmatch(text)
    return match[1] if match else None


def from_service(text: str) -> str | None:
    """Return a network's service code, ``*123`` or ``#123``, as it stands, or None.

    Source: ``tn-spec`` of RFC 8224 §8.3, ``one`` of RFC 8226 §9.
    """
    return text if _SERVICE.fullmatch(text) else None


def from_national(text: str, country: str) -> str | None:
    """Return the canonical form of what is dialled within a country, or None.

    Where a trunk prefix is dialled, it must be there, except the 1 of North America:
    without it, digits may as well be a global number that lost its ``+``. Where none
    is dialled, digits that would be somebody's global number are nobody's.

    For signing alone: a signer knows its own subscribers' habits, a verifier does not
    know those of a stranger's network. ASCII digits only, trunk and international
    prefixes included; the number must be one that its country's plan assigns.

    Args:
        text: digits, nothing else.
        country: ISO 3166 code of two letters, ``US``.
    """
    if _NATIONAL.fullmatch(text) is None:
        return None
    try:
        number = phonenumbers.parse(text, country)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number):
        return None
    full = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    trunk = phonenumbers.ndd_prefix_for_region(country, True)
    if trunk is None and full != f"+{text}" and _is_assigned(f"+{text}"):
        return None
    if trunk not in (None, "1") and not text.startswith(trunk):
        return None
    return from_global(full)


def _is_assigned(full: str) -> bool:
    try:
        return phonenumbers.is_valid_number(phonenumbers.parse(full))
    except phonenumbers.NumberParseException:
        return False


def is_country(code: str) -> bool:
    """Tell whether `from_national` knows a country."""
    return code in phonenumbers.SUPPORTED_REGIONS


def mask(identity: str) -> str:
    """Hide the last four digits of a number, or the user of a URI.

    Either names a person, and logs are kept.
    """
    scheme, colon, rest = identity.partition(":")
    if colon:
        return f"{scheme}:xxxx@{rest.rpartition('@')[2]}"
    return f"{identity[:-4]}xxxx"


@dataclass(frozen=True, slots=True)
class NumberSet:
    """The numbers a signer serves: prefixes, ranges, single numbers.

    Look-up costs one hash per digit plus the ranges, however many numbers are listed.
    """

    numbers: frozenset[str] = frozenset()
    prefixes: frozenset[str] = frozenset()
    ranges: tuple[tuple[str, str], ...] = field(default=())
    """First and last number, both included, of equal length."""

    listed: NumberList = field(default_factory=NumberList)
    """More numbers, when there are too many of them for `numbers`."""

    @classmethod
    def parse(
        cls, patterns: Iterable[str], listed: NumberList | None = None
    ) -> NumberSet:
        """Read ``+1202555*``, ``+12025550100-+12025550199`` and ``+12025550123``.

        Service codes, ``*123`` or ``#123``, are written as they are dialled.

        Args:
            patterns: as above.
            listed: numbers that were read before, with `numberlist.read`.

        Raises:
            ValueError: a pattern is none of these; the message quotes it.
        """
        numbers, prefixes, ranges = set(), set(), []
        for pattern in map(str.strip, patterns):
            if from_service(pattern):
                numbers.add(pattern)
                continue
            match = _PATTERN.fullmatch(pattern)
            if match is None:
                raise ValueError(
                    f"{pattern!r}: expected a number +12025550123, a prefix +1202555*"
                    " or a range +12025550100-+12025550199"
                )
            start, end = match["start"], match["end"]
            if end is not None:
                if len(start) != len(end) or start > end:
                    raise ValueError(
                        f"{pattern!r}: both ends of a range need the same number of"
                        " digits, the lower first"
                    )
                ranges.append((start, end))
            elif match["star"]:
                prefixes.add(start)
            else:
                numbers.add(start)
        return cls(
            frozenset(numbers),
            frozenset(prefixes),
            tuple(ranges),
            NumberList() if listed is None else listed,
        )

    def __contains__(self, tn: str) -> bool:
        return (
            tn in self.numbers
            or tn in self.listed
            or (bool(self.prefixes) and self._has_prefix_of(tn))
            or (bool(self.ranges) and self._has_range_of(tn))
        )

    def _has_prefix_of(self, tn: str) -> bool:
        return not self.prefixes.isdisjoint(accumulate(tn))

    def _has_range_of(self, tn: str) -> bool:
        return tn.isdigit() and any(
            len(tn) == len(start) and start <= tn <= end for start, end in self.ranges
        )

    def __bool__(self) -> bool:
        return bool(self.numbers or self.prefixes or self.ranges or self.listed)

    def blocks(self) -> Iterable[tuple[str, str]]:
        """Yield first and last of every number and range, to hold a certificate to.

        A prefix has no length, so there is no block that a certificate must cover;
        each number under it meets the certificate when it is signed for.
        """
        for number in sorted(self.numbers):
            yield number, number
        for number in self.listed:
            yield number, number
        yield from self.ranges
