"""Tells systemd that we live, only while a real handshake with ourselves works."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from stirmilter import log, systemd
from stirmilter.adapters.handshake import shake_hands
from stirmilter.listeners import spoken

_TIMES: Final = 4  # that we try within the time that systemd gives us
_PATIENCE: Final = 2.0  # seconds for one handshake


@dataclass(slots=True)
class Watchdog:
    """Systemd's watchdog, which restarts us when it is not fed."""

    seconds: float | None
    """WatchdogSec=, or None without a watchdog."""

    clock: Callable[[], float] = time.monotonic
    _due: float = 0.0

    def feed(self, listeners: Sequence[socket.socket]) -> None:
        """Feed it when it is time to, if a milter answers on each of our sockets.

        Takes two seconds at most for each socket, and that only when nobody answers.
        """
        if self.seconds is None or self.clock() < self._due:
            return
        self._due = self.clock() + self.seconds / _TIMES
        patience = min(_PATIENCE, self.seconds / _TIMES)
        for listener in listeners:
            try:
                shake_hands(listener, patience)
            except OSError as error:
                log.logger.error("%s: no milter answers: %s", spoken(listener), error)
                return
        systemd.notify("WATCHDOG=1")
