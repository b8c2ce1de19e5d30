"""The loop that serves connections: who may stay, and who is put out."""

import errno
import socket
import struct
import threading
import time
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from stirmilter.adapters.handshake import shake_hands
from stirmilter.adapters.native import conversation, server
from stirmilter.adapters.transport import Limits
from stirmilter.mail.transaction import Decision, Preparation
from stirmilter.stir.msgi import BodyDigester
from tests.adapters.native.peers import (
    EVENT,
    Clock,
    Serve,
    answer,
    greet,
    taken,
    told,
    verdict,
)
from tests.adapters.native.talks import CONNECT, MESSAGE, offer
from tests.adapters.sessions import PanicError, frame, until

FDS = Path("/proc/self/fd")


def descriptors() -> set[tuple[str, str]]:
    """What this process holds open, by number; others' leftovers may go meanwhile."""
    found = set()
    for one in FDS.iterdir():
        with suppress(FileNotFoundError):  # the one that lists them
            found.add((one.name, str(one.readlink())))
    return found


@pytest.mark.parametrize("sent", [b"", offer(), offer() + MESSAGE[:7]])
def test_a_silent_connection_is_closed(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    clock = Clock()
    monkeypatch.setattr(server, "time", clock)
    running, ledger = serve(limits=Limits(idle_seconds=900.0))
    connection = running.connected()
    connection.sendall(sent)
    until(lambda: bool(running.peers()) and taken(connection))

    clock.put_forward(running, 600)
    other = greet(running)  # who comes now is answered after a look at all
    assert len(running.peers()) == 2
    clock.put_forward(running, 301)
    while answer(connection):
        pass

    assert ledger.said == ["a connection was silent for 900 seconds: closed"]
    other.close()
    assert running.service.sessions.wait_until_none(30) == 0


def test_who_has_been_answered_may_be_silent_for_as_long_as_any(serve: Serve) -> None:
    """The next look at it was due while we judged, much sooner."""
    running, _ = serve(progress_seconds=0.1)
    connection = greet(running)

    connection.sendall(MESSAGE)

    assert verdict(connection) == b"c"
    until(lambda: not running.newest().busy)
    assert running.newest().due - time.monotonic() > 1_000


def test_a_connection_too_many_is_closed_at_once(serve: Serve) -> None:
    running, ledger = serve(limits=Limits(connections=2))
    first, second = greet(running), greet(running)

    third = running.connected()
    third.sendall(offer() + CONNECT)

    assert answer(third)[:1] == b"O"
    assert answer(third) == b""
    assert ledger.said == ["more than 2 connections: one refused"]
    second.close()
    until(lambda: len(running.peers()) == 1)
    again = greet(running)
    for connection in (first, again):
        connection.sendall(MESSAGE)
        assert verdict(connection) == b"c"


def test_an_mta_across_a_network_is_not_kept_waiting_and_its_end_is_noticed(
    serve: Serve,
) -> None:
    """No answer waits for another's acknowledgement; a host that died is asked."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        there: Any = SimpleNamespace(listener=listener)
        running, _ = serve(sibling=there)
        with socket.create_connection(listener.getsockname(), 30) as connection:
            connection.sendall(offer() + CONNECT + MESSAGE)
            assert answer(connection)[:1] == b"O"
            assert verdict(connection) == b"c"

            ours = running.newest().socket
            assert ours.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            assert ours.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)


def test_connections_that_stay_are_shared_among_siblings(serve: Serve) -> None:
    """An idle worker that came first in line would get them all."""
    one, _ = serve()
    other, _ = serve(sibling=one)

    for _ in range(24):
        greet(one)
        time.sleep(0.02)  # both are idle again: whoever is not is passed over anyway

    assert min(len(one.peers()), len(other.peers())) >= 3


def test_whoever_only_asks_whether_we_live_is_told_so(serve: Serve) -> None:
    """Our own watchdog, which would have a busy daemon restarted otherwise."""
    running, ledger = serve(limits=Limits(connections=1))
    connection = greet(running)

    shake_hands(running.listener, 30)

    until(lambda: len(running.peers()) == 1)
    assert ledger.said == []
    for _ in range(8):
        running.connected()
    assert answer(running.connected()) == b""
    assert ledger.said == ["more than 1 connections: one refused"]
    connection.sendall(MESSAGE)
    assert verdict(connection) == b"c"


def test_a_loop_that_turns_tells_so_and_one_that_is_stuck_does_not(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    running, _ = serve()
    hurry, other = socket.socketpair()
    stuck, released = threading.Event(), threading.Event()

    def decide(_transaction: object) -> Decision:
        stuck.set()
        assert released.wait(30)
        return Decision(event=EVENT)

    with hurry, other:
        assert running.server.answers(hurry)
        told(running).decide = decide
        told(running).prepare = lambda *_: Preparation(BodyDigester(), at_once=True)
        connection = greet(running)
        connection.sendall(MESSAGE)
        assert stuck.wait(30)

        monkeypatch.setattr(server, "_PATIENCE", 0.5)
        assert not running.server.answers(hurry)
        other.send(b"x")
        assert running.server.answers(hurry), "whoever is to leave does not wait"
        released.set()
        assert verdict(connection) == b"c"


def test_what_is_no_milter_protocol_ends_that_connection_alone(serve: Serve) -> None:
    running, ledger = serve(limits=Limits(frame_octets=65_536))
    good, bad = greet(running), greet(running)

    bad.sendall(struct.pack("!I", 65_537))

    assert answer(bad) == b""
    assert ledger.said == [
        "the MTA does not speak the milter protocol: a frame of 65537 octets"
    ]
    assert ledger.failed == []
    good.sendall(MESSAGE)
    assert verdict(good) == b"c"


@pytest.mark.parametrize("kind", [ZeroDivisionError, PanicError])
def test_a_bug_ends_the_connection_that_met_it_alone(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, kind: type[BaseException]
) -> None:
    def crash(*_: object) -> None:
        raise kind

    running, ledger = serve()
    good, bad = greet(running), greet(running)
    table = conversation._COMMANDS
    monkeypatch.setitem(table, ord("U"), table[ord("U")]._replace(take=crash))

    bad.sendall(frame(b"U", b"x\0"))

    assert answer(bad) == b""
    assert [type(error) for _, error in ledger.failed] == [kind]
    good.sendall(MESSAGE)
    assert verdict(good) == b"c"


def test_who_is_told_to_accept_no_more_serves_those_who_are_there(
    serve: Serve,
) -> None:
    running, _ = serve()
    connection = greet(running)

    running.server.stop_accepting()
    late = running.connected()
    late.sendall(offer())
    connection.sendall(MESSAGE)

    assert verdict(connection) == b"c"
    assert len(running.peers()) == 1
    other, _ = running.listener.accept()  # it waits for somebody else
    other.close()


def test_a_system_without_descriptors_is_asked_again_later(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "_REST", 0.05)
    running, ledger = serve()
    there = greet(running)
    real = running.server._listener

    class Full:
        """A listener that the system has no descriptor for, once."""

        fails = 1

        def fileno(self) -> int:
            return real.fileno()

        def accept(self) -> Any:  # noqa: ANN401 - what a socket returns
            if self.fails:
                self.fails -= 1
                raise OSError(errno.EMFILE, "Too many open files")
            return real.accept()

    full: Any = Full()
    running.server._listener = full
    late = running.connected()
    late.sendall(offer())

    assert answer(late)[:1] == b"O"
    assert len(ledger.said) == 1
    assert "Too many open files" in ledger.said[0]
    there.sendall(MESSAGE)
    assert verdict(there) == b"c"


def test_a_connection_that_is_no_more_when_it_is_accepted_ends_alone(
    serve: Serve,
) -> None:
    running, ledger = serve()
    real = running.server._listener

    class Hasty:
        """A listener whose first connection is closed by then."""

        first = True

        def fileno(self) -> int:
            return real.fileno()

        def accept(self) -> Any:  # noqa: ANN401 - what a socket returns
            accepted = real.accept()
            if self.first:
                self.first = False
                accepted[0].close()
            return accepted

    hasty: Any = Hasty()
    running.server._listener = hasty
    assert answer(running.connected()) == b""

    good = greet(running)
    good.sendall(MESSAGE)
    assert verdict(good) == b"c"
    assert running.peers() == [running.newest()]
    assert ledger.failed == []


def test_a_frame_may_be_as_long_as_is_set(serve: Serve) -> None:
    running, _ = serve(limits=Limits(frame_octets=1 << 20))
    connection = greet(running)
    body = frame(b"B", b"x" * ((1 << 20) - 1))
    before, end, _ = MESSAGE.rpartition(frame(b"E"))

    connection.sendall(before + body + end)

    assert verdict(connection) == b"c"


def test_no_descriptor_stays_behind(serve: Serve) -> None:
    running, _ = serve()
    before = descriptors()

    said = (b"", offer(), offer() + CONNECT + MESSAGE + frame(b"Q"), b"\0" * 4)
    for octets in said:
        with running.connected() as connection:
            connection.sendall(octets)

    # Of one that the loop has not accepted yet, nothing would be there either.
    until(lambda: running.service.sessions.total == len(said))
    until(lambda: running.peers() == [] and descriptors() <= before)
    assert running.service.sessions.count == 0
