"""Millions of telephone numbers in eight octets each, found by bisection.

A Python set of five million texts takes 600 MB; here they take 40 MB, and processes
that fork share them. A number is kept as an integer behind a leading 1, so that numbers
of different length, and leading zeros, stay apart.
"""

from __future__ import annotations

import heapq
import re
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

_LINE: Final = re.compile(rb"\+[0-9]{1,15}", re.ASCII)
_PLAIN: Final = b"+0123456789\r\n"
_MOST: Final = 16  # octets of a plus and 15 digits
_LONGEST: Final = 1_000  # octets of a line, comment included


@dataclass(frozen=True, slots=True)
class NumberList:
    """Numbers of digits alone, in order. An ``in`` costs two microseconds."""

    keys: array[int] = field(default_factory=lambda: array("Q"))

    def __hash__(self) -> int:
        return hash(len(self.keys))

    def __contains__(self, tn: str) -> bool:
        if not (self.keys and tn.isascii() and tn.isdigit() and len(tn) < _MOST):
            return False
        key = int(f"1{tn}")
        at = bisect_left(self.keys, key)
        return at < len(self.keys) and self.keys[at] == key

    def __len__(self) -> int:
        return len(self.keys)

    def __iter__(self) -> Iterator[str]:
        return (str(key)[1:] for key in self.keys)


def read(chunks: Iterable[bytes]) -> tuple[NumberList, list[str]]:
    """Read a file of numbers, one a line, and return what is no plain number besides.

    Empty lines and what follows a ``#`` do not count. Lines in order (``sort``) are
    read faster; memory is bounded by the numbers themselves either way.

    Args:
        chunks: of the file, cut anywhere.

    Raises:
        ValueError: a line is too long to be one.
    """
    runs: list[array[int]] = []
    others: list[str] = []
    for lines in _whole_lines(chunks):
        found = _plain(lines)
        if found is None:
            found = []
            _read_slowly(lines, found, others)
        if not found:
            continue
        found.sort()
        # A file in order is one run, so that nothing is kept twice, not even for a
        # moment: what is freed among all that stays is never given back.
        if not runs or found[0] < runs[-1][-1]:
            runs.append(array("Q"))
        runs[-1].extend(array("Q", found))
    return NumberList(_merged(runs)), others


def _whole_lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    rest = b""
    for chunk in chunks:
        octets = rest + chunk
        end = octets.rfind(b"\n") + 1
        rest = octets[end:]
        if len(rest) > _LONGEST:
            raise ValueError("a line is too long: expected one number a line")
        if end:
            yield octets[:end]
    if rest:
        yield rest


def _plain(lines: bytes) -> list[int] | None:
    """Read lines that hold nothing but numbers, or return None."""
    if lines.translate(None, _PLAIN):
        return None
    words = lines.split()
    if not words:
        return []
    together = b" ".join((b"", *words))
    one_plus_each = together.count(b" +") == len(words) == together.count(b"+")
    lengths = list(map(len, words))
    if not one_plus_each or max(lengths) > _MOST or min(lengths) == 1:
        return None
    return list(map(int, lines.replace(b"+", b"1").split()))


def _read_slowly(lines: bytes, numbers: list[int], others: list[str]) -> None:
    for line in lines.splitlines():
        text = line.partition(b"#")[0].strip()
        if _LINE.fullmatch(text):
            numbers.append(int(b"1" + text[1:]))
        elif text:
            others.append(text.decode("utf-8", "replace"))


def _merged(runs: Sequence[array[int]]) -> array[int]:
    """Put runs together, which are in order each."""
    return runs[0] if len(runs) == 1 else array("Q", heapq.merge(*runs))
