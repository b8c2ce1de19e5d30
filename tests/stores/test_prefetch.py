"""Fetching ahead: on other threads, once, within bounds, and for nobody to wait."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from threading import Event, Thread, current_thread

import pytest

from stirmilter.errors import FetchError
from stirmilter.stores.certificates import CertificateStore
from stirmilter.stores.documents import DocumentStore
from stirmilter.stores.prefetch import Prefetcher
from stirmilter.stores.tiers import SqliteTier
from stirmilter.testca import TestCA
from tests.stores.webs import Clock, SlowWeb, Web, fetching

A, B, C = (f"https://certs.example/{name}.pem" for name in "abc")
DAY = 86_400


@pytest.fixture
def web(ca: TestCA) -> Web:
    return Web(ca.files("one").chain.read_bytes())


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2, "fetch") as executor:
        yield executor


def prefetcher(
    web: Web,
    threads: ThreadPoolExecutor,
    waiting: int = 1_000,
    clock: Clock | None = None,
) -> Prefetcher:
    documents = DocumentStore(web.get, clock=clock or Clock())
    made = Prefetcher(CertificateStore(documents), waiting)
    made.start(threads, threads)
    return made


def wait(futures: list[Future[None]]) -> None:
    for future in futures:
        future.result(10)


def test_until_it_is_started_whoever_asks_fetches(web: Web) -> None:
    """By hand, and as a library."""
    made = Prefetcher(CertificateStore(DocumentStore(web.get)))

    assert made.begin([A]) == []
    assert len(made.chain(A)) == 2
    assert web.fetched == [A]


def test_what_was_begun_is_there_afterwards(
    web: Web, threads: ThreadPoolExecutor
) -> None:
    made = prefetcher(web, threads)

    wait(made.begin([A, B]))

    assert len(made.chain(A)) == len(made.chain(B)) == 2
    assert sorted(web.fetched) == [A, B]
    assert made.begin([A, B]) == [], "nothing to wait for"
    assert made._under_way == {}


def test_a_failure_is_no_error_and_is_told_to_who_asks(
    web: Web, threads: ThreadPoolExecutor
) -> None:
    web.broken[A] = FetchError("address is not public", temporary=False)
    made = prefetcher(web, threads)

    wait(made.begin([A]))

    with pytest.raises(FetchError, match="not public") as caught:
        made.chain(A)
    assert not caught.value.temporary
    assert web.fetched == [A]


def test_a_bug_is_told_to_who_waits(web: Web, threads: ThreadPoolExecutor) -> None:
    web.broken[A] = RuntimeError("a bug")
    made = prefetcher(web, threads)

    [future] = made.begin([A])

    with pytest.raises(RuntimeError, match="a bug"):
        future.result(10)
    assert made._under_way == {}


def test_fetching_is_done_by_threads_of_its_own(
    ca: TestCA, threads: ThreadPoolExecutor
) -> None:
    who: list[str] = []

    def get(_: str) -> bytes:
        who.append(current_thread().name)
        return ca.files("one").chain.read_bytes()

    made = Prefetcher(CertificateStore(DocumentStore(fetching(get))))
    made.start(threads, threads)

    with pytest.raises(FetchError, match="not here yet: certificate"):
        made.chain(A)
    wait(made.begin([A]))
    made.chain(A)

    [name] = who
    assert name.startswith("fetch")


def test_what_is_under_way_is_not_begun_again(
    ca: TestCA, threads: ThreadPoolExecutor
) -> None:
    """Nor when the message that wanted it is gone: nothing is left behind."""
    slow = SlowWeb(ca.files("one").chain.read_bytes())
    made = prefetcher(slow, threads)

    [one] = made.begin([A])
    [two] = made.begin([A])
    slow.release.set()
    wait([one, two])

    assert one is two
    assert slow.fetched == [A]
    assert made._under_way == {}


def test_beyond_so_many_nothing_is_fetched_and_nobody_waits(
    ca: TestCA, threads: ThreadPoolExecutor
) -> None:
    slow = SlowWeb(ca.files("one").chain.read_bytes())
    made = prefetcher(slow, threads, waiting=2)

    under_way = made.begin([A, B])
    assert made.begin([C]) == []
    with pytest.raises(FetchError, match="not here yet") as caught:
        made.chain(C)
    assert caught.value.temporary

    slow.release.set()
    wait(under_way)
    wait(made.begin([C]))
    assert len(made.chain(C)) == 2


def test_what_was_fresh_with_the_header_is_good_enough_with_the_body(
    web: Web, threads: ThreadPoolExecutor
) -> None:
    clock = Clock()
    made = prefetcher(web, threads, clock=clock)
    wait(made.begin([A]))
    clock.now += DAY

    assert len(made.chain(A)) == 2
    assert web.fetched == [A]
    wait(made.begin([A]))
    assert web.fetched == [A, A]


def test_a_thousand_hosts_that_do_not_answer_leave_what_is_known_alone(
    ca: TestCA, threads: ThreadPoolExecutor
) -> None:
    released = Event()

    def get(url: str) -> bytes:
        if url != A:
            released.wait(30)
            raise FetchError("no answer")
        return ca.files("one").chain.read_bytes()

    made = Prefetcher(CertificateStore(DocumentStore(fetching(get))))
    made.start(threads, threads)
    wait(made.begin([A]))

    under_way = made.begin(f"https://{n}.example/x.pem" for n in range(1_000))
    found = [len(made.chain(A)) for _ in range(100)]
    hanging = sum(not future.done() for future in under_way)
    released.set()
    wait(under_way)

    assert found == [2] * 100
    assert hanging == 1_000


def test_what_is_shared_does_not_queue_behind_hosts_that_do_not_answer(
    ca: TestCA, tmp_path: Path
) -> None:
    """What a sibling has fetched, and put into the file, is there for all."""
    released = Event()

    def get(url: str) -> bytes:
        if url != A:
            released.wait(30)
            raise FetchError("no answer")
        return ca.files("one").chain.read_bytes()

    tier = SqliteTier(tmp_path / "certificates.sqlite")
    CertificateStore(DocumentStore(fetching(get), tier)).chain(A)
    made = Prefetcher(CertificateStore(DocumentStore(fetching(get), tier)))
    with ThreadPoolExecutor(2) as fetchers, ThreadPoolExecutor(1) as lookers:
        made.start(fetchers, lookers)
        cold = made.begin(f"https://{n}.example/x.pem" for n in range(100))
        wait(made.begin([A]))
        hanging = sum(not future.done() for future in cold)
        released.set()
        wait(cold)

    assert hanging == 100
    assert len(made.chain(A)) == 2


def test_a_bug_is_told_to_whoever_waits(
    web: Web, threads: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = prefetcher(web, threads)
    for name in ("kept", "chain"):
        with monkeypatch.context() as patched:
            patched.setattr(made._store, name, lambda _: 1 / 0)
            [future] = made.begin([B])
            with pytest.raises(ZeroDivisionError):
                future.result(10)

    wait(made.begin([B]))
    assert web.fetched == [B]


def no_thread(_: Thread) -> None:
    raise RuntimeError("can't start new thread")


def test_where_no_thread_is_to_be_had_nothing_is_left_to_wait_for(
    web: Web, threads: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The executor keeps what it had no thread for, and comes to it with the next."""
    made = prefetcher(web, threads)

    with monkeypatch.context() as patched:
        patched.setattr(Thread, "start", no_thread)
        assert made.begin([A]) == []
        assert made.waiting == 0
    wait(made.begin([A]))

    assert len(made.chain(A)) == 2
    assert web.fetched == [A]
    assert made.waiting == 0


def test_what_found_no_thread_to_fetch_it_ends_and_ends_nothing_else(
    web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its message is judged without; the next one has it fetched, once."""
    made = Prefetcher(CertificateStore(DocumentStore(web.get)))
    with ThreadPoolExecutor(1) as fetchers, ThreadPoolExecutor(1) as lookers:
        lookers.submit(int).result(10)  # has its only thread
        made.start(fetchers, lookers)
        with monkeypatch.context() as patched:
            patched.setattr(Thread, "start", no_thread)
            wait(made.begin([A]))
            assert made.waiting == 0
        with pytest.raises(FetchError, match="not here yet: certificate"):
            made.chain(A)
        wait(made.begin([A, B]))

    assert len(made.chain(A)) == 2
    assert web.fetched == [A, B]
    assert made.waiting == 0
