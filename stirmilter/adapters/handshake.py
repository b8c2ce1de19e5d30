"""The MTA's side of the milter protocol, as far as it takes to see one answer.

Packets are those of libmilter's mfdef.h: length, command, data.
"""

from __future__ import annotations

import socket
import struct
import time
from typing import Final

VERSION: Final = 6
_ACTIONS: Final = 0x1FF
_STEPS: Final = 0x1FFFFF
_LONGEST: Final = 65_536  # octets of an answer
_QUIT: Final = b"\0\0\0\1Q"


class NoMilterError(ConnectionError):
    """Somebody answers, but not in the protocol."""


def shake_hands(listener: socket.socket, seconds: float) -> None:
    """Connect to a milter and let it say what it wants (SMFIC_OPTNEG), as an MTA does.

    Args:
        listener: a socket that listens for it; its address is connected to.
        seconds: for all of it.

    Raises:
        OSError: nobody accepts, answers in time, or speaks the protocol.
    """
    deadline = time.monotonic() + seconds
    with socket.socket(listener.family) as connection:
        connection.settimeout(seconds)
        connection.connect(listener.getsockname())
        greet(connection)
        take_answer(connection, deadline)


def greet(connection: socket.socket) -> None:
    """Say what we offer, as an MTA does.

    Raises:
        OSError: nobody listens any more.
    """
    offer = struct.pack("!cIII", b"O", VERSION, _ACTIONS, _STEPS)
    connection.sendall(struct.pack("!I", len(offer)) + offer)


def take_answer(connection: socket.socket, deadline: float) -> bytes:
    """Read what a milter wants of what was offered, and say good-bye.

    Args:
        connection: on which it was greeted.
        deadline: for all of it (`time.monotonic`).

    Returns:
        Version, actions and steps, four octets of each, and what may follow.

    Raises:
        NoMilterError: what it answers is not in the protocol.
        OSError: nothing came in time.
    """
    [length] = struct.unpack("!I", _exactly(connection, 4, deadline))
    if not 0 < length <= _LONGEST:
        raise NoMilterError(f"an answer of {length} octets")
    answer = _exactly(connection, length, deadline)
    if answer[:1] != b"O":
        raise NoMilterError(f"answers {answer[:1]!r} to a milter's greeting")
    connection.sendall(_QUIT)
    return answer[1:]


def _exactly(connection: socket.socket, count: int, deadline: float) -> bytes:
    octets = b""
    while len(octets) < count:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        connection.settimeout(left)
        more = connection.recv(count - len(octets))
        if not more:
            raise ConnectionError("the connection was closed without an answer")
        octets += more
    return octets
