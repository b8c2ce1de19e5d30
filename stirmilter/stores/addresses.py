"""Which addresses may belong to a certificate repository on the Internet.

Source: the special-purpose registries of IANA (RFC 6890), and RFC 8725 §3.10.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Final

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_SPECIAL_V4: Final = tuple(
    IPv4Network(network)
    for network in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.31.196.0/24",
        "192.52.193.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "192.175.48.0/24",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/3",  # multicast, reserved, broadcast
    )
)
_GLOBAL_V6: Final = IPv6Network("2000::/3")
_SPECIAL_V6: Final = tuple(
    IPv6Network(network)
    for network in (
        "2001::/23",  # Teredo, ORCHID, benchmarking and what else the IETF assigns
        "2001:db8::/32",
        "2002::/16",  # 6to4 leads to any IPv4 address
        "2620:4f:8000::/48",
        "3fff::/20",
    )
)


def is_public(address: Address) -> bool:
    """Tell whether an address may belong to a certificate repository on the Internet.

    `ipaddress` itself will not do: to it the addresses of NAT64 and 6to4, which lead to
    private IPv4 ones, are global. For IPv6 everything outside 2000::/3 is refused, the
    mapped and translated forms of IPv4 with it. A NAT64 prefix that a network took from
    its own addresses (RFC 6052 §3.3) cannot be told from others: it is for `deny`.
    """
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _SPECIAL_V4)
    return address in _GLOBAL_V6 and not any(address in n for n in _SPECIAL_V6)
