"""What all tests of the mail filter share: a way to make one, and what it asks."""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import pytest

from stirmilter.mail.filter import MailFilter
from stirmilter.mail.mailpolicy import MailPolicy
from stirmilter.mail.methods import Methods, MethodsPolicy
from stirmilter.services import VerificationPolicy
from stirmilter.stores.dns import Dns, DnsLimits
from stirmilter.stores.replay import MemoryReplayStore
from stirmilter.testca import TestCA
from tests import laboratory
from tests.dns_server import DnsServer
from tests.laboratory import NOW
from tests.mail.mails import POLICY, Make
from tests.mail.relays import DOMAIN, SIGNER, record


@pytest.fixture
def make(ca: TestCA) -> Make:
    """Make a filter; without a word it signs as ``one`` and lives at NOW."""

    def make(
        *signers: str,
        policy: MailPolicy = POLICY,
        verification: VerificationPolicy | None = None,
        clock: Callable[[], datetime] = lambda: NOW,
    ) -> MailFilter:
        return MailFilter(
            policy=policy,
            authentication=laboratory.authenticator(ca, *signers),
            verification=laboratory.verifier(ca, verification, MemoryReplayStore()),
            clock=clock,
        )

    return make


@pytest.fixture
def names() -> Iterator[DnsServer]:
    """Serve a domain whose relay is known to SPF, DKIM and DMARC."""
    with DnsServer() as server:
        server.add(DOMAIN, "TXT", "v=spf1 ip4:198.51.100.1 -all")
        server.add(f"_dmarc.{DOMAIN}", "TXT", "v=DMARC1; p=reject")
        server.add(*record(SIGNER))
        yield server


@pytest.fixture
def methods(names: DnsServer) -> Callable[..., Methods]:
    """Makes what evaluates, at the name server of the test."""
    dns = Dns([names.address], DnsLimits(question_seconds=3.0, server_seconds=1.0))

    def make(**policy: Any) -> Methods:  # noqa: ANN401 - of MethodsPolicy
        return Methods(MethodsPolicy(**policy), dns.for_message)

    return make
