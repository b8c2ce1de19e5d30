"""Documents by URL, asked for by many at once: one fetch, and so many who wait."""

import gc
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Barrier, Event
from types import TracebackType
from weakref import ref

import pytest

from stirmilter.errors import FetchError
from stirmilter.stores.documents import DocumentStore
from tests.stores.kinds import KIND, A, B, C, outcome
from tests.stores.webs import SlowWeb, Web, fetching


@pytest.mark.parametrize(
    ("broken", "expected"),
    [
        pytest.param({}, b"good", id="a-document"),
        pytest.param({A: FetchError("no answer")}, "no answer", id="a-failure"),
    ],
)
def test_one_fetch_serves_all_who_ask_meanwhile(
    broken: dict[str, Exception], expected: bytes | str
) -> None:
    slow = SlowWeb(b"good")
    slow.broken = broken
    store = DocumentStore(slow.get, concurrency=50)
    ready = Barrier(51)

    def ask() -> bytes | str:
        ready.wait(30)
        return outcome(lambda: store.get(A, KIND))

    with ThreadPoolExecutor(50) as pool:
        answers = [pool.submit(ask) for _ in range(50)]
        ready.wait(30)
        asked_again = slow.asked_again.wait(0.2)
        slow.release.set()
        found = {answer.result(10) for answer in answers}

    assert not asked_again
    assert slow.fetched == [A]
    assert found == {expected}


def test_whoever_asks_for_another_url_does_not_wait() -> None:
    slow = SlowWeb(b"good")
    store = DocumentStore(slow.get)

    with ThreadPoolExecutor(2) as pool:
        answers = [pool.submit(store.get, url, KIND) for url in (A, B)]
        both_at_once = slow.asked_again.wait(30)
        slow.release.set()
        for answer in answers:
            answer.result(10)

    assert both_at_once


def test_a_failure_told_often_does_not_grow(store: DocumentStore, web: Web) -> None:
    """What a frame holds, the message and its token, lives as long as the trace."""
    web.broken[A] = FetchError("no answer")

    lengths = [_trace_length(store) for _ in range(20)]

    assert lengths[-1] <= lengths[1]


class Thing:
    """What a function has in hand; somebody watches whether it is let go of."""


def test_a_failure_that_is_remembered_holds_nothing_of_how_it_came_about() -> None:
    """Nor of who was told: a stranger can have thousands of failures remembered.

    Without the collector, which comes late to what has been there for a while.
    """
    seen: list[ref[Thing]] = []

    def get(url: str) -> bytes:
        thing = Thing()
        seen.append(ref(thing))
        try:
            raise OSError(thing)
        except OSError:
            raise FetchError(url) from None

    store = DocumentStore(fetching(get))

    def ask() -> None:
        thing = Thing()
        seen.append(ref(thing))
        with suppress(FetchError):
            store.get(A, KIND)

    gc.disable()
    try:
        for _ in range(3):
            ask()
        left = [one() for one in seen]
    finally:
        gc.enable()

    assert left == [None] * 4, "three asked, and one looked"
    assert store.cached(A, KIND), "it is remembered"


def _trace_length(store: DocumentStore) -> int:
    frames = 0
    try:
        store.get(A, KIND)
    except FetchError as error:
        trace: TracebackType | None = error.__traceback__
        while trace is not None:
            frames, trace = frames + 1, trace.tb_next
    return frames


@pytest.mark.conformance("C-12")
def test_hosts_that_do_not_answer_hold_up_so_many_threads_and_no_more() -> None:
    released, waiting = Event(), Barrier(3)

    def silent(url: str) -> bytes:
        waiting.wait(30)
        released.wait(30)
        raise FetchError(url)

    store = DocumentStore(fetching(silent), concurrency=2)
    with ThreadPoolExecutor(2) as threads:
        answers = [threads.submit(store.get, url, KIND) for url in (A, B)]
        waiting.wait(30)

        with pytest.raises(FetchError, match="too many are being fetched") as caught:
            store.get(C, KIND)
        released.set()

    assert caught.value.temporary
    assert all(isinstance(answer.exception(), FetchError) for answer in answers)
    assert not store.cached(C, KIND), "that we were busy is not remembered"


def test_a_document_that_is_known_needs_no_place_to_wait() -> None:
    released, asked = Event(), Event()

    def get(url: str) -> bytes:
        if url == B:
            asked.set()
            released.wait(30)
        return b"good"

    store = DocumentStore(fetching(get), concurrency=1)
    store.get(A, KIND)
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(store.get, B, KIND)
        asked.wait(30)

        assert store.get(A, KIND) == b"good"
        released.set()
        waiting.result()
