"""What whoever scrapes may cost: exactly so much, and what becomes of more."""

import os
import socket
from contextlib import suppress
from pathlib import Path
from threading import BoundedSemaphore, Event, Thread
from typing import Any, NoReturn

import pytest

from stirmilter import exporter
from stirmilter.exporter import ScrapeLimits

REQUEST = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"
LINE = len(REQUEST) - len(b"\r\n")
"""What of it is kept while the rest is still to come."""


class Noting(socket.socket):
    """A connection that says when something has been read from it."""

    def __init__(self, descriptor: int, read: Event) -> None:
        super().__init__(fileno=descriptor)
        self._read = read

    def recv(self, size: int, flags: int = 0, /) -> bytes:
        octets = super().recv(size, flags)
        self._read.set()
        return octets


def answer(limits: ScrapeLimits, *pieces: bytes) -> bytes:
    """Send a request in pieces, and return what comes."""
    ours, theirs = socket.socketpair()
    first = Event()
    reader = Noting(theirs.detach(), first)
    places = BoundedSemaphore(1)
    places.acquire()
    arguments = reader, lambda: b"counted", places, limits
    thread = Thread(target=exporter._answer, args=arguments)
    thread.start()
    with ours:
        ours.settimeout(10)
        found = b""
        with suppress(ConnectionError):
            for piece in pieces:
                ours.sendall(piece)
                assert first.wait(30), "they are read one by one"
            found = b"".join(iter(lambda: ours.recv(65_536), b""))
    thread.join(10)
    assert places.acquire(blocking=False), "the place is free again"
    return found


@pytest.mark.parametrize(("octets", "status"), [(LINE, b"200"), (LINE - 1, b"")])
def test_a_request_of_more_octets_is_not_answered(octets: int, status: bytes) -> None:
    limits = ScrapeLimits(octets=octets)

    assert answer(limits, REQUEST[:-2], REQUEST[-2:])[9:12] == status


def test_a_request_that_takes_longer_is_not_answered() -> None:
    assert answer(ScrapeLimits(seconds=0.2), REQUEST[:-2]) == b""
    assert b"counted" in answer(ScrapeLimits(seconds=20), REQUEST[:-2], REQUEST[-2:])


def test_its_process_holds_no_descriptor_of_the_workers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a copy of a worker's life line, that worker would outlive its supervisor."""
    told = tmp_path / "told"

    def held(descriptor: int) -> bool:
        try:
            os.fstat(descriptor)
        except OSError:
            return False
        return True

    def serve(*_: object) -> NoReturn:  # in the child
        open_ = [held(one.fileno()) for one in (life, listener, door)]
        told.write_text(str(open_))
        os._exit(0)

    monkeypatch.setattr(exporter, "serve", serve)
    nothing: Any = None
    with (
        socket.socket() as life,
        socket.socket() as listener,
        socket.socket() as door,
    ):
        made = exporter.Exporter(nothing, door)
        made.keep(nothing, [life.fileno(), listener.fileno()])
        assert made._child is not None
        _, status = os.waitpid(made._child[0], 0)
        made.retire()

        assert status == 0
        assert told.read_text() == str([False, False, True])
        assert held(life.fileno()), "and its supervisor does still"
