"""A name server on loopback that lies, dawdles and counts, as it is told.

    with DnsServer() as server:
        server.add("example.net", "TXT", "v=spf1 -all")
        server.add("example.net", "MX", "10 mail.example.net")
        server.fails.add("broken.example")          # SERVFAIL
        dns = Dns([server.address])
        assert dns.for_message().ask("example.net", "TXT").outcome == "found"
        assert server.asked("example.net", "TXT") == 1

It knows what was added and nothing else: a name below which there is one that it knows
has no data, every other does not exist. Answers come by UDP and by TCP.
"""

from __future__ import annotations

import socketserver
import struct
from collections import defaultdict
from collections.abc import Iterable
from contextlib import suppress
from threading import Event, Thread
from typing import Final, NamedTuple, Self

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rdtypes.ANY.TXT
import dns.rrset

from stirmilter.stores.dns import Server

POLL: Final = 0.005
_STRING: Final = 255  # octets of one character string
_ALIASES: Final = 10


class Question(NamedTuple):
    name: str
    kind: str
    transport: str


class DnsServer:
    """Answers from what was added, and keeps the questions."""

    def __init__(self, address: str = "127.0.0.1", port: int = 0) -> None:
        """Take the door: with port 0, any that is free.

        Raises:
            OSError: the port that was asked for cannot be had.
        """
        self.questions: list[Question] = []
        self.clients: list[object] = []
        """Addresses that answers went to."""
        self.ttl = 60
        self.negative_ttl: int | None = 60
        """TTL of the SOA record in negative answers; None leaves it out."""
        self.fails: set[str | tuple[str, str]] = set()
        """Names answered by SERVFAIL, with all below them; or a name and a kind."""
        self.refuses: set[str] = set()
        """Names answered by REFUSED."""
        self.silent: set[str] = set()
        """Names that get no answer, with all that is below them."""
        self.slow: dict[str, float] = {}
        """Seconds before the answer about a name."""
        self.truncates: set[str] = set()
        """Names whose answers by UDP say no more than: ask by TCP."""
        self.garbage: set[str] = set()
        """Names whose answers are no DNS messages."""
        self._zone: dict[str, dict[str, list[dns.rdata.Rdata]]] = defaultdict(dict)
        self._stopped = Event()
        self._servers: list[socketserver.BaseServer] = []
        self._threads: list[Thread] = []
        self.address: Server = self._bind(address, port)

    def add(self, name: str, kind: str, *values: str | tuple[bytes, ...]) -> None:
        """Add records; none at all make a name that exists without data.

        A TXT record is text, cut to character strings as needed, or the strings.
        """
        records = self._zone[_key(name)].setdefault(kind, [])
        records += [_rdata(kind, value) for value in values]

    def remove(self, name: str) -> None:
        """Forget a name."""
        self._zone.pop(_key(name), None)

    def asked(self, name: str, kind: str | None = None) -> int:
        """Count the questions for a name."""
        return sum(
            one.name == _key(name) and kind in (None, one.kind)
            for one in self.questions
        )

    def __enter__(self) -> Self:
        for server in self._servers:
            thread = Thread(target=server.serve_forever, args=(POLL,))
            thread.start()
            self._threads.append(thread)
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        for server in self._servers:
            server.shutdown()
            server.server_close()
        for thread in self._threads:
            thread.join()

    def answer(self, wire: bytes, transport: str) -> bytes | None:
        """Return the answer to a question, or None for silence."""
        query = dns.message.from_wire(wire)
        [question] = query.question
        name = _written(question.name)
        kind = dns.rdatatype.to_text(question.rdtype)
        self.questions.append(Question(name, kind, transport))
        if self._stopped.wait(self.slow.get(name, 0)) or _within(name, self.silent):
            return None
        if name in self.garbage:
            return wire[:2] + b"\xff" * 30
        response = dns.message.make_response(query)
        if _within(name, self.fails) or (name, kind) in self.fails:
            response.set_rcode(dns.rcode.SERVFAIL)
        elif name in self.refuses:
            response.set_rcode(dns.rcode.REFUSED)
        elif transport == "udp" and name in self.truncates:
            response.flags |= dns.flags.TC
        else:
            self._fill(response, question.name, kind)
        return self._fitting(response, transport)

    def _fill(
        self, response: dns.message.Message, owner: dns.name.Name, kind: str
    ) -> None:
        for _ in range(_ALIASES):
            name = _written(owner)
            known = self._zone.get(name, {})
            if known.get(kind):
                self._append(response, owner, known[kind])
                return
            if "CNAME" not in known:
                break
            self._append(response, owner, known["CNAME"])
            owner = _target(known["CNAME"][0])
        if not known and not any(
            other.endswith(f".{name}")
            for other in list(self._zone)  # a test may be adding some
        ):
            response.set_rcode(dns.rcode.NXDOMAIN)
        if self.negative_ttl is not None:
            response.authority.append(
                dns.rrset.from_text(
                    ".",
                    self.negative_ttl,
                    "IN",
                    "SOA",
                    f"ns. root. 1 3600 600 86400 {self.negative_ttl}",
                )
            )

    def _append(
        self,
        response: dns.message.Message,
        owner: dns.name.Name,
        records: list[dns.rdata.Rdata],
    ) -> None:
        response.answer.append(dns.rrset.from_rdata_list(owner, self.ttl, records))

    @staticmethod
    def _fitting(response: dns.message.Message, transport: str) -> bytes:
        wire = response.to_wire(max_size=65_535)
        if transport == "tcp" or len(wire) <= max(512, response.request_payload):
            return wire
        response.answer.clear()
        response.flags |= dns.flags.TC
        return response.to_wire()

    def _bind(self, address: str, wanted: int) -> Server:
        owner = self

        class Datagram(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                wire, door = self.request
                answer = owner.answer(wire, "udp")
                owner.clients.append(self.client_address)
                if answer is not None:
                    with suppress(OSError):
                        door.sendto(answer, self.client_address)

        class Stream(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                prefix = self.rfile.read(2)
                if len(prefix) < 2:  # it has asked nothing
                    return
                [length] = struct.unpack("!H", prefix)
                answer = owner.answer(self.rfile.read(length), "tcp")
                if answer is not None:
                    with suppress(OSError):
                        self.wfile.write(struct.pack("!H", len(answer)) + answer)

        while True:
            udp = socketserver.ThreadingUDPServer((address, wanted), Datagram)
            port: int = udp.server_address[1]
            try:
                tcp = socketserver.ThreadingTCPServer((address, port), Stream)
            except OSError:  # somebody else has that port by TCP
                udp.server_close()
                if wanted:
                    raise
                continue
            self._servers = [udp, tcp]
            return address, port


def _key(name: str) -> str:
    """Return the name as dnspython writes it: a space in a label has an escape."""
    labels = [label.encode("latin-1") for label in name.rstrip(".").split(".")]
    return _written(dns.name.Name([*filter(None, labels), b""]))


def _written(name: dns.name.Name) -> str:
    return name.to_text(omit_final_dot=True).lower()


def _within(name: str, domains: Iterable[object]) -> bool:
    return any(f".{name}".endswith(f".{one}") for one in domains)


def _target(record: dns.rdata.Rdata) -> dns.name.Name:
    return dns.name.from_text(record.to_text())


def _rdata(kind: str, value: str | tuple[bytes, ...]) -> dns.rdata.Rdata:
    if kind == "TXT":
        strings = _strings(value) if isinstance(value, str) else value
        return dns.rdtypes.ANY.TXT.TXT(dns.rdataclass.IN, dns.rdatatype.TXT, strings)
    assert isinstance(value, str)
    return dns.rdata.from_text("IN", kind, value, dns.name.root, relativize=False)


def _strings(text: str) -> tuple[bytes, ...]:
    octets = text.encode("latin-1")
    return tuple(
        octets[at : at + _STRING] for at in range(0, max(1, len(octets)), _STRING)
    )
