"""Why the DNS gave no answer, in words."""

from __future__ import annotations

import dns.exception
import dns.resolver


def without_address(error: dns.exception.DNSException) -> str:
    """Say why a host name led to no address."""
    if isinstance(error, dns.resolver.NXDOMAIN):
        return "the DNS has no such name"
    if isinstance(error, dns.resolver.NoAnswer):
        return "the DNS has no address of this name"
    if isinstance(error, dns.resolver.NoNameservers):
        return f"no name server gives an answer: {last_words(error)}"
    if isinstance(error, dns.exception.Timeout):
        return "no name server answers in time"
    return type(error).__name__


def last_words(error: dns.resolver.NoNameservers) -> str:
    """Say what the last server answered that was no answer."""
    errors = error.kwargs.get("errors") or [()]
    said = errors[-1][3] if len(errors[-1]) > 3 else "nobody to ask"  # noqa: PLR2004
    return said if isinstance(said, str) else in_words(said)


def in_words(error: object) -> str:
    """Say what the system says, or which kind of error it is: never a stranger's text.

    dnspython raises the system's errors as they are.
    """
    return getattr(error, "strerror", None) or type(error).__name__
