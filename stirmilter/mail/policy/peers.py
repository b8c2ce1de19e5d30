"""With whom we speak: operators and hubs that are known, and what was agreed with them.

A peer is found by how it connects, and by nothing else before its tokens are judged:
whose anchors count must not depend on what a token says. Only a peer without anchors or
limits of its own can be found by the carrier in the certificate, afterwards.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network

from stirmilter.mail import addresses
from stirmilter.mail.policy.ladders import Ladder
from stirmilter.mail.transaction import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """One peer. Every criterion that is given must hold; without any, none does."""

    name: str
    networks: tuple[IPv4Network | IPv6Network, ...] = ()
    tls_names: frozenset[str] = frozenset()
    """Names in its client certificate, which the MTA has verified; lower case."""

    helo: frozenset[str] = frozenset()
    """Anybody can claim such a name, and such a domain; lower case."""

    domains: frozenset[str] = frozenset()
    """Domains of MAIL FROM; lower case."""

    spcs: frozenset[str] = frozenset()
    """Carriers, one of which its certificate names."""

    dkim: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Which domains sign with DKIM for which carrier; lower case."""

    ladder: Ladder = field(default_factory=Ladder)

    def is_(
        self,
        connection: Connection,
        sender: str,
        spcs: frozenset[str] | None = None,
    ) -> bool:
        """Tell whether it is this one that speaks.

        Args:
            connection: how it came.
            sender: argument of MAIL FROM.
            spcs: carriers that an anchor vouched for; None while that is not known.
        """
        if self.spcs and (spcs is None or self.spcs.isdisjoint(spcs)):
            return False
        if self.networks and not _within(connection, self.networks):
            return False
        if self.tls_names and connection.tls_name.lower() not in self.tls_names:
            return False
        if self.helo and _host(connection.helo) not in self.helo:
            return False
        if self.domains and _domain(sender) not in self.domains:
            return False
        return bool(
            self.networks or self.tls_names or self.helo or self.domains or self.spcs
        )

    @property
    def claimed(self) -> bool:
        """Whether anybody can pass for it, who says the right words."""
        said = bool(self.helo or self.domains)
        return said and not (self.networks or self.tls_names or self.spcs)


def find(
    peers: Iterable[Peer],
    connection: Connection,
    sender: str,
    spcs: frozenset[str] | None = None,
) -> Peer | None:
    """Return the first peer that it is, if any; see `Peer.is_`."""
    return next((one for one in peers if one.is_(connection, sender, spcs)), None)


def bindings(peers: Iterable[Peer]) -> dict[str, frozenset[str]]:
    """Return the DKIM domains of each carrier, whichever peer they stand with.

    They count for every message, from whomever: a stolen token comes from elsewhere.
    """
    found: dict[str, frozenset[str]] = {}
    for peer in peers:
        for spc, domains in peer.dkim.items():
            found[spc] = found.get(spc, frozenset()) | domains
    return found


def _within(
    connection: Connection, networks: Iterable[IPv4Network | IPv6Network]
) -> bool:
    client = connection.client
    return client is not None and any(client in network for network in networks)


def _host(text: str) -> str:
    return text.lower().rstrip(".")


def _domain(sender: str) -> str:
    mailbox = addresses.parse_path(sender)
    return _host(mailbox.domain) if mailbox else ""
