"""One worker process: libmilter on its threads, judging on ours, signals on the main.

`milter.main()` must not run in the main thread: no Python signal handler would ever
run. Signals are blocked in all threads (the supervisor did so before forking) and the
main thread waits for them.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, NoReturn

import milter

from stirmilter import log
from stirmilter.adapters import milter as adapter
from stirmilter.runtime import Runtime

SIGNALS: Final = frozenset(
    {signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD}
)
_TICK: Final = 1.0  # seconds between two looks at whether the supervisor lives


def serve(runtime: Runtime, listener: socket.socket) -> NoReturn:
    """Serve a listening socket until told to stop, then drain and leave the process."""
    settings = runtime.config.milter
    supervisor = os.getppid()
    with ThreadPoolExecutor(settings.threads, "judge") as executor:
        service = adapter.Service(
            filter=runtime.filter,
            executor=executor,
            observe=log.handled(runtime.config.log.numbers),
            failed=log.failed,
            message_seconds=settings.message_seconds,
            progress_seconds=settings.progress_seconds,
            headers=runtime.config.limits.headers,
            header_octets=runtime.config.limits.header_octets,
        )
        adapter.register(service, listener.fileno())
        threading.Thread(target=milter.main, name="libmilter", daemon=True).start()
        _wait(lambda: os.getppid() != supervisor)
        left = drain(service, listener, settings.drain_seconds)
        if left:
            log.logger.warning("worker %d: %d sessions cut short", os.getpid(), left)
        # libmilter's own stop takes five seconds and drops what is in flight.
        os._exit(0)


def drain(service: adapter.Service, listener: socket.socket, seconds: float) -> int:
    """Accept no more, let open sessions end, and return how many had not.

    The siblings go on accepting: only our descriptor is turned to a socket that nobody
    knows.
    """
    quiet = socket.socket(socket.AF_UNIX)
    quiet.bind("")  # the kernel makes up an abstract name
    quiet.listen()
    quiet.setblocking(False)
    os.dup2(quiet.fileno(), listener.fileno())
    return service.sessions.wait_until_none(seconds)


def _wait(orphaned: Callable[[], bool]) -> None:
    while not orphaned():
        info = signal.sigtimedwait(SIGNALS, _TICK)
        if info is not None and info.si_signo in (signal.SIGTERM, signal.SIGINT):
            return
