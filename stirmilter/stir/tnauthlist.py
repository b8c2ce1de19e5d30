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
from typing import Final, NamedTuple

from stirmilter.stir import hazmat, tn
from stirmilter.stir.result import Authority, Reason, Unverified

_DIGITS: Final = re.compile(r"[0-9]{1,15}", re.ASCII)
_AFTER_ALL: Final = 10**15
_SPC: Final = re.compile(r"[!-~]{1,64}", re.ASCII)


class Block(NamedTuple):
    """Numbers of one length, `first` to `last` inclusive.

    Blocks sort by length first: 0123 and 123 are different numbers.
    """

    length: int
    first: int
    last: int

    @property
    def ends(self) -> tuple[str, str]:
        """Both ends with all their digits."""
        return f"{self.first:0{self.length}d}", f"{self.last:0{self.length}d}"


@dataclass(frozen=True, slots=True)
class TNAuthList:
    """The service provider codes, single numbers and ranges of one certificate."""

    spcs: tuple[str, ...] = ()
    numbers: frozenset[str] = frozenset()
    spans: tuple[Block, ...] = ()
    """The ranges, sorted; those that overlap or touch are joined."""

    blocks: tuple[Block, ...] = field(default=(), repr=False, compare=False)
    """The spans with the single numbers merged in: what `covers` looks at."""

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
        singles = frozenset([_checked(one, tn.CANONICAL, "one") for one in numbers])
        joined = _merge([_range(start, count) for start, count in ranges])
        return cls(
            tuple([_checked(spc, _SPC, "spc") for spc in spcs]),
            singles,
            joined,
            _merge([*joined, *(_single(one) for one in singles if one.isdigit())]),
        )

    @staticmethod
    def decode(der: bytes) -> TNAuthList:
        """Decode the extension's octets.

        Raises:
            Unverified: `Reason.CREDENTIAL_MALFORMED`.
        """
        return _decode(der)

    def joined(self, other: TNAuthList) -> TNAuthList:
        """Return the list that has the entries of both: they add up (RFC 9060 §4)."""
        numbers = self.numbers | other.numbers
        spans = _merge([*self.spans, *other.spans])
        return TNAuthList(
            (*self.spcs, *(spc for spc in other.spcs if spc not in self.spcs)),
            numbers,
            spans,
            _merge([*spans, *(_single(one) for one in numbers if one.isdigit())]),
        )

    @property
    def ranges(self) -> tuple[tuple[str, str], ...]:
        """First and last number of each range, for people."""
        return tuple(block.ends for block in self.spans)

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
        if not _DIGITS.fullmatch(first) or not _DIGITS.fullmatch(last):
            return False
        wanted = Block(len(first), int(first), int(last))
        return len(last) == wanted.length and self._holds(wanted)

    def encompasses(self, child: TNAuthList) -> bool:
        """Tell whether a certificate with this list may issue one with that list.

        Source: RFC 9060 §4.1: the child's scope is equal to the parent's or inside it.
        Numbers lie inside a carrier's code, by that section's permission: which numbers
        are a carrier's, no certificate says. A code lies inside itself only.
        """
        if not set(child.spcs) <= set(self.spcs):
            return False
        return bool(self.spcs) or (
            all(self._holds(block) for block in child.blocks)
            and all(one.isdigit() or one in self.numbers for one in child.numbers)
        )

    def _holds(self, wanted: Block) -> bool:
        place = bisect_right(self.blocks, (wanted.length, wanted.first, _AFTER_ALL)) - 1
        if place < 0:
            return False
        found = self.blocks[place]
        return found.length == wanted.length and wanted.last <= found.last

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


def _single(number: str) -> Block:
    value = int(number)
    return Block(len(number), value, value)


def _range(start: str, count: int) -> Block:
    _checked(start, _DIGITS, "range start")
    first = int(start)
    if count < 2 or first + count > 10 ** len(start):  # noqa: PLR2004 - INTEGER (2..MAX)
        # The count is not told: an INTEGER may have more digits than Python prints.
        detail = f"TNAuthList: the count of range {start}"
        raise Unverified(Reason.CREDENTIAL_MALFORMED, detail, "RFC 8226 §9")
    return Block(len(start), first, first + count - 1)


def _merge(blocks: list[Block]) -> tuple[Block, ...]:
    """Join blocks that overlap or touch, so that one bisection finds the answer."""
    merged: list[Block] = []
    for block in sorted(blocks):
        if merged:
            length, first, last = merged[-1]
            if length == block.length and block.first <= last + 1:
                merged[-1] = Block(length, first, max(last, block.last))
                continue
        merged.append(block)
    return tuple(merged)
