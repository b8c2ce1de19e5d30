"""What the tests of the checks share: a name server, and who asks it."""

from collections.abc import Iterator

import pytest

from stirmilter.stores.dns import Dns, Lookups
from tests.dns_server import DnsServer


@pytest.fixture
def zone() -> Iterator[DnsServer]:
    with DnsServer() as server:
        yield server


@pytest.fixture
def lookups(zone: DnsServer) -> Lookups:
    return Dns([zone.address]).for_message()
