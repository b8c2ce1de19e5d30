"""The two MIME fields that say how a body is to be taken apart (RFC 2045, RFC 2046).

Read as leniently as relays read them: nothing here decides about a token.
"""

from __future__ import annotations

import re
from typing import Final

_BOUNDARY: Final = re.compile(
    rb';\s*boundary\s*=\s*(?:"([^"\r\n]{1,70})"|([^\s";]{1,70}))', re.IGNORECASE
)
_MULTIPART: Final = re.compile(rb"\s*multipart/", re.IGNORECASE)


def boundary_of(content_type: bytes) -> bytes | None:
    """Return the boundary that a Content-Type names, or None if it is no multipart."""
    if _MULTIPART.match(content_type) is None:
        return None
    match = _BOUNDARY.search(content_type)
    return (match[1] or match[2]).rstrip(b" \t") if match else None


def encoding_of(value: bytes) -> bytes:
    """Return the token of a Content-Transfer-Encoding, in lower case."""
    return value.strip(b' \t\r\n"').lower()
