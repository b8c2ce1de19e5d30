"""What the tests of the DNS share: the questions of one message."""

from stirmilter.stores.dns import Dns, DnsLimits, Lookups
from tests.dns_server import DnsServer


def message(server: DnsServer, limits: DnsLimits | None = None) -> Lookups:
    return Dns([server.address], limits).for_message()
