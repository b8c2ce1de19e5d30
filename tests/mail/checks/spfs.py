"""What the tests of SPF share: a client, and a check of it."""

from ipaddress import ip_address

from stirmilter.mail.checks import spf
from stirmilter.mail.results import SpfResult
from stirmilter.stores.dns import Dns
from tests.dns_server import DnsServer

CLIENT = ip_address("192.0.2.1")
HELO = "mail.example.org"
SENDER = "<one@example.net>"
LARGE = 300_000


def checked(
    zone: DnsServer, sender: str = SENDER, client: str = "192.0.2.1", helo: str = HELO
) -> SpfResult:
    lookups = Dns([zone.address]).for_message()
    return spf.mail_from(ip_address(client), helo, sender, lookups)
