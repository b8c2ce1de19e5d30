"""How likely a domain is aligned with the one in From, before anything is asked.

Which of two is the Organizational Domain only the DNS knows (RFC 9989 §4.10), and this
says in which order to ask it.
"""

from __future__ import annotations

from stirmilter.stores import domainname


def rank(domain: str, author: str) -> tuple[int, int]:
    """Return a key that sorts the nearest domains first; both in the one spelling.

    First the domain itself; then those within it and above; then by the labels in
    common at the end. Nobody is near an author who is not known.
    """
    if not (domain and author):
        return 2, 0
    if domain == author:
        return 0, 0
    common = 0
    for ours, theirs in zip(
        reversed(domain.split(".")), reversed(author.split(".")), strict=False
    ):
        if ours != theirs:
            break
        common += 1
    kin = domainname.is_within(domain, author) or domainname.is_within(author, domain)
    return (1 if kin else 2), -common
