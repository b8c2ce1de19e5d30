"""Servers that lie, dawdle and flood, as they are told.

They are real ones on loopback: https with the certificate of the test CA, and DNS.
"""

import socket
import socketserver
import ssl
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Event, Thread
from typing import Self

import dns.message
import dns.rcode
import dns.rdatatype
import dns.resolver
import dns.rrset

from stirmilter.testca import TestCA

CHAIN = b"-----BEGIN CERTIFICATE-----\n"
OK = b"HTTP/1.1 200 OK\r\n"
UNCHANGED = b"HTTP/1.1 304 Not Modified\r\n"
POLL = 0.005
TICK = 0.05
PATIENCE = 60  # ticks: 3 s, far beyond every deadline here

Answer = Callable[[socket.socket, Event], None]


def say(*pieces: bytes) -> Answer:
    """Answer at once, and close."""

    def answer(connection: socket.socket, _: Event) -> None:
        for piece in pieces:
            connection.sendall(piece)

    return answer


def drip(begin: bytes, drop: bytes, end: bytes) -> Answer:
    """Answer a drop at a time. In the end the answer is a good one."""

    def answer(connection: socket.socket, stopped: Event) -> None:
        connection.sendall(begin)
        for _ in range(PATIENCE):
            if stopped.wait(TICK):
                return
            connection.sendall(drop)
        connection.sendall(end)

    return answer


def break_off(*pieces: bytes) -> Answer:
    """Answer, and leave without a word of TLS, as one who cuts the line would."""

    def answer(connection: socket.socket, _: Event) -> None:
        for piece in pieces:
            connection.sendall(piece)
        connection.shutdown(socket.SHUT_WR)
        raise ConnectionAbortedError

    return answer


def reset(*pieces: bytes) -> Answer:
    """Answer, and reset the connection."""

    def answer(connection: socket.socket, _: Event) -> None:
        for piece in pieces:
            connection.sendall(piece)
        connection.setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
        )
        connection.close()
        raise ConnectionAbortedError

    return answer


def in_order(*answers: Answer) -> Answer:
    """Give one answer after the other, each to one client, the last to all others."""
    left = list(answers)

    def answer(connection: socket.socket, stopped: Event) -> None:
        (left.pop(0) if len(left) > 1 else left[0])(connection, stopped)

    return answer


def silence(_: socket.socket, stopped: Event) -> None:
    """Keep the connection, and say nothing."""
    stopped.wait(TICK * PATIENCE)


class _Door(socketserver.ThreadingTCPServer):
    # With the five by default, a burst is sent away: it comes again in a second.
    request_queue_size = 128


class WebServer:
    """Does as it is told to each client, and keeps what they said."""

    def __init__(
        self,
        answer: Answer,
        context: ssl.SSLContext | None,
        *,
        listens: bool = True,
    ) -> None:
        self.connections = 0
        self._listens = listens and answer is not silence
        self.requests: list[bytes] = []
        self._answer = answer
        self._context = context
        self._stopped = Event()
        owner = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                owner.connections += 1
                with suppress(OSError):
                    owner.serve(self.request)

        self._server = _Door(("127.0.0.1", 0), Handler)
        self.port: int = self._server.server_address[1]

    def serve(self, connection: socket.socket) -> None:
        if self._context is not None:
            connection = self._context.wrap_socket(connection, server_side=True)
        with connection:
            if self._listens:
                request = b""
                while b"\r\n\r\n" not in request:
                    octets = connection.recv(4096)
                    if not octets:
                        return
                    request += octets
                self.requests.append(request)
            self._answer(connection, self._stopped)
            if isinstance(connection, ssl.SSLSocket):
                connection.unwrap()

    def __enter__(self) -> Self:
        self._thread = Thread(target=self._server.serve_forever, args=(POLL,))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class NameServer:
    """Answers from `addresses`, keeps the questions, is silent about ``silent.``.

    To a name of `later` it answers so once it has been asked for its addresses.
    """

    def __init__(self) -> None:
        self.addresses: dict[str, list[str]] = {}
        self.aliases: dict[str, str] = {}
        self.later: dict[str, list[str]] = {}
        self.silent: set[tuple[str, str]] = set()
        self.queries: list[tuple[str, str]] = []
        owner = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                octets, door = self.request
                answer = owner.answer(dns.message.from_wire(octets))
                if answer is not None:
                    door.sendto(answer.to_wire(), self.client_address)

        self.server = socketserver.UDPServer(("127.0.0.1", 0), Handler)
        self.resolver = dns.resolver.Resolver(configure=False)
        self.resolver.nameservers = ["127.0.0.1"]
        self.resolver.port = self.server.server_address[1]

    def answer(self, query: dns.message.Message) -> dns.message.Message | None:
        [question] = query.question
        name = question.name.to_text(omit_final_dot=True)
        kind = dns.rdatatype.to_text(question.rdtype)
        self.queries.append((name, kind))
        if name.startswith("silent.") or (name, kind) in self.silent:
            return None
        response = dns.message.make_response(query)
        if name in self.aliases:
            alias = self.aliases[name]
            response.answer.append(
                dns.rrset.from_text(question.name, 60, "IN", "CNAME", f"{alias}.")
            )
            question, name = dns.rrset.from_text(f"{alias}.", 60, "IN", kind), alias
        if name not in self.addresses:
            response.set_rcode(dns.rcode.NXDOMAIN)
        found = [
            a for a in self.addresses.get(name, []) if (":" in a) == (kind == "AAAA")
        ]
        if found:
            response.answer.append(
                dns.rrset.from_text_list(question.name, 60, "IN", kind, found)
            )
        if kind == "AAAA" and name in self.later:
            self.addresses[name] = self.later[name]
        return response


@contextmanager
def https(ca: TestCA, answer: Answer, name: str = "tls") -> Iterator[WebServer]:
    """Serve over TLS, as 127.0.0.1 and as localhost, under a certificate by name."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(ca.folder / f"{name}.pem", ca.folder / f"{name}.key")
    with WebServer(answer, context) as server:
        yield server
