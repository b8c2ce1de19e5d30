"""Which header fields of a message must go before ours are added."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from stirmilter.mail import authres
from stirmilter.mail.mailpolicy import MailPolicy
from stirmilter.mail.transaction import Header, Removal


def of(headers: Sequence[Header], policy: MailPolicy) -> tuple[Removal, ...]:
    """List all that claims to be ours: results, and tags of our policy."""
    return (
        *authres.removals(headers, policy.authserv_id),
        *named(headers, policy.actions.header_names),
    )


def named(headers: Iterable[Header], names: Iterable[str]) -> tuple[Removal, ...]:
    """List every field of some names."""
    wanted = {name.lower() for name in names}
    if not wanted:
        return ()
    seen: defaultdict[str, int] = defaultdict(int)
    found = []
    for header in headers:
        name = header.name.lower()
        if name in wanted:
            seen[name] += 1
            found.append(Removal(header.name, seen[name]))
    return tuple(found)


def kept(headers: Iterable[Header], removals: Iterable[Removal]) -> tuple[Header, ...]:
    """Return the fields that stay, in their order."""
    gone = {(name.lower(), occurrence) for name, occurrence in removals}
    seen: Counter[str] = Counter()
    found = []
    for header in headers:
        name = header.name.lower()
        seen[name] += 1
        if (name, seen[name]) not in gone:
            found.append(header)
    return tuple(found)
