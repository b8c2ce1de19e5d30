"""Workers that give no sign of life, or do not leave, and those that only seem so."""

import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from stirmilter import log, worker
from stirmilter.config import parse
from stirmilter.listeners import Listeners
from stirmilter.runtime import Runtime, build
from stirmilter.testca import TestCA
from stirmilter.workers import Workers, patience


class Clock:
    """Seconds that pass when a test says so."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


def idle(
    _runtime: Runtime, _listener: socket.socket, control: socket.socket, _metrics: None
) -> None:
    """A worker that does as it is told: each octet is one that it sends back."""
    while octets := control.recv(100):
        control.send(octets)
    os._exit(0)


def deaf(*_arguments: object) -> None:
    """A worker that never leaves."""
    while True:
        time.sleep(60)


@pytest.fixture
def runtime(ca: TestCA) -> Runtime:
    table = {
        "milter": {
            "workers": 2,
            "stuck_seconds": 60.0,
            "drain_seconds": 30.0,
            "leave_seconds": 4.0,
        },
        "verify": {"anchors": [str(ca.anchors)]},
        "replay": {"store": "memory:"},
    }
    return build(parse(table, Path("stirmilter.toml")))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def workers(
    monkeypatch: pytest.MonkeyPatch,
    clock: Clock,
    runtime: Runtime,
) -> Iterator[Workers]:
    monkeypatch.setattr(worker, "serve", idle)
    monkeypatch.setattr(log.logger, "handlers", [])
    monkeypatch.setattr(log.logger, "propagate", False)
    with socket.socket(socket.AF_UNIX) as listener:
        made = Workers(Listeners([listener]), clock)
        made.start(runtime)
        yield made
        for pid in {*made.serving, *made.retired}:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        for one in made.serving.values():
            one.life.close()


def until(condition: Callable[[], bool]) -> None:
    for _ in range(400):
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError("never")


def lives(workers: Workers, pid: int) -> None:
    """Let a worker give a sign of life, and that have arrived."""
    life = workers.serving[pid].life
    life.send(b".")
    until(lambda: _readable(life))


def _readable(life: socket.socket) -> bool:
    try:
        return bool(life.recv(1, socket.MSG_PEEK))
    except BlockingIOError:
        return False


def test_the_one_without_a_sign_of_life_is_killed_and_replaced(
    workers: Workers,
    clock: Clock,
    runtime: Runtime,
    capsys: pytest.CaptureFixture[str],
) -> None:
    log.configure("info")
    good, bad = workers.serving
    for _ in range(6):  # a minute
        clock.now += 10
        lives(workers, good)
        workers.look(runtime)

    def replaced() -> bool:
        workers.look(runtime)
        return bad not in workers.serving and len(workers.serving) == 2

    until(replaced)
    assert good in workers.serving
    said = capsys.readouterr().err
    assert f"worker {bad} gave no sign of life for 60 seconds: killed" in said
    assert f"worker {bad} ended with status -9: replaced" in said


def test_a_supervisor_that_was_stopped_itself_blames_nobody(
    workers: Workers, clock: Clock, runtime: Runtime
) -> None:
    before = set(workers.serving)

    clock.now += 3600
    workers.look(runtime)
    workers.look(runtime)
    workers.reap()

    assert set(workers.serving) == before


def test_one_that_dies_young_is_replaced_after_a_pause(
    workers: Workers, clock: Clock, runtime: Runtime
) -> None:
    """What kills it at once would otherwise fork as fast as the machine can."""
    pid, _ = workers.serving
    os.kill(pid, signal.SIGKILL)

    def buried() -> bool:
        workers.look(runtime)
        return pid not in workers.serving

    until(buried)
    assert len(workers.serving) == 1
    clock.now += 1
    workers.look(runtime)
    assert len(workers.serving) == 2


def test_one_that_does_not_leave_is_killed(
    monkeypatch: pytest.MonkeyPatch,
    workers: Workers,
    clock: Clock,
    runtime: Runtime,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """After a reload, too: it would keep the memory and the old keys for ever."""
    log.configure("info")
    monkeypatch.setattr(worker, "serve", deaf)
    workers.fork(runtime, workers.listeners.sockets[0])
    *_, pid = workers.serving
    workers.retire([pid], patience(runtime))
    clock.now += 33
    workers.look(runtime)
    assert pid in workers.retired

    clock.now += 1

    def left() -> bool:
        workers.look(runtime)
        return pid not in workers.retired

    until(left)
    assert f"worker {pid} has not left in time: killed" in capsys.readouterr().err


def test_no_worker_holds_what_is_another_ones(
    workers: Workers, runtime: Runtime
) -> None:
    """Its copy of a listener would keep the address from the next daemon."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = other.getsockname()
        workers.listeners.sockets.append(other)
        workers.fork(runtime, workers.listeners.sockets[0])
    workers.listeners.sockets.pop()

    with socket.socket() as again:
        again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        until(lambda: _binds(again, address))


def _binds(again: socket.socket, address: tuple[str, int]) -> bool:
    try:
        again.bind(address)
        again.listen()
    except OSError:
        return False
    return True
