"""Which header fields of a message must go before ours are added."""

from __future__ import annotations

from collections.abc import Iterable

from stirmilter.mail import authres
from stirmilter.mail.transaction import Header, Removal


def forged(headers: Iterable[Header], authserv_id: str) -> tuple[Removal, ...]:
    """List the Authentication-Results that claim to be ours (RFC 8601 §5)."""
    removals = []
    occurrence = 0
    for header in headers:
        if header.named((authres.NAME,)):
            occurrence += 1
            if authres.forged(header.text, authserv_id):
                removals.append(Removal(header.name, occurrence))
    return tuple(removals)
