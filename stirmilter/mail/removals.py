"""Which header fields of a message must go before ours are added."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from stirmilter.mail import authres
from stirmilter.mail.mailpolicy import MailPolicy
from stirmilter.mail.transaction import Header, Removal


def of(headers: Sequence[Header], policy: MailPolicy) -> tuple[Removal, ...]:
    """List all that claims to be ours: results, and tags of our policy."""
    return (
        *forged(headers, policy.authserv_id),
        *named(headers, policy.actions.header_names),
    )


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


def named(headers: Iterable[Header], names: Iterable[str]) -> tuple[Removal, ...]:
    """List every field of some names."""
    wanted = {name.lower() for name in names}
    seen: Counter[str] = Counter()
    found = []
    for header in headers:
        name = header.name.lower()
        if name in wanted:
            seen[name] += 1
            found.append(Removal(header.name, seen[name]))
    return tuple(found)
