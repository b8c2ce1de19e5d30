"""The two MIME fields that say how a body is to be taken apart (RFC 2045, RFC 2046).

Read as leniently as relays read them: nothing here decides about a token.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_BOUNDARY: Final = re.compile(
    rb';\s*boundary\s*=\s*(?:"([^"\r\n]{1,70})"|([^\s";]{1,70}))', re.IGNORECASE
)
_MULTIPART: Final = re.compile(rb"\s*multipart/", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class PartLimits:
    """How far a multipart is taken apart, to foresee or to explain what changes it."""

    parts: int = 200
    """One that has more, those of multiparts in it included, is not explained."""

    header_octets: int = 8_192
    """Of one part's header; what is beyond is not looked at."""

    boundaries: int = 20
    """Multiparts within each other, or beside; the parts of more are not told apart."""


def boundary_of(content_type: bytes) -> bytes | None:
    """Return the boundary that a Content-Type names, or None if it is no multipart."""
    if _MULTIPART.match(content_type) is None:
        return None
    match = _BOUNDARY.search(content_type)
    return (match[1] or match[2]).rstrip(b" \t") if match else None


def encoding_of(value: bytes) -> bytes:
    """Return the token of a Content-Transfer-Encoding, in lower case."""
    return value.strip(b' \t\r\n"').lower()
