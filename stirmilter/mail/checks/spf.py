"""SPF of the MAIL FROM and HELO identities (RFC 7208 §2.3, §2.4)."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Literal

from stirmilter.mail.checks.dns import Resolver
from stirmilter.mail.checks.spfrecord import SpfLimits, check_host
from stirmilter.mail.results import SpfResult, Word
from stirmilter.stores import domainname

__all__ = ["SpfLimits", "helo", "mail_from", "mail_from_domain"]


@dataclass(frozen=True, slots=True)
class _Identity:
    scope: Literal["mailfrom", "helo"]
    local_part: str
    domain: str
    """As it was given."""

    address: str

    @property
    def checked(self) -> str:
        """The domain in its one spelling; empty when there is none to ask about."""
        domain = domainname.canonical(self.domain) or ""
        return "" if domain.startswith("[") or "." not in domain else domain


def mail_from(
    client: IPv4Address | IPv6Address | None,
    helo: str,
    sender: str,
    resolver: Resolver,
    limits: SpfLimits | None = None,
) -> SpfResult:
    """Check the MAIL FROM identity; that of the null sender is postmaster at HELO.

    Args:
        client: None for a submission that came over no network.
        helo: the argument of HELO or EHLO, as given.
        sender: the argument of MAIL FROM, with its brackets or without.
        resolver: asks for this message.
        limits: what it may cost.

    Source: RFC 7208 §2.4, §4.3.
    """
    identity = _mail_from(helo, sender)
    return _check(client, helo, identity, resolver, limits or SpfLimits())


def mail_from_domain(helo: str, sender: str) -> str:
    """Return the domain that `mail_from` speaks about, in its one spelling, or none."""
    return _mail_from(helo, sender).checked


def helo(
    client: IPv4Address | IPv6Address | None,
    name: str,
    resolver: Resolver,
    limits: SpfLimits | None = None,
) -> SpfResult:
    """Check the HELO identity, beside MAIL FROM (RFC 7208 §2.3); none is DMARC's."""
    identity = _Identity("helo", "postmaster", name, name)
    return _check(client, name, identity, resolver, limits or SpfLimits())


def _mail_from(helo: str, sender: str) -> _Identity:
    path = sender.strip().removeprefix("<").removesuffix(">")
    if not path:
        return _Identity("mailfrom", "postmaster", helo, f"postmaster@{helo}")
    local_part, _, domain = path.rpartition("@")
    if local_part.startswith("@"):  # a source route (RFC 5321 §4.1.1.3)
        local_part = local_part.rpartition(":")[2]
    known = domain if "@" in path else ""
    return _Identity("mailfrom", local_part or "postmaster", known, path)


def _check(
    client: IPv4Address | IPv6Address | None,
    helo: str,
    identity: _Identity,
    resolver: Resolver,
    limits: SpfLimits,
) -> SpfResult:
    """Run check_host() where there is something to check (RFC 7208 §4.3)."""
    domain = identity.checked
    if client is None:
        word, reason = _nothing("no-client")
    elif not domain:
        word, reason = _nothing("no-domain")
    elif len(identity.local_part) > limits.local_part:
        word, reason = "permerror", "too-long"
    else:
        word, reason = check_host(
            client,
            helo,
            local_part=identity.local_part,
            domain=domain,
            resolver=resolver,
            limits=limits,
        )
    return SpfResult(
        word=word,
        reason=reason,
        scope=identity.scope,
        domain=domain,
        address=identity.address,
    )


def _nothing(reason: str) -> tuple[Word, str]:
    return "none", reason
