"""What counts as a sign of life of a worker, and what does not."""

import socket
from collections.abc import Iterator
from threading import Event

import pytest

from stirmilter.pulse import Judges, Pulse


class Bench:
    """A worker's judges and listener, without libmilter."""

    def __init__(self) -> None:
        self.judges = Judges(1)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind("")
        self.listener.listen()
        self.supervisor, worker = socket.socketpair()
        self.supervisor.setblocking(False)
        self.sessions = 0
        self.released = Event()
        self.pulse = Pulse(self.judges, self.listener, lambda: self.sessions, worker)
        self._sockets = [self.listener, self.supervisor, worker]

    def settle(self) -> None:
        """Let the judges finish what they have, and the pulse know of it."""
        for _ in range(2):
            self.judges.submit(int).result()
            self.pulse.gets_on()
        self.judges.submit(int).result()
        self.pulse._before = self.pulse._counts()

    def connect(self) -> None:
        self._sockets.append(socket.socket(socket.AF_UNIX))
        self._sockets[-1].connect(self.listener.getsockname())

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


def test_a_connection_that_nobody_takes_is_none(bench: Bench) -> None:
    bench.settle()

    bench.connect()

    assert not bench.pulse.gets_on()
    bench.sessions += 1  # it has taken one, and another waits
    assert bench.pulse.gets_on()


def test_a_supervisor_that_reads_nothing_holds_up_nobody(bench: Bench) -> None:
    bench.settle()

    for _ in range(5_000):
        bench.pulse.beat()
        bench.judges.submit(int).result()
    bench.supervisor.close()
    bench.pulse.beat()
