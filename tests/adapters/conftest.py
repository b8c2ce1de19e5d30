"""A session of either transport, for the tests of the adapters."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import pytest

from stirmilter.adapters.service import Service
from stirmilter.adapters.transport import Limits
from stirmilter.mail.filter import MailFilter
from stirmilter.mail.mailpolicy import MailPolicy
from stirmilter.mail.policy.failures import FailurePolicy
from stirmilter.mail.policy.policy import Policy
from stirmilter.services import AuthenticationService
from stirmilter.testca import TestCA
from tests.adapters.sessions import Ledger, Played, Running, Talk, Wire, running
from tests.laboratory import NOW, verifier

MakeService = Callable[..., tuple[Service, Ledger]]


@pytest.fixture
def make_service(ca: TestCA) -> Iterator[MakeService]:
    """Make a service whose filter reads a given clock, on one thread."""
    with ThreadPoolExecutor(1) as executor:

        def make(
            clock: Any = lambda: NOW,  # noqa: ANN401
            internal: Any = "tempfail",  # noqa: ANN401 - one of two words
            **limits: Any,  # noqa: ANN401
        ) -> tuple[Service, Ledger]:
            ledger = Ledger()
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
                observe=ledger.handled.append,
                failed=lambda queue_id, error: ledger.failed.append((queue_id, error)),
                **{"executor": executor, **limits},
            )
            return service, ledger

        yield make


@pytest.fixture(params=["libmilter", "native"])
def talk(
    make_service: MakeService, request: pytest.FixtureRequest
) -> Iterator[Callable[..., Talk]]:
    """Make a session of either transport."""
    with ExitStack() as stack:

        def make(*of_service: Any, actions: int = 0x1FF, **limits: Any) -> Talk:  # noqa: ANN401
            service, ledger = make_service(*of_service, **limits)
            session: Played | Wire
            if request.param == "libmilter":
                session = Played(service, actions)
            else:
                session = Wire(stack.enter_context(running(service)), actions)
            return session, session.context, ledger

        yield make


@pytest.fixture
def serve(
    make_service: MakeService,
) -> Iterator[Callable[..., tuple[Running, Ledger]]]:
    """Serve by the native transport; limits of the transport are given by name."""
    with ExitStack() as stack:

        def make(
            *of_service: Any,  # noqa: ANN401
            limits: Limits | None = None,
            sibling: Running | None = None,
            **of_all: Any,  # noqa: ANN401
        ) -> tuple[Running, Ledger]:
            service, ledger = make_service(*of_service, **of_all)
            made = running(service, limits, ledger.said.append, sibling)
            return stack.enter_context(made), ledger

        yield make
