"""Fetchers, of a laboratory and of production, and addresses to send them to."""

from collections.abc import Callable, Sequence

import dns.resolver

from stirmilter.stores.fetch import Fetcher, FetchPolicy
from stirmilter.stores.urls import HostSet
from stirmilter.testca import TestCA
from tests.stores.servers import NameServer

PUBLIC = "93.184.216.34"
PUBLIC_V6 = "2606:2800:220:1:248:1893:25c8:1946"
URL = "https://certs.example/a.pem"


def fetcher(
    ca: TestCA,
    resolver: dns.resolver.Resolver | None = None,
    *,
    seconds: float = 5.0,
    octets: int = 65_536,
) -> Fetcher:
    """Make a fetcher that may go to loopback, and trusts the test CA's web server."""
    policy = FetchPolicy(
        laboratory=True, seconds=seconds, octets=octets, tls_ca=str(ca.tls_ca)
    )
    return Fetcher(policy, resolver)


def production(
    names: NameServer, *, allow: Sequence[str] = (), deny: Sequence[str] = ()
) -> Fetcher:
    """Make a fetcher as it is without a laboratory."""
    policy = FetchPolicy(allow=HostSet.of(*allow), deny=HostSet.of(*deny))
    return Fetcher(policy, names.resolver)


def bodies(fetch: Fetcher) -> Callable[[str], bytes]:
    """Return what gets the body alone."""
    return lambda url: fetch.get(url).body or b""
