"""A session without libmilter, for the tests of the adapter."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from stirmilter.adapters.milter import Callbacks
from stirmilter.adapters.service import Service
from stirmilter.mail.filter import MailFilter
from stirmilter.mail.mailpolicy import MailPolicy
from stirmilter.mail.policy.failures import FailurePolicy
from stirmilter.mail.policy.policy import Policy
from stirmilter.services import AuthenticationService
from stirmilter.testca import TestCA
from tests.adapters.sessions import Context, Ledger, Talk
from tests.laboratory import NOW, verifier


@pytest.fixture
def talk(ca: TestCA) -> Iterator[Any]:
    """Make a session whose filter reads a given clock."""
    with ThreadPoolExecutor(1) as executor:

        def make(
            clock: Any = lambda: NOW,  # noqa: ANN401
            internal: Any = "tempfail",  # noqa: ANN401 - one of two words
            **limits: Any,  # noqa: ANN401
        ) -> Talk:
            ledger, context = Ledger(), Context()
            failures = FailurePolicy(internal=internal)
            service = Service(
                filter=MailFilter(
                    policy=MailPolicy(
                        authserv_id="mx.example", actions=Policy(failures=failures)
                    ),
                    authentication=AuthenticationService([]),
                    verification=verifier(ca),
                    clock=clock,
                ),
                executor=executor,
                observe=ledger.handled.append,
                failed=lambda queue_id, error: ledger.failed.append((queue_id, error)),
                **limits,
            )
            session = Callbacks(service)
            session._ctx = context
            session._actions = 0x1FF
            session._protocol = 0
            return session, context, ledger

        yield make
