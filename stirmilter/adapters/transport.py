"""What carries the milter protocol to the sessions of a worker."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

from stirmilter.adapters.service import Service

Name = Literal["libmilter", "native"]


class Transport(Protocol):
    """Serves a listener that is shared with other workers."""

    def serve(self) -> None:
        """Serve until the process ends, on this thread and perhaps others.

        Raises:
            OSError: it cannot go on.
        """

    def stop_accepting(self) -> None:
        """Leave the listener to the others; what is connected goes on."""

    def answers(self, hurry: socket.socket) -> bool | None:
        """Tell whether it gets on; None if it has to be called to know.

        Args:
            hurry: ends the wait for that once it can be read from.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What an MTA may ask of one worker; libmilter has its own."""

    connections: int = 800
    """Beyond, one is greeted and closed: the MTA knows at once, and who only asks
    whether we live, as our watchdog does, is told so."""

    frame_octets: int = 131_072
    """A longer frame ends the connection."""

    idle_seconds: float = 7_210.0
    """A connection on which nothing came for so long is closed."""


def transport(
    name: Name,
    service: Service,
    listener: socket.socket,
    limits: Limits,
    tell: Callable[[str], None],
) -> Transport:
    """Make one, which is loaded only now: native does without libmilter.

    Args:
        name: which.
        service: what all sessions share.
        listener: non-blocking.
        limits: of what an MTA may ask.
        tell: told, in a line, of connections that we end.

    Raises:
        OSError: it cannot serve this listener.
    """
    if name == "native":
        from stirmilter.adapters.native.server import Server  # noqa: PLC0415

        return Server(service, listener, limits, tell)
    from stirmilter.adapters.milter import Libmilter  # noqa: PLC0415

    return Libmilter(service, listener)
