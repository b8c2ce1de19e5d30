"""What counts as a sign of life of a worker, and what does not."""

import socket
from collections.abc import Iterator
from threading import Event

import pytest

from stirmilter.pulse import Judges, Pulse


class Bench:
    """A worker's judges, and what is known of libmilter, without libmilter."""

    def __init__(self) -> None:
        self.judges = Judges(1)
        self.supervisor, worker = socket.socketpair()
        self.supervisor.setblocking(False)
        self.sessions = 0
        self.calls = 0
        self.answers = True
        self.released = Event()
        self.pulse = Pulse(self.judges, lambda: self.sessions, self._call, worker)
        self._sockets = [self.supervisor, worker]

    def settle(self) -> None:
        """Let the judges finish what they have, and the pulse know of it."""
        for _ in range(2):
            self.judges.submit(int).result()
            self.pulse.gets_on()
        self.judges.submit(int).result()

    def _call(self) -> bool:
        self.calls += 1
        return self.answers

    def close(self) -> None:
        self.released.set()
        self.judges.shutdown()
        for one in self._sockets:
            one.close()


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    made.close()


def test_a_worker_with_nothing_to_do_gets_on(bench: Bench) -> None:
    bench.settle()

    bench.pulse.beat()

    assert bench.supervisor.recv(10) == b"."


def test_judges_that_finish_nothing_are_no_sign_of_life(bench: Bench) -> None:
    bench.settle()
    bench.judges.submit(bench.released.wait)
    bench.pulse.gets_on()  # asks once more, and that waits behind the other

    assert [bench.pulse.gets_on() for _ in range(3)] == [False] * 3
    bench.released.set()
    bench.judges.submit(int).result()
    assert bench.pulse.gets_on()


def test_what_was_given_up_is_no_sign_of_life(bench: Bench) -> None:
    """A message is answered 451 in the end; nothing has got on for that."""
    bench.settle()
    bench.judges.submit(bench.released.wait)
    bench.pulse.gets_on()
    waiting = bench.judges.submit(int)

    assert waiting.cancel()

    assert not bench.pulse.gets_on()


def test_a_queue_that_moves_is_one(bench: Bench) -> None:
    """However long it is: the judges are busy, and that is all."""
    bench.settle()
    bench.judges.submit(bench.released.wait)
    bench.pulse.gets_on()
    bench.judges.finished += 1

    assert bench.pulse.gets_on()


def looks(bench: Bench, count: int) -> list[bool]:
    told = []
    for _ in range(count):
        bench.judges.submit(int).result()
        told.append(bench.pulse.gets_on())
    return told


def test_while_messages_come_nobody_is_called(bench: Bench) -> None:
    told = []
    for _ in range(20):
        bench.sessions += 1
        told += looks(bench, 1)

    assert all(told)
    assert bench.calls == 0


def test_when_none_has_come_for_a_while_it_calls_itself(bench: Bench) -> None:
    assert all(looks(bench, 20))

    assert 5 <= bench.calls <= 7


def test_a_call_that_is_not_answered_is_no_sign_of_life(bench: Bench) -> None:
    bench.answers = False

    assert looks(bench, 6) == [True, True, False, False, False, False]
    bench.sessions += 1  # it was only late
    assert looks(bench, 1) == [True]


def test_once_it_is_answered_again_that_is_one(bench: Bench) -> None:
    bench.answers = False
    looks(bench, 6)

    bench.answers = True

    assert all(looks(bench, 6))


def test_a_supervisor_that_reads_nothing_holds_up_nobody(bench: Bench) -> None:
    bench.settle()

    for _ in range(5_000):
        bench.pulse.beat()
        bench.judges.submit(int).result()
    bench.supervisor.close()
    bench.pulse.beat()
