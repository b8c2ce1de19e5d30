"""The MTA's first words to a milter, and whether the answer is ours.

Nothing of a session follows, so the daemon has nothing to judge or to log.
"""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass
from typing import Final

from stirmilter.adapters.handshake import VERSION, NoMilterError, greet, take_answer
from stirmilter.adapters.native.codec import ACTIONS

LEADING_SPACE: Final = 0x100000
"""SMFIP_HDR_LEADSPC, by which a header arrives as it is."""

_OFFER: Final = struct.Struct("!III")


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


def handshake(connection: socket.socket, deadline: float) -> Offer:
    """Negotiate as Postfix does, and say good-bye.

    Args:
        connection: to whoever listens there.
        deadline: for all of it (`time.monotonic`).

    Raises:
        OSError: nothing came in time.
        ValueError: what came is no milter's answer.
    """
    greet(connection)
    try:
        answer = take_answer(connection, deadline)
        return Offer(*_OFFER.unpack_from(answer))
    except (NoMilterError, struct.error):
        raise ValueError("no milter answers there") from None
