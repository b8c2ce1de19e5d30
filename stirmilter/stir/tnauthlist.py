"""TNAuthList: what a certificate may speak for (RFC 8226 §9).

Decoding checks every value that the ASN.1 leaves open. Look-up is a hash or a
bisection, so a list of thousands of entries costs a message nothing.

Deviation: RFC 8226 asks for start + count < 10^D in a range of D digits, which forbids
a block that ends in 9s; here the last number, start + count - 1, must have D digits.
A service provider code is any IA5String there, and 1 to 64 visible characters here.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from stirmilter.stir import hazmat, tn
from stirmilter.stir.result import Authority, Reason, Unverified

_DIGITS: Final = re.compile(r"[0-9]{1,15}", re.ASCII)
_SPC: Final = re.compile(r"[!-~]{1,64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class TNAuthList:
    """The service provider codes, single numbers and ranges of one certificate."""

    spcs: tuple[str, ...] = ()
    numbers: frozenset[str] = frozenset()
    ranges: tuple[tuple[str, str], ...] = ()
    """First and last number, both included, of equal length; sorted, not touching."""

    blocks: tuple[tuple[str, str], ...] = field(default=(), repr=False, compare=False)
    """The ranges with the single numbers merged in: what `covers` looks at."""

    @classmethod
    def build(
        cls,
        spcs: Iterable[str] = (),
        numbers: Iterable[str] = (),
        ranges: Iterable[tuple[str, int]] = (),
    ) -> TNAuthList:
        """Make a list from codes, numbers and ``(start, count)`` ranges.

        Raises:
            Unverified: `Reason.CREDENTIAL_MALFORMED`, quoting the value.
        """
        singles = frozenset(_checked(one, tn.CANONICAL, "one") for one in numbers)
        spans = [_range(start, count) for start, count in ranges]
        return cls(
            tuple(_checked(spc, _SPC, "spc") for spc in spcs),
            singles,
            _merge(spans),
            _merge([*spans, *((one, one) for one in singles if one.isdigit())]),
        )

    @staticmethod
    def decode(der: bytes) -> TNAuthList:
        """Decode the extension's octets.

        Raises:
            Unverified: `Reason.CREDENTIAL_MALFORMED`.
        """
        return _decode(der)

    def authority(self, number: str) -> Authority:
        """Tell by which kind of entry a canonical number is covered, if at all.

        ``spc`` is the weakest: the list names a carrier, and nothing here knows which
        numbers are that carrier's.
        """
        if number in self.numbers:
            return "tn"
        if self.covers(number, number):
            return "range"
        return "spc" if self.spcs else "none"

    def covers(self, first: str, last: str) -> bool:
        """Tell whether numbers, not codes, cover `first` to `last` inclusive."""
        if first == last and first in self.numbers:
            return True
        place = bisect_right(self.blocks, _key(first), key=lambda r: _key(r[0])) - 1
        if place < 0:
            return False
        _, end = self.blocks[place]
        return (
            len(end) == len(last)
            and last <= end
            and _DIGITS.fullmatch(first) is not None
        )

    def encompasses(self, child: TNAuthList) -> bool:
        """Tell whether a certificate with this list may issue one with that list.

        Source: RFC 9060 §4.1: the child's scope is equal to the parent's or inside it.
        Numbers lie inside a carrier's code, by that section's permission: which numbers
        are a carrier's, no certificate says. A code lies inside itself only.
        """
        if not set(child.spcs) <= set(self.spcs):
            return False
        return bool(self.spcs) or (
            all(self.covers(first, last) for first, last in child.blocks)
            and all(one.isdigit() or one in self.numbers for one in child.numbers)
        )

    def __str__(self) -> str:
        """Name every entry, for people."""
        return ", ".join(
            [
                *(f"SPC {spc}" for spc in self.spcs),
                *(f"+{first}-+{last}" for first, last in self.ranges),
                *(f"+{number}" for number in sorted(self.numbers)),
            ]
        )


@lru_cache(maxsize=256)
def _decode(der: bytes) -> TNAuthList:
    """Decode once: a long list takes milliseconds, and each message needs it."""
    try:
        entries = hazmat.decode_tn_auth_list(der)
    except ValueError as error:
        detail = f"TNAuthList: {error}"
        raise Unverified(Reason.CREDENTIAL_MALFORMED, detail, "RFC 8226 §9") from None
    return TNAuthList.build(
        (text for kind, text, _ in entries if kind == "spc"),
        (text for kind, text, _ in entries if kind == "one"),
        ((text, count) for kind, text, count in entries if kind == "range"),
    )


def _checked(text: str, form: re.Pattern[str], name: str) -> str:
    if form.fullmatch(text) is None:
        detail = f"TNAuthList: {name} {text!r}"
        raise Unverified(Reason.CREDENTIAL_MALFORMED, detail, "RFC 8226 §9")
    return text


def _range(start: str, count: int) -> tuple[str, str]:
    _checked(start, _DIGITS, "range start")
    last = int(start) + count - 1
    if count < 2 or last >= 10 ** len(start):  # noqa: PLR2004 - INTEGER (2..MAX)
        # The count is not told: an INTEGER may have more digits than Python prints.
        detail = f"TNAuthList: the count of range {start}"
        raise Unverified(Reason.CREDENTIAL_MALFORMED, detail, "RFC 8226 §9")
    return start, f"{last:0{len(start)}d}"


def _merge(ranges: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """Join ranges that overlap or touch, so that one bisection finds the answer."""
    merged: list[tuple[str, str]] = []
    for first, last in sorted(ranges, key=lambda r: _key(r[0])):
        if merged and len(merged[-1][1]) == len(first):
            previous, end = merged[-1]
            if int(first) <= int(end) + 1:
                merged[-1] = (previous, max(end, last))
                continue
        merged.append((first, last))
    return tuple(merged)


def _key(number: str) -> tuple[int, str]:
    """Order numbers of one length together: 0123 and 123 are different numbers."""
    return len(number), number
