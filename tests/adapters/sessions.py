"""What the tests of the session share: an MTA for each transport, and a ledger.

Of libmilter, its context is played; of the native transport nothing is, and an MTA
speaks to it that has every command answered, so that a test knows when it was taken.
"""

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from typing import Any

import Milter

from stirmilter.adapters.milter import Callbacks
from stirmilter.adapters.native.server import Server
from stirmilter.adapters.service import Service
from stirmilter.adapters.session import Session
from stirmilter.adapters.transport import Limits
from stirmilter.events import Handled
from stirmilter.haste import takes_long
from tests import mta

ANSWERED = 0x1FFFFF & ~0xFF080  # every option but those for no reply


class Context:
    """What an MTA is told, and what it tells in macros."""

    def __init__(self) -> None:
        self.replies: list[tuple[str, ...]] = []
        self.added: list[str] = []
        self.removed: list[tuple[str, int]] = []
        self.progressed = 0
        self.macros = {"i": "4Yx1ab"}

    def getsymval(self, name: str) -> str | None:
        return self.macros.get(name)

    def setreply(self, *reply: str) -> None:
        self.replies.append(reply)

    def addheader(self, name: str, _value: str, _index: int) -> None:
        self.added.append(name)

    def chgheader(self, name: str, index: int, _value: str | None) -> None:
        self.removed.append((name, index))

    def progress(self) -> None:
        self.progressed += 1

    def setpriv(self, _session: object) -> None: ...


class Ledger:
    """Everything a service reports."""

    def __init__(self) -> None:
        self.handled: list[Handled] = []
        self.failed: list[tuple[str, BaseException]] = []
        self.said: list[str] = []


class Played(Callbacks):
    """A session of libmilter's, with a context that is played."""

    def __init__(self, service: Service, actions: int = 0x1FF) -> None:
        super().__init__(service)
        self.context = self._ctx = Context()
        self._actions, self._protocol = actions, 0

    def another(self) -> "Played":
        return Played(self.session.service)


class Wire:
    """A session of the native transport, driven in the words of libmilter's."""

    def __init__(self, running: "Running", actions: int = 0x1FF) -> None:
        self.context = Context()
        self._running = running
        self._socket = connection = running.connected()
        self._mta = mta.MTA(connection, actions=actions, steps=ANSWERED)
        self._peer = running.newest()
        self._state = "start"

    @property
    def session(self) -> Session:
        session: Session = self._peer.talk.session
        return session

    def another(self) -> "Wire":
        return Wire(self._running)

    def connect(self, name: str, _family: int, address: tuple[str, int]) -> int:
        data = name.encode() + b"\x004\0\x19" + address[0].encode() + b"\0"
        return self._told("C", b"C", data, "idle")

    def envfrom(self, sender: str) -> int:
        if self._state == "start":
            self.connect("client.example", socket.AF_INET, ("192.0.2.1", 25))
        return self._told("M", b"M", sender.encode() + b"\0", "mail")

    def envrcpt(self, recipient: str) -> int:
        return self._told("R", b"R", recipient.encode() + b"\0", "rcpt")

    def header(self, name: str, value: bytes) -> int:
        if self._state == "mail":
            self.envrcpt("<b@two.example>")
        return self._told("", b"L", name.encode() + b"\0" + value + b"\0", "rcpt")

    def eoh(self) -> int:
        if self._state == "mail":
            self.envrcpt("<b@two.example>")
        return self._told("N", b"N", b"", "body")

    def body(self, chunk: bytes) -> int:
        return self._told("", b"B", chunk, "body")

    def eom(self) -> int:
        if self._state != "body":
            self.eoh()
        self._state = "idle"
        answer = self._mta.end(self.context.macros["i"].encode())
        self.context.progressed += answer.progress
        self.context.added += [name.decode() for _, name, _ in answer.inserted]
        self.context.removed += [(name.decode(), n) for n, name, _ in answer.changed]
        if answer.verdict == b"y":
            self.context.replies.append(tuple(answer.reply.decode().split(" ", 2)))
        if answer.verdict == b"c":
            return Milter.CONTINUE
        refused = answer.reply or {b"r": b"5", b"t": b"4"}[answer.verdict]
        return Milter.REJECT if refused.startswith(b"5") else Milter.TEMPFAIL

    def abort(self) -> int:
        self._mta.abort()
        return self._told("", b"U", b"NOOP\0", "idle")  # answered once the abort was

    def close(self) -> int:
        self._socket.close()
        until(lambda: self._peer not in self._running.peers())
        return Milter.CONTINUE

    def _told(self, scope: str, kind: bytes, data: bytes, state: str) -> int:
        self._state = state
        if scope:
            macros = {n.encode(): v.encode() for n, v in self.context.macros.items()}
            self._mta._macros(scope.encode(), macros)
        self._mta._command(kind, data)
        return Milter.CONTINUE


class Running:
    """A native server on a thread of its own."""

    def __init__(
        self, service: Service, listener: socket.socket, server: Server
    ) -> None:
        self.clients = ExitStack()
        self.service = service
        self.listener = listener
        self.server = server
        self.address: str = listener.getsockname()

    def connected(self) -> socket.socket:
        connection = self.clients.enter_context(socket.socket(socket.AF_UNIX))
        connection.settimeout(30)
        connection.connect(self.address)
        return connection

    def peers(self) -> list[Any]:
        return list(self.server._peers.values())

    def newest(self) -> Any:  # noqa: ANN401 - whoever it is, inside
        return self.peers()[-1]


def _listening() -> socket.socket:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind("")
    listener.listen()
    listener.setblocking(False)
    return listener


@contextmanager
def running(
    service: Service,
    limits: Limits | None = None,
    tell: Callable[[str], None] = lambda _: None,
    sibling: Running | None = None,
) -> Iterator[Running]:
    """Serve by the native transport, on a socket that at most a sibling knows."""
    stopped = threading.Event()
    with _listening() if sibling is None else sibling.listener.dup() as listener:
        server = Server(service, listener, limits or Limits(), tell)

        def serve() -> None:
            while not stopped.is_set():
                server.turn()

        thread = threading.Thread(target=serve, name="milter")
        thread.start()
        made = Running(service, listener, server)
        try:
            yield made
        finally:
            made.clients.close()
            server.stop_accepting()
            stopped.set()
            server.stop_accepting()  # to have it look
            thread.join()
            server.close()


Talk = tuple[Any, Context, Ledger]


def carry(session: Any) -> int:  # noqa: ANN401 - of either transport
    session.envfrom("<a@one.example>")
    session.envrcpt("<b@two.example>")
    session.header("From", b" a@one.example")
    session.eoh()
    session.body(b"Hello\r\n")
    answer: int = session.eom()
    return answer


def told(ledger: Ledger) -> list[tuple[str, str, str]]:
    """What became of each message, as the log tells it."""
    assert {event.queue_id for event in ledger.handled} <= {"4Yx1ab"}
    return [(one.outcome, one.reason, one.action) for one in ledger.handled]


def broken(*_: object) -> datetime:
    raise ZeroDivisionError("a bug of ours")


class PanicError(BaseException):
    """As libraries written in Rust have it."""


def panicking(*_: object) -> datetime:
    raise PanicError


def panicking_late(*_: object) -> datetime:
    takes_long()
    raise PanicError


def until(condition: Callable[[], bool]) -> None:
    for _ in range(2_000):
        if condition():
            return
        time.sleep(0.005)
    raise AssertionError("never")


def frame(kind: bytes, data: bytes = b"") -> bytes:
    return struct.pack("!I", 1 + len(data)) + kind + data
