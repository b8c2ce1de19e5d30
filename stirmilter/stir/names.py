"""Distinguished names that mean the same, as one value (RFC 5280 §7.1).

A revocation list and a certificate may spell one issuer in two kinds of string, or in
other capitals. Compared octet by octet, a certificate that is revoked would be good.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from typing import Final

from stirmilter.stir import der

NameKey = tuple[tuple[tuple[bytes, str | bytes], ...], ...]
"""Relative names in order; each its attributes, sorted."""

_ENCODINGS: Final = {
    0x0C: "utf-8",  # UTF8String
    0x13: "latin-1",  # PrintableString, and what some put there
    0x14: "latin-1",  # TeletexString
    0x16: "latin-1",  # IA5String
    0x1C: "utf-32-be",  # UniversalString
    0x1E: "utf-16-be",  # BMPString
}


@lru_cache(maxsize=1024)
def key(name: bytes) -> NameKey:
    """Return what two names have in common if they mean the same.

    Kind of string, capitals, composition and runs of spaces do not count. The order of
    the relative names does: O=A,C=US is another name than C=US,O=A.

    Raises:
        ValueError: not DER of a Name.
    """
    start, end = der.content(name, 0, len(name), der.SEQUENCE)
    if end != len(name):
        raise ValueError("DER: more than a name")
    return tuple(
        tuple(sorted(_relative(name, tag, *part), key=repr))
        for tag, *part in der.elements(name, start, end)
    )


def _relative(
    name: bytes, tag: int, at: int, end: int
) -> list[tuple[bytes, str | bytes]]:
    """Read the attributes of one relative name."""
    if tag != der.SET or at == end:
        raise ValueError("DER: no relative name")
    found = []
    for inner, start, stop in der.elements(name, at, end):
        if inner != der.SEQUENCE:
            raise ValueError("DER: no attribute of a name")
        begin, middle = der.content(name, start, stop, der.OID)
        kind, first, last = der.element(name, middle, stop)
        if last != stop:
            raise ValueError("DER: more than an attribute of a name")
        found.append((name[begin:middle], _value(kind, name[first:last])))
    return found


def _value(tag: int, octets: bytes) -> str | bytes:
    encoding = _ENCODINGS.get(tag)
    if encoding is None:
        return bytes([tag]) + octets
    text = octets.decode(encoding)  # UnicodeDecodeError is a ValueError
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())
