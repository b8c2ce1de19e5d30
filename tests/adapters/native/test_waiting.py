"""The loop that serves connections: who waits, for what, and whom it holds up."""

import gc
import socket
import threading
from concurrent.futures import Future
from contextlib import suppress

import pytest

from stirmilter.adapters.native import server
from stirmilter.adapters.transport import Limits
from stirmilter.haste import takes_long
from stirmilter.mail.transaction import Decision, Insertion, Preparation
from stirmilter.stir.msgi import BodyDigester
from tests.adapters.native.peers import (
    EVENT,
    Clock,
    Serve,
    answer,
    gated,
    greet,
    told,
    verdict,
)
from tests.adapters.native.talks import MESSAGE, offer
from tests.adapters.sessions import Running, frame, until


def test_what_comes_while_a_message_is_judged_waits(serve: Serve) -> None:
    running, ledger = serve()
    gate = gated(running)
    connection = greet(running)

    connection.sendall(MESSAGE + MESSAGE)
    until(lambda: gate.asked == 1)
    connection.sendall(MESSAGE + MESSAGE[:5])
    until(lambda: running.newest().looks == 0)
    gate.open.set()

    assert [verdict(connection) for _ in range(3)] == [b"c"] * 3
    connection.sendall(MESSAGE[5:])
    assert verdict(connection) == b"c"
    assert len(ledger.handled) == 4


def test_who_waits_holds_up_nobody_else(serve: Serve) -> None:
    running, _ = serve()
    gate = gated(running)
    waiting, other = greet(running), greet(running)
    waiting.sendall(MESSAGE)
    until(lambda: gate.asked == 1)

    for _ in range(3):
        other.sendall(frame(b"H", b"again\0"))
        running.connected().sendall(offer())

    until(lambda: len(running.peers()) == 5)
    until(lambda: running.peers()[1].talk.session.connection.helo == "again")
    gate.open.set()
    assert verdict(waiting) == b"c"


def test_an_mta_that_leaves_while_its_message_is_judged_breaks_nothing(
    serve: Serve,
) -> None:
    running, ledger = serve()
    gate = gated(running)
    gate.decision = Decision(event=EVENT, insert=(Insertion("X", "1"),))
    connection = greet(running)
    connection.sendall(MESSAGE)
    until(lambda: gate.asked == 1)

    connection.close()
    until(lambda: running.newest().talk.gone)
    gate.open.set()

    assert running.service.sessions.wait_until_none(30) == 0
    assert [type(error) for _, error in ledger.failed] == [ConnectionError]
    assert [event.reason for event in ledger.handled] == ["internal-error"]


def test_an_mta_that_leaves_before_it_is_told_breaks_nothing(serve: Serve) -> None:
    """It is found out by the sign of life, or by the answer itself."""
    running, _ = serve(progress_seconds=0.05)
    gate = gated(running)
    connection = greet(running)
    connection.sendall(MESSAGE)
    until(lambda: gate.asked == 1)

    connection.shutdown(socket.SHUT_RD)
    gate.open.set()
    connection.close()

    assert running.service.sessions.wait_until_none(30) == 0


def test_an_answer_that_the_mta_does_not_read_waits_for_it(serve: Serve) -> None:
    running, _ = serve()
    gate = gated(running)
    gate.open.set()
    large = "x" * 4_000_000
    gate.decision = Decision(event=EVENT, insert=(Insertion("X", large),))
    connection, other = greet(running), greet(running)

    connection.sendall(MESSAGE + MESSAGE)
    until(lambda: bool(running.peers()[0].talk.out))
    other.sendall(frame(b"H", b"still there\0"))
    until(lambda: running.peers()[1].talk.session.connection.helo != "")

    for _ in range(2):
        assert len(answer(connection)) > len(large)
        assert answer(connection) == b"c"


def test_who_waits_for_us_is_not_silent(serve: Serve) -> None:
    running, ledger = serve(progress_seconds=0.1)
    gate = gated(running)
    connection = greet(running)

    connection.sendall(MESSAGE)
    until(lambda: gate.asked == 1)
    running.server._limits = Limits(idle_seconds=0.2)  # before, we may be late
    assert [answer(connection) for _ in range(5)] == [b"p"] * 5
    gate.open.set()

    assert verdict(connection) == b"c"
    assert answer(connection) == b""
    assert len(ledger.said) == 1


def fetching(running: Running, fetch: Future[None]) -> None:
    """Have each message need something that is being fetched."""

    def prepare(*_: object) -> Preparation:
        return Preparation(BodyDigester(), urls=("https://certs.example/a.pem",))

    told(running).prepare = prepare
    assert running.service.prefetch([]) == [fetch]


def test_whoever_waits_for_a_fetch_occupies_no_thread(serve: Serve) -> None:
    fetch: Future[None] = Future()
    running, ledger = serve(prefetch=lambda _: [fetch])
    fetching(running, fetch)
    connections = [greet(running) for _ in range(5)]
    before = set(threading.enumerate())

    for one in connections:
        one.sendall(MESSAGE)
    until(lambda: all(peer.wait for peer in running.peers()))

    assert set(threading.enumerate()) <= before
    assert running.service.queue.count == 0
    fetch.set_result(None)
    assert [verdict(one) for one in connections] == [b"c"] * 5
    assert {event.stages[0][0] for event in ledger.handled} == {"prefetch"}


def test_a_fetch_that_does_not_end_is_done_without(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half of the time is left for the rest."""
    clock = Clock()
    monkeypatch.setattr(server, "time", clock)
    fetch: Future[None] = Future()
    running, ledger = serve(prefetch=lambda _: [fetch], message_seconds=600.0)
    fetching(running, fetch)
    connection = greet(running)

    connection.sendall(MESSAGE)
    until(lambda: bool(running.newest().wait))
    clock.put_forward(running, 301)
    until(lambda: len(ledger.handled) == 1)

    assert verdict(connection) == b"c"
    assert ledger.failed == []


def test_a_bug_in_a_fetch_is_an_internal_error(serve: Serve) -> None:
    fetch: Future[None] = Future()
    running, ledger = serve(prefetch=lambda _: [fetch])
    fetching(running, fetch)
    connection = greet(running)

    connection.sendall(MESSAGE)
    until(lambda: bool(running.newest().wait))
    fetch.set_exception(ZeroDivisionError())

    assert verdict(connection) == b"y"
    assert [type(error) for _, error in ledger.failed] == [ZeroDivisionError]


@pytest.mark.parametrize("at_once", [False, True])
def test_a_message_leaves_nothing_behind_for_the_collector(
    serve: Serve, *, at_once: bool
) -> None:
    """A worker has it look rarely (`worker.spare_the_collector`)."""
    running, _ = serve()
    gated(running).open.set()  # which takes long
    prepare = lambda *_: Preparation(BodyDigester(), at_once=at_once)  # noqa: E731
    told(running).prepare = prepare
    connection = greet(running)
    connection.sendall(MESSAGE)
    assert verdict(connection) == b"c"
    until(lambda: not running.newest().busy)

    gc.collect()
    gc.disable()
    try:
        for _ in range(50):
            connection.sendall(MESSAGE)
            assert verdict(connection) == b"c"
        until(lambda: not running.newest().busy)
        assert gc.collect() < 50
    finally:
        gc.enable()


def test_a_connection_leaves_nothing_behind_for_the_collector(serve: Serve) -> None:
    running, _ = serve()
    gc.collect()
    gc.disable()
    try:
        for _ in range(50):
            with greet(running) as connection:
                connection.sendall(MESSAGE)
                assert verdict(connection) == b"c"
            assert running.service.sessions.wait_until_none(30) == 0
        assert gc.collect() < 50
    finally:
        gc.enable()


@pytest.mark.parametrize("at_once", [False, True])
@pytest.mark.parametrize("takes", ["long", "no time"])
def test_what_takes_no_time_is_decided_on_the_thread_that_read_it(
    serve: Serve, takes: str, *, at_once: bool
) -> None:
    running, ledger = serve()
    begun: list[str] = []
    decided: list[str] = []

    def decide(_transaction: object) -> Decision:
        begun.append(threading.current_thread().name)
        if takes == "long":
            takes_long()
        decided.append(threading.current_thread().name)
        return Decision(event=EVENT)

    told(running).decide = decide
    prepare = lambda *_: Preparation(BodyDigester(), at_once=at_once)  # noqa: E731
    told(running).prepare = prepare
    connection = greet(running)
    connection.sendall(MESSAGE)
    assert verdict(connection) == b"c"

    assert (begun[0] == "milter") == at_once
    assert (decided == ["milter"]) == (at_once and takes == "no time")
    assert len(begun) == 1 + (at_once and takes == "long")
    [event] = ledger.handled
    assert [stage for stage, _ in event.stages] == ["queue"]
    assert not ledger.failed


def test_what_was_decided_in_vain_leaves_no_trace(serve: Serve) -> None:
    """Somebody on the way has swallowed that it takes long, and made a decision."""
    running, ledger = serve()
    decided: list[str] = []

    def decide(_transaction: object) -> Decision:
        with suppress(BaseException):
            takes_long()
        decided.append(threading.current_thread().name)
        return Decision(event=EVENT)

    told(running).decide = decide
    prepare = lambda *_: Preparation(BodyDigester(), at_once=True)  # noqa: E731
    told(running).prepare = prepare
    connection = greet(running)
    for _ in range(2):
        connection.sendall(MESSAGE)
        assert verdict(connection) == b"c"

    assert [name == "milter" for name in decided] == [True, False] * 2
    stages = [[stage for stage, _ in event.stages] for event in ledger.handled]
    assert stages == [["queue"]] * 2
    assert not ledger.failed
