"""URLs in the narrow form that is fetched, and lists of hosts.

A URL has one spelling here: what programs are known to read differently (user names,
octal addresses, empty or padded ports, final dots, characters outside ASCII) is refused
and not repaired, so that what was checked is what is asked for.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Final

from stirmilter.errors import FetchError
from stirmilter.stores.addresses import Address, Network

_URL: Final = re.compile(
    r"(?P<scheme>https?)://"
    r"(?:\[(?P<literal>[0-9A-Fa-f:.]+)\]|(?P<host>[A-Za-z0-9.-]+))"
    r"(?::(?P<port>[1-9][0-9]{0,4}))?"
    r"(?P<path>/[A-Za-z0-9._~!$&'()*+,=:@%/-]*)?",
    re.ASCII,
)
_LABEL: Final = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)", re.ASCII)
_NAME_LENGTH: Final = 253
_PORTS: Final = 65_535


@dataclass(frozen=True, slots=True)
class Target:
    """A URL, taken apart."""

    scheme: str
    host: str
    """In lower case, an IPv6 address without its brackets."""

    address: Address | None
    """What `host` is, if it is no name."""

    port: int
    path: str

    @property
    def authority(self) -> str:
        """Host and port as the Host field has them (RFC 9110 §7.2)."""
        host = f"[{self.host}]" if isinstance(self.address, IPv6Address) else self.host
        return f"{host}:{self.port}"


def parse(url: str) -> Target:
    """Take a URL apart.

    Raises:
        FetchError: for good; it is not ``https://host[:port]/path`` and nothing else.
    """
    match = _URL.fullmatch(url)
    if match is None:
        raise FetchError("not https://host/path alone", temporary=False)
    port = int(match["port"] or (443 if match["scheme"] == "https" else 80))
    host = (match["literal"] or match["host"]).lower()
    address = _address(host)
    # Brackets are for IPv6 alone; without them the pattern lets no colon through.
    known = isinstance(address, IPv6Address) if match["literal"] else address
    if port > _PORTS or not (known or (match["host"] and is_name(host))):
        raise FetchError("no such host or port", temporary=False)
    return Target(match["scheme"], host, address, port, match["path"] or "/")


def is_name(text: str) -> bool:
    """Tell a host name from what only some programs take for an address (0x7f.1)."""
    labels = text.split(".")
    return (
        len(text) <= _NAME_LENGTH
        and all(map(_LABEL.fullmatch, labels))
        and not labels[-1][0].isdigit()
    )


@dataclass(frozen=True, slots=True)
class HostSet:
    """Hosts by name, by domain and by network."""

    names: frozenset[str]
    domains: frozenset[str]
    networks: tuple[Network, ...]

    @classmethod
    def of(cls, *entries: str) -> HostSet:
        """Read a list of hosts.

        Args:
            entries: ``certs.example.net`` is that host; ``.example.net`` is that host
                and every name below it; ``192.0.2.1`` and ``192.0.2.0/24`` are
                addresses. Letters of either case.

        Raises:
            ValueError: naming the entry that is none of these.
        """
        names, domains, networks = set(), set(), []
        for entry in entries:
            text = entry.lower()
            if is_name(text):
                names.add(text)
            elif text.startswith(".") and is_name(text[1:]):
                domains.add(text[1:])
            else:
                networks.append(_network(entry))
        return cls(frozenset(names), frozenset(domains), tuple(networks))

    def __bool__(self) -> bool:
        """Tell whether there is any entry."""
        return bool(self.names or self.domains or self.networks)

    def has(self, target: Target) -> bool:
        """Tell whether the host is in the set, as the URL writes it."""
        if target.address is not None:
            return self.holds(target.address)
        labels = target.host.split(".")
        return target.host in self.names or any(
            ".".join(labels[i:]) in self.domains for i in range(len(labels))
        )

    def holds(self, address: Address) -> bool:
        """Tell whether an address lies in one of the networks."""
        return any(address in network for network in self.networks)


def _address(text: str) -> Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None


def _network(text: str) -> Network:
    try:
        return ip_network(text)
    except ValueError:
        raise ValueError(
            f"{text!r} is no host name, .domain, address or network (without host bits)"
        ) from None
