"""What systemd hands to a service, and what it wants to hear; nothing without it.

sd_notify(3), sd_watchdog_enabled(3), sd_listen_fds(3).
"""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from typing import Final

_FIRST: Final = 3  # SD_LISTEN_FDS_START
_VARIABLES: Final = ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")


def notify(*states: str) -> None:
    """Tell systemd something, such as ``READY=1``, when it runs us.

    Waits for nobody and never raises: what it does not take now is lost.
    """
    path = os.environ.get("NOTIFY_SOCKET")
    if not path:
        return
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sending:
        sending.setblocking(False)
        sending.connect(f"\0{path[1:]}" if path.startswith("@") else path)
        sending.send("\n".join(states).encode())


def watchdog_seconds() -> float | None:
    """Return within how many seconds a sign of life is wanted, if any is."""
    if os.environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    text = os.environ.get("WATCHDOG_USEC", "")
    return int(text) / 1_000_000 if text.isascii() and text.isdecimal() else None


def passed() -> list[tuple[str, socket.socket]]:
    """Return the sockets that systemd listens on for us, each with its name.

    Once in a process: the variables are removed, lest a child take them for its own.
    """
    pid, count, names = (os.environ.pop(name, "") for name in _VARIABLES)
    if pid != str(os.getpid()) or not (count.isascii() and count.isdecimal()):
        return []
    named = names.split(":") if names else []
    found = []
    for place in range(int(count)):
        descriptor = _FIRST + place
        os.set_inheritable(descriptor, False)
        name = named[place] if place < len(named) else "unknown"
        found.append((name, socket.socket(fileno=descriptor)))
    return found
