"""DER elements, one at a time (X.690 §8.1, §10.1).

For what the library reads too slowly or not at all: the hundred thousand entries of a
revocation list, and names that stand inside of extensions.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

INTEGER: Final = 0x02
OID: Final = 0x06
SEQUENCE: Final = 0x30
SET: Final = 0x31

_LONG: Final = 0x80
_MULTIPLE: Final = 0x1F
_MOST: Final = 4  # octets of a length: four gigabytes


def element(octets: bytes, at: int, end: int) -> tuple[int, int, int]:
    """Return tag, start and end of the content of the element at `at`.

    Raises:
        ValueError: it is not DER, or reaches beyond `end`.
    """
    if at + 2 > end:
        raise ValueError("DER: it breaks off")
    tag, length = octets[at], octets[at + 1]
    at += 2
    if length & _LONG:
        count = length & ~_LONG
        if not 0 < count <= _MOST or at + count > end:
            raise ValueError("DER: a length that breaks off, or has no end")
        length = int.from_bytes(octets[at : at + count], "big")
        if length < _LONG or length >> (8 * (count - 1)) == 0:
            raise ValueError("DER: a length that is not the shortest")
        at += count
    if tag & _MULTIPLE == _MULTIPLE or at + length > end:
        raise ValueError("DER: an element that reaches too far")
    return tag, at, at + length


def elements(octets: bytes, at: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Yield tag, start and end of each of the elements between `at` and `end`.

    Raises:
        ValueError: as `element`.
    """
    while at < end:
        tag, start, at = element(octets, at, end)
        yield tag, start, at


def content(octets: bytes, at: int, end: int, tag: int) -> tuple[int, int]:
    """Return start and end of the content of an element that must have `tag`.

    Raises:
        ValueError: it has another, or as `element`.
    """
    found, start, stop = element(octets, at, end)
    if found != tag:
        raise ValueError(f"DER: tag {found:#04x} where {tag:#04x} belongs")
    return start, stop
