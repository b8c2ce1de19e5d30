"""Chains by URL: one fetch for all who ask, and a short memory for failures."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from types import TracebackType

import pytest

from stirmilter.errors import FetchError, StirmilterError
from stirmilter.stir import credential
from stirmilter.stir.result import Reason, Unverified
from stirmilter.stores.certificates import CertificateStore
from stirmilter.testca import TestCA

A, B, C = (f"https://certs.example/{name}.pem" for name in "abc")
WHILE = 0.2
"""Seconds in which a thread does what it is able to do."""


class Web:
    """Serves one chain everywhere but at the URLs in `broken`; counts the fetches."""

    def __init__(self, chain: bytes) -> None:
        self.chain = chain
        self.broken: dict[str, Exception] = {}
        self.fetched: list[str] = []

    def get(self, url: str) -> bytes:
        self.fetched.append(url)
        if url in self.broken:
            raise self.broken[url]
        return self.chain


class Clock:
    """Shows the time that it is set to."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def web(ca: TestCA) -> Web:
    return Web(ca.files("one").chain.read_bytes())


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(web: Web, clock: Clock) -> CertificateStore:
    return CertificateStore(
        web.get, seconds=100, failure_seconds=10, entries=2, clock=clock
    )


def test_a_chain_is_read_signer_first(store: CertificateStore, web: Web) -> None:
    chain = store.chain(A)

    assert chain == credential.load_chain(web.chain)
    assert len(chain) == 2


@pytest.mark.parametrize(
    ("after", "fetches"),
    [
        pytest.param(0, 1, id="at-once"),
        pytest.param(99.9, 1, id="before-it-expires"),
        pytest.param(100, 2, id="when-it-expires"),
        pytest.param(1e9, 2, id="long-after"),
    ],
)
@pytest.mark.conformance("C-13")
def test_a_chain_is_remembered_for_a_while(
    store: CertificateStore, web: Web, clock: Clock, after: float, fetches: int
) -> None:
    first = store.chain(A)
    clock.now += after

    assert store.chain(A) == first
    assert web.fetched == [A] * fetches


def test_a_url_is_not_another(store: CertificateStore, web: Web) -> None:
    store.chain(A)
    store.chain(B)

    assert web.fetched == [A, B]


@pytest.mark.parametrize(
    ("after", "fetches"),
    [
        pytest.param(0, 1, id="at-once"),
        pytest.param(9.9, 1, id="before-it-is-forgotten"),
        pytest.param(10, 2, id="when-it-is-forgotten"),
    ],
)
@pytest.mark.parametrize(
    "failure",
    [
        pytest.param(FetchError("no answer"), id="unavailable"),
        pytest.param(FetchError("not public", temporary=False), id="refused"),
    ],
)
@pytest.mark.conformance("C-13")
def test_a_failure_is_remembered_for_a_short_while(
    store: CertificateStore,
    web: Web,
    clock: Clock,
    failure: FetchError,
    after: float,
    fetches: int,
) -> None:
    web.broken[A] = failure

    for pause in (0, after):
        clock.now += pause
        with pytest.raises(FetchError, match=str(failure)) as caught:
            store.chain(A)
        assert caught.value.temporary is failure.temporary

    assert web.fetched == [A] * fetches


@pytest.mark.parametrize(
    ("again", "after", "fetches"),
    [
        pytest.param(0.0, 0, 2, id="busy"),
        pytest.param(5.0, 4.9, 1, id="while-it-rests"),
        pytest.param(5.0, 5, 2, id="when-it-has-rested"),
        pytest.param(50.0, 10, 2, id="as-long-as-other-failures"),
    ],
)
def test_what_was_not_asked_at_all_is_asked_when_that_makes_sense(
    store: CertificateStore,
    web: Web,
    clock: Clock,
    again: float,
    after: float,
    fetches: int,
) -> None:
    web.broken[A] = FetchError("rests", again=again)

    for pause in (0, after):
        clock.now += pause
        with pytest.raises(FetchError):
            store.chain(A)

    assert web.fetched == [A] * fetches


def test_a_failure_is_not_remembered_beyond_the_next_success(
    store: CertificateStore, web: Web, clock: Clock
) -> None:
    web.broken[A] = FetchError("no answer")
    with pytest.raises(FetchError):
        store.chain(A)

    del web.broken[A]
    clock.now += 10
    store.chain(A)
    clock.now += 99

    assert store.chain(A)
    assert web.fetched == [A, A]


@pytest.mark.parametrize(
    ("octets", "detail"),
    [
        pytest.param(b"", "not a certificate", id="nothing"),
        pytest.param(b"<html>", "not a certificate", id="no-certificate"),
        pytest.param(
            b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            "not a certificate",
            id="pem-of-something-else",
        ),
    ],
)
def test_what_is_no_chain_is_a_failure_too(
    store: CertificateStore, web: Web, octets: bytes, detail: str
) -> None:
    web.chain = octets

    for _ in range(2):
        with pytest.raises(Unverified, match=detail) as caught:
            store.chain(A)
        assert caught.value.reason is Reason.CREDENTIAL_MALFORMED

    assert web.fetched == [A]


def test_a_chain_has_a_greatest_length(web: Web) -> None:
    short = CertificateStore(web.get, certificates=1)

    with pytest.raises(Unverified, match="2 certificates, at most 1"):
        short.chain(A)


def test_an_unexpected_error_is_told_and_not_remembered(
    store: CertificateStore, web: Web
) -> None:
    web.broken[A] = RuntimeError("a bug")
    for _ in range(2):
        with pytest.raises(RuntimeError, match="a bug"):
            store.chain(A)

    del web.broken[A]

    assert store.chain(A)
    assert web.fetched == [A, A, A]


def test_the_url_that_nobody_asked_for_lately_is_forgotten(
    store: CertificateStore, web: Web
) -> None:
    for url in (A, B, A, C):
        store.chain(url)
    web.fetched.clear()

    for url in (A, C, B):
        store.chain(url)

    assert web.fetched == [B]


def test_failures_are_bounded_as_chains_are(store: CertificateStore, web: Web) -> None:
    urls = [f"https://certs.example/{number}.pem" for number in range(50)]
    web.broken = {url: FetchError("no answer") for url in urls}

    for url in urls:
        with pytest.raises(FetchError):
            store.chain(url)

    assert len(store._known) == 2


class SlowWeb(Web):
    """Does not answer before it is told to; then as `broken` says."""

    def __init__(self, chain: bytes) -> None:
        super().__init__(chain)
        self.asked = Event()
        self.asked_again = Event()
        self.release = Event()

    def get(self, url: str) -> bytes:
        (self.asked_again if self.asked.is_set() else self.asked).set()
        self.release.wait(10)
        return super().get(url)


@pytest.fixture
def slow(web: Web) -> SlowWeb:
    return SlowWeb(web.chain)


def outcome(ask: Callable[[str], object], url: str) -> object:
    """Return what came of asking, an error included."""
    try:
        return ask(url)
    except StirmilterError as error:
        return str(error)


class SlowUrl(str):
    """A URL whose look-up gives every other thread its turn."""

    __slots__ = ()

    def __hash__(self) -> int:
        time.sleep(0.001)
        return super().__hash__()


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param({}, id="a-chain"),
        pytest.param({A: FetchError("no answer")}, id="a-failure"),
    ],
)
def test_one_fetch_serves_all_who_ask_meanwhile(
    slow: SlowWeb, broken: dict[str, Exception]
) -> None:
    slow.broken = broken
    store = CertificateStore(slow.get)

    with ThreadPoolExecutor(4) as pool:
        answers = [pool.submit(outcome, store.chain, SlowUrl(A)) for _ in range(4)]
        asked_again = slow.asked_again.wait(WHILE)
        slow.release.set()
        first, *others = (answer.result(10) for answer in answers)

    assert not asked_again
    assert slow.fetched == [A]
    assert others == [first] * 3


def test_whoever_asks_for_another_url_does_not_wait(slow: SlowWeb) -> None:
    store = CertificateStore(slow.get)

    with ThreadPoolExecutor(2) as pool:
        answers = [pool.submit(store.chain, url) for url in (A, B)]
        both_at_once = slow.asked_again.wait(10)
        slow.release.set()
        for answer in answers:
            answer.result(10)

    assert both_at_once


def test_a_fetch_under_way_does_not_outlast_its_place(slow: SlowWeb) -> None:
    """Forgotten before it came back, it is not remembered afterwards."""
    store = CertificateStore(slow.get, entries=1)

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(store.chain, A)
        slow.asked.wait(10)
        second = pool.submit(store.chain, B)
        slow.asked_again.wait(10)
        slow.release.set()
        first.result(10)
        second.result(10)

    assert list(store._known) == [B]


def test_a_failure_told_often_does_not_grow(store: CertificateStore, web: Web) -> None:
    """What a frame holds, the message and its token, lives as long as the trace."""
    web.broken[A] = FetchError("no answer")

    lengths = [_trace_length(store) for _ in range(20)]

    assert lengths[-1] <= lengths[1]


def _trace_length(store: CertificateStore) -> int:
    frames = 0
    try:
        store.chain(A)
    except FetchError as error:
        trace: TracebackType | None = error.__traceback__
        while trace is not None:
            frames, trace = frames + 1, trace.tb_next
    return frames


@pytest.mark.conformance("C-12")
def test_hosts_that_do_not_answer_hold_up_so_many_threads_and_no_more() -> None:
    released = Event()

    def silent(url: str) -> bytes:
        released.wait(30)
        raise FetchError(url)

    store = CertificateStore(silent, concurrency=2)
    with ThreadPoolExecutor(2) as threads:
        waiting = [threads.submit(store.chain, url) for url in (A, A)]
        time.sleep(WHILE)

        with pytest.raises(FetchError, match="too many certificates") as caught:
            store.chain(B)
        released.set()

    assert caught.value.temporary
    assert all(isinstance(w.exception(), FetchError) for w in waiting)
    with pytest.raises(FetchError, match=B):
        store.chain(B)


def test_a_chain_that_is_known_needs_no_place_to_wait(web: Web) -> None:
    released = Event()

    def get(url: str) -> bytes:
        if url == B:
            released.wait(30)
        return web.get(url)

    store = CertificateStore(get, concurrency=1)
    store.chain(A)
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(store.chain, B)
        time.sleep(WHILE)

        assert len(store.chain(A)) == 2
        released.set()
        waiting.result()
