"""The demonstration's own name server: one zone, over UDP and TCP on loopback.

It answers from what it was given and asks nobody: the demonstration needs no network,
and the domains in it are nobody's.
"""

from __future__ import annotations

import socketserver
import struct
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from threading import Thread
from typing import Final

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.zone

from stirmilter.errors import ConfigError
from stirmilter.mail.dkimsign import character_strings

_ADDRESS: Final = "127.0.0.1"
_POLL: Final = 0.05
_TRIES: Final = 20
_LEAST: Final = 512  # octets that everybody takes by UDP (RFC 1035 §4.2.1)
_MOST: Final = 65_535  # octets of any answer


class Zone:
    """Records, written as a zone file is; names in it are absolute."""

    def __init__(self, text: str) -> None:
        """Read the records.

        Raises:
            dns.exception.DNSException: it is no zone file.
        """
        self._zone = dns.zone.from_text(
            text, origin=dns.name.root, relativize=False, check_origin=False
        )

    def answer(self, wire: bytes, room: int | None = None) -> bytes:
        """Return the answer to a question.

        Args:
            wire: the question.
            room: octets that an answer may have where the question does not say; None
                is a transport that takes all.

        Raises:
            dns.exception.DNSException: it is no question.
        """
        query = dns.message.from_wire(wire)
        response = dns.message.make_response(query)
        response.flags |= dns.flags.AA
        for question in query.question:
            found = self._zone.get_rrset(question.name, question.rdtype)
            if found is not None:
                response.answer.append(found)
            elif not self._exists(question.name):
                response.set_rcode(dns.rcode.NXDOMAIN)
        whole = response.to_wire(max_size=_MOST)
        if room is None or len(whole) <= max(room, query.payload):
            return whole
        response.answer.clear()
        response.flags |= dns.flags.TC  # come again by TCP
        return response.to_wire()

    def _exists(self, name: dns.name.Name) -> bool:
        """Tell whether there is a name, or one below it (RFC 8020 §2)."""
        return any(known.is_subdomain(name) for known in self._zone)


@contextmanager
def serve(zone: Zone) -> Iterator[int]:
    """Answer on loopback until the block ends; the value is the port.

    Raises:
        ConfigError: no port is free for both transports.
    """
    with ExitStack() as stack:
        udp, tcp = _bind(zone)
        for server in (udp, tcp):
            stack.enter_context(server)
            thread = Thread(target=server.serve_forever, args=(_POLL,), daemon=True)
            thread.start()
            stack.callback(thread.join)
            stack.callback(server.shutdown)
        yield int(udp.server_address[1])


def txt(name: str, text: str) -> str:
    """Write a TXT record as a line of a zone file."""
    return f"{name}. 60 IN TXT {character_strings(text)}"


def _bind(zone: Zone) -> tuple[socketserver.UDPServer, socketserver.TCPServer]:
    """Open one port for both transports."""

    class Datagram(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            wire, door = self.request
            with suppress(dns.exception.DNSException, OSError):
                door.sendto(zone.answer(wire, _LEAST), self.client_address)

    class Stream(socketserver.StreamRequestHandler):
        timeout = 5.0

        def handle(self) -> None:
            with suppress(dns.exception.DNSException, OSError, struct.error):
                [length] = struct.unpack("!H", self.rfile.read(2))
                answer = zone.answer(self.rfile.read(length))
                self.wfile.write(struct.pack("!H", len(answer)) + answer)

    for _ in range(_TRIES):
        udp = socketserver.ThreadingUDPServer((_ADDRESS, 0), Datagram)
        try:
            return udp, socketserver.ThreadingTCPServer(udp.server_address, Stream)
        except OSError:  # somebody else has that port by TCP
            udp.server_close()
    raise ConfigError("demo", "no port is free by UDP and by TCP")
