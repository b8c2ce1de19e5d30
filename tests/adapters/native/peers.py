"""An MTA's end of a connection to the native transport, and a filter behind a gate."""

import fcntl
import socket
import struct
import termios
import threading
import time
from collections.abc import Callable
from typing import Any

from stirmilter.events import Handled
from stirmilter.haste import takes_long
from stirmilter.mail.transaction import Decision
from tests.adapters.native.talks import CONNECT, offer
from tests.adapters.sessions import Ledger, Running

Serve = Callable[..., tuple[Running, Ledger]]

EVENT = Handled("in", "verified", "verified")


class Clock:
    """What the loop takes for the time: it goes on as it does, or is put forward."""

    def __init__(self) -> None:
        self._ahead = 0.0

    def monotonic(self) -> float:
        return time.monotonic() + self._ahead

    def put_forward(self, running: Running, seconds: float) -> None:
        """Let seconds pass at once, and have the loop look."""
        self._ahead += seconds
        running.server._wake()


class Gate:
    """A filter that decides when it is told to."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.asked = 0
        self.decision = Decision(event=EVENT)

    def decide(self, _transaction: object) -> Decision:
        takes_long()
        self.asked += 1
        assert self.open.wait(30)
        return self.decision


def gated(running: Running) -> Gate:
    """Have messages wait for a gate."""
    gate = Gate()
    told(running).decide = gate.decide
    return gate


def told(running: Running) -> Any:  # noqa: ANN401
    """The filter, to be told what to do."""
    return running.service.filter


def greet(running: Running) -> socket.socket:
    connection = running.connected()
    connection.sendall(offer() + CONNECT)
    assert answer(connection)[:1] == b"O"
    return connection


def taken(connection: socket.socket) -> bool:
    """Whether all that was sent has been read."""
    unread = fcntl.ioctl(connection, termios.TIOCOUTQ, bytes(4))
    return unread == bytes(4)


def answer(connection: socket.socket) -> bytes:
    """One frame without its length; nothing if the connection was closed."""
    length = exactly(connection, 4)
    return exactly(connection, *struct.unpack("!I", length)) if length else b""


def exactly(connection: socket.socket, count: int) -> bytes:
    octets = b""
    while len(octets) < count:
        try:
            more = connection.recv(count - len(octets))
        except ConnectionResetError:
            return b""
        if not more:
            return b""
        octets += more
    return octets


def verdict(connection: socket.socket) -> bytes:
    """The kind of the answer to a message, edits and signs of life passed over."""
    while (found := answer(connection)[:1]) in (b"i", b"m", b"p"):
        pass
    return found
