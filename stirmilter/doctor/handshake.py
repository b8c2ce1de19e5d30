"""The MTA's first words to a milter, and whether the answer is ours.

Packets are those of libmilter's mfdef.h: length, command, data. Nothing of a session
follows, so the daemon has nothing to judge or to log.
"""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass
from typing import Final

from stirmilter.adapters.native.codec import ACTIONS

VERSION: Final = 6
_ALL_ACTIONS: Final = 0x1FF
_ALL_STEPS: Final = 0x1FFFFF
LEADING_SPACE: Final = 0x100000
"""SMFIP_HDR_LEADSPC, by which a header arrives as it is."""

_LONGEST: Final = 65_536


@dataclass(frozen=True, slots=True)
class Offer:
    """What a milter answers to SMFIC_OPTNEG."""

    version: int
    actions: int
    steps: int

    def problem(self) -> str:
        """Say why this is no stirmilter that works; nothing if it is one."""
        if self.actions != ACTIONS:
            return "another milter listens there, which asks for other rights"
        if self.version < VERSION:
            return f"it speaks version {self.version} of the protocol"
        if not self.steps & LEADING_SPACE:
            return "it takes the leading space of header fields away"
        return ""


def handshake(connection: socket.socket) -> Offer:
    """Negotiate as Postfix does, and say good-bye.

    Raises:
        OSError: nothing came, in the time of the socket.
        ValueError: what came is no milter's answer.
    """
    offer = struct.pack("!III", VERSION, _ALL_ACTIONS, _ALL_STEPS)
    connection.sendall(struct.pack("!I", 1 + len(offer)) + b"O" + offer)
    (length,) = struct.unpack("!I", _exactly(connection, 4))
    if not 1 + len(offer) <= length <= _LONGEST:
        raise ValueError("no milter answers there")
    packet = _exactly(connection, length)
    if packet[:1] != b"O":
        raise ValueError("no milter answers there")
    connection.sendall(b"\0\0\0\x01Q")
    return Offer(*struct.unpack("!III", packet[1:13]))


def _exactly(connection: socket.socket, count: int) -> bytes:
    octets = b""
    while len(octets) < count:
        more = connection.recv(count - len(octets))
        if not more:
            raise ConnectionError("the connection was closed without an answer")
        octets += more
    return octets
