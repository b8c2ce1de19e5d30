"""One connection of the native transport: its socket, its conversation, what waits."""

from __future__ import annotations

import socket
import threading

from stirmilter.adapters.ending import Wait
from stirmilter.adapters.native.conversation import Conversation


class Peer:
    """One connection."""

    __slots__ = (
        "busy",
        "due",
        "lock",
        "looks",
        "progress",
        "rest",
        "socket",
        "talk",
        "wait",
    )

    def __init__(self, connection: socket.socket, talk: Conversation) -> None:
        self.socket = connection
        self.talk = talk
        self.rest = b""
        """What was read and not yet understood."""

        self.lock = threading.Lock()
        self.busy = False
        """Whether a message is being answered."""

        self.wait: Wait | None = None
        """What that waits for."""

        self.due = 0.0
        """When the loop is to look at it."""

        self.progress = 0.0
        """When the MTA is told that we are still there."""

        self.looks = 0
        """Events that the loop waits for; 0 for none."""
