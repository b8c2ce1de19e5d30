"""The MTA side of the milter protocol, version 6, octets all the way.

Enough of it to drive a milter as Postfix does, and to see every action it takes. The
packet layout is that of libmilter's mfdef.h.
"""

import socket
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Final

_ACTIONS: Final = 0x1FF
_STEPS: Final = 0x1FFFFF  # every protocol bit, leading space of headers included
_HEADER_LEADSPC: Final = 0x100000
_NO_REPLY: Final = {
    b"L": 0x80,
    b"C": 0x1000,
    b"H": 0x2000,
    b"M": 0x4000,
    b"R": 0x8000,
    b"T": 0x10000,
    b"U": 0x20000,
    b"N": 0x40000,
    b"B": 0x80000,
}
_NOT_WANTED: Final = {
    b"C": 0x1,
    b"H": 0x2,
    b"M": 0x4,
    b"R": 0x8,
    b"B": 0x10,
    b"L": 0x20,
}
_NOT_WANTED.update({b"N": 0x40, b"U": 0x100, b"T": 0x200})


@dataclass
class Answer:
    """What a milter did to one message, in order."""

    verdict: bytes = b""
    """One octet of the protocol: c continue, t tempfail, r reject, y reply."""

    reply: bytes = b""
    inserted: list[tuple[int, bytes, bytes]] = field(default_factory=list)
    changed: list[tuple[int, bytes, bytes]] = field(default_factory=list)
    quarantined: bytes = b""
    """Why it is to be held, if it is."""

    progress: int = 0

    def value(self, name: bytes) -> bytes:
        """The value of the one inserted field of this name."""
        [found] = [value for _, n, value in self.inserted if n == name]
        return found


class MTA:
    """One SMTP session as a milter sees it."""

    def __init__(
        self,
        connection: socket.socket,
        *,
        leading_space: bool = True,
        actions: int = _ACTIONS,
        steps: int = _STEPS,
        seconds: float = 30.0,
    ) -> None:
        self._socket = connection
        self._socket.settimeout(seconds)
        if not leading_space:
            steps &= ~_HEADER_LEADSPC
        self._send(b"O", struct.pack("!III", 6, actions, steps))
        kind, octets = self._receive()
        assert kind == b"O", kind
        _, self.actions, self.steps = struct.unpack("!III", octets[:12])
        self.macros_asked_for = octets[12:]

    def connect(
        self,
        client: str = "127.0.0.1",
        daemon_name: str = "smtpd",
        version: str = "Postfix 3.7.11",
    ) -> None:
        address = ip_address(client)
        family = b"4" if address.version == 4 else b"6"
        macros = {b"{daemon_name}": daemon_name.encode(), b"v": version.encode()}
        self._macros(b"C", macros)
        self._command(
            b"C",
            b"client.example\0"
            + family
            + struct.pack("!H", 25)
            + client.encode()
            + b"\0",
        )

    def hello(self, name: bytes, macros: dict[bytes, bytes] | None = None) -> None:
        """Say EHLO; the macros are those of TLS, once it has begun."""
        self._macros(b"H", macros or {})
        self._command(b"H", name + b"\0")

    def begin(
        self, sender: bytes, recipients: Sequence[bytes], login: bytes = b""
    ) -> None:
        macros = {b"{mail_addr}": sender.strip(b"<>")}
        self._macros(b"M", macros | ({b"{auth_authen}": login} if login else {}))
        self._command(b"M", sender + b"\0")
        for recipient in recipients:
            self._command(b"R", recipient + b"\0")

    def headers(self, headers: Sequence[tuple[bytes, bytes]]) -> None:
        for name, value in headers:
            self._command(b"L", name + b"\0" + value + b"\0")
        self._command(b"N", b"")

    def body(self, *chunks: bytes) -> None:
        for chunk in chunks:
            self._command(b"B", chunk)

    def end(self, queue_id: bytes = b"4Yx1ab") -> Answer:
        """Finish the message and collect the actions."""
        self._macros(b"E", {b"i": queue_id})
        self._send(b"E", b"")
        answer = Answer()
        while True:
            kind, octets = self._receive()
            if kind == b"p":
                answer.progress += 1
            elif kind == b"q":
                answer.quarantined = octets.rstrip(b"\0")
            elif kind in (b"i", b"m"):
                [index] = struct.unpack("!I", octets[:4])
                name, value, _ = octets[4:].split(b"\0")
                actions = answer.inserted if kind == b"i" else answer.changed
                actions.append((index, name, value))
            else:
                answer.verdict, answer.reply = kind, octets.rstrip(b"\0")
                return answer

    def abort(self) -> None:
        self._send(b"A", b"")

    def message(
        self,
        sender: bytes,
        recipients: Sequence[bytes],
        headers: Sequence[tuple[bytes, bytes]],
        *chunks: bytes,
        queue_id: bytes = b"4Yx1ab",
    ) -> Answer:
        """A whole message."""
        self.begin(sender, recipients)
        self.headers(headers)
        self.body(*chunks)
        return self.end(queue_id)

    def _command(self, kind: bytes, octets: bytes) -> None:
        if self.steps & _NOT_WANTED.get(kind, 0):
            return
        self._send(kind, octets)
        if not self.steps & _NO_REPLY[kind]:
            answer, text = self._receive()
            assert answer == b"c", (kind, answer, text)

    def _macros(self, kind: bytes, macros: dict[bytes, bytes]) -> None:
        packed = b"".join(n + b"\0" + v + b"\0" for n, v in macros.items())
        self._send(b"D", kind + packed)

    def _send(self, kind: bytes, octets: bytes) -> None:
        self._socket.sendall(struct.pack("!I", len(octets) + 1) + kind + octets)

    def _receive(self) -> tuple[bytes, bytes]:
        [length] = struct.unpack("!I", self._exactly(4))
        packet = self._exactly(length)
        return packet[:1], packet[1:]

    def _exactly(self, count: int) -> bytes:
        octets = b""
        while len(octets) < count:
            more = self._socket.recv(count - len(octets))
            if not more:
                raise ConnectionError("the milter closed the connection")
            octets += more
        return octets


@contextmanager
def session(
    address: str | tuple[str, int],
    client: str = "127.0.0.1",
    daemon_name: str = "smtpd",
    *,
    leading_space: bool = True,
    actions: int = _ACTIONS,
    version: str = "Postfix 3.7.11",
) -> Iterator[MTA]:
    """A session with the milter at a UNIX path or a host and port."""
    if isinstance(address, str):
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(address)
    else:
        connection = socket.create_connection(address)
    with connection:
        mta = MTA(connection, leading_space=leading_space, actions=actions)
        mta.connect(client, daemon_name, version)
        yield mta
        connection.sendall(b"\0\0\0\1Q")
