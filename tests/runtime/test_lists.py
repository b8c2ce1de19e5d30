"""Threads that judge wait for lists within the limits of the configuration."""

import time
from concurrent.futures import ThreadPoolExecutor
from threading import BoundedSemaphore, Event

import pytest

from stirmilter import runtime
from stirmilter.errors import FetchError
from stirmilter.runtime import trust
from stirmilter.stores.documents import DocumentStore
from stirmilter.stores.response import Response
from tests.runtime.configurations import Configured
from tests.stir.test_references import ALICES

ONE, TWO = "https://lists.example/1", "https://lists.example/2"


class Host:
    """Serves one list at once, and the others when it is told to."""

    def __init__(self) -> None:
        self.released = Event()

    def __call__(self, url: str, **_: object) -> Response:
        if url != ONE:
            self.released.wait(30)
        return Response(body=ALICES)


def test_a_host_of_lists_that_hangs_holds_up_none_but_a_few(
    configured: Configured,
) -> None:
    host, places = Host(), BoundedSemaphore(1)
    get = trust.references(configured(), DocumentStore(host), places)
    get(ONE, 5.0)

    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(get, TWO, 5.0)
        while places._value:  # till that one waits
            time.sleep(0.01)
        with pytest.raises(FetchError, match="too many messages wait for TNAuthLists"):
            get(TWO, 5.0)
        assert get(ONE, 5.0) == ALICES  # at hand
        host.released.set()
        assert first.result() == ALICES


def test_a_list_that_is_late_is_there_for_the_next(configured: Configured) -> None:
    host = Host()
    get = trust.references(configured(), DocumentStore(host), BoundedSemaphore(1))

    with pytest.raises(FetchError, match="not here in time: TNAuthLists"):
        get(TWO, 0.0)
    host.released.set()

    assert get(TWO, 5.0) == ALICES


def test_the_limits_are_those_of_the_configuration(configured: Configured) -> None:
    built = runtime.build(
        configured(
            {
                "revocation.places": 2,
                "revocation.seconds": 7.0,
                "fetch.references": 3,
            }
        )
    )

    verification = built.filter.verification
    assert verification.credentials.revocation is not None
    assert verification.credentials.revocation.policy.places == 2
    assert verification.policy.list_seconds == 7.0
    assert verification.policy.references == 3
