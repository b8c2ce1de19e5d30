"""What all tests of the mail filter share: a way to make one."""

from collections.abc import Callable
from datetime import datetime

import pytest

from stirmilter.mail.filter import MailFilter
from stirmilter.mail.mailpolicy import MailPolicy
from stirmilter.services import VerificationPolicy
from stirmilter.stores.replay import MemoryReplayStore
from stirmilter.testca import TestCA
from tests import laboratory
from tests.laboratory import NOW
from tests.mail.mails import POLICY, Make


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
