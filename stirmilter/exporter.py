"""The process that answers scrapes, so that the supervisor waits for no stranger.

A child of the supervisor, replaced when it dies, which judges no mail and may use
threads. It speaks just enough HTTP: one request, one answer, a deadline for both.
"""

from __future__ import annotations

import math
import os
import select
import signal
import socket
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.metadata import version
from threading import BoundedSemaphore, Thread
from typing import Final, NoReturn

import h11

from stirmilter import log
from stirmilter.metrics import Credential, Metrics
from stirmilter.runtime import Runtime

_PAUSE: Final = 1.0  # seconds before one that died is replaced
_BREATH: Final = 0.1  # seconds, while the system gives us no connection
_CHUNK: Final = 4_096
_TEXT: Final = b"text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True, slots=True, kw_only=True)
class ScrapeLimits:
    """What whoever connects may cost."""

    seconds: float = 5.0
    """For one connection, from its first octet to its last; then it is closed."""

    octets: int = 8_192
    """Of a request that is not complete; beyond, the connection is closed."""

    connections: int = 8
    """At a time; the next one waits."""


class Exporter:
    """The supervisor's side: the counters, the listener, and the child that answers."""

    def __init__(self, metrics: Metrics, listener: socket.socket) -> None:
        self.metrics = metrics
        self._listener = listener
        self._child: tuple[int, int] | None = None
        """Process id, and writing end of its pipe."""

        self._begun = -math.inf

    def keep(self, runtime: Runtime, inherited: Iterable[int]) -> None:
        """See to it that a child answers.

        Args:
            runtime: whose signers' certificates are told about.
            inherited: descriptors that the child must not hold.
        """
        if self._child is None and time.monotonic() - self._begun >= _PAUSE:
            self._begun = time.monotonic()
            self._fork(runtime, inherited)

    def renew(self, runtime: Runtime, inherited: Iterable[int]) -> None:
        """Have the child replaced by one that knows another runtime."""
        self.retire()
        self._begun = -math.inf
        self.keep(runtime, inherited)

    def ended(self, pid: int) -> None:
        """Note that some process has; its counts stay."""
        self.metrics.ended(pid)
        if self._child is not None and self._child[0] == pid:
            log.logger.error("metrics: process %d ended: replaced", pid)
            self.retire()

    def retire(self) -> None:
        """Let the child go; scrapes wait in the listener until there is another."""
        if self._child is not None:
            os.close(self._child[1])
            self._child = None

    def forget(self) -> None:
        """Let go of what is the supervisor's, in a child of it that does other things.

        A copy of the listener would keep its port from the next daemon, and a copy of
        the pipe our child from leaving.
        """
        self._listener.close()
        self.retire()

    def close(self) -> None:
        """End it all, and remove the counters."""
        self._listener.close()
        self.retire()
        self.metrics.close()

    def _fork(self, runtime: Runtime, inherited: Iterable[int]) -> None:
        pipe: tuple[int, ...] = ()
        try:
            reading, writing = pipe = os.pipe()
            pid = os.fork()
        except OSError as error:
            log.trouble(f"metrics: no process now, trying again: {error}")
            for end in pipe:
                os.close(end)
            return
        if pid:
            os.close(reading)
            self._child = pid, writing
            return
        try:
            for descriptor in (writing, *inherited):
                os.close(descriptor)
            serve(runtime, self.metrics, self._listener, reading)
        except BaseException as error:  # noqa: BLE001 - a child must not return
            log.logger.critical("metrics: process %d: %r", os.getpid(), error)
            os._exit(1)


def serve(
    runtime: Runtime, metrics: Metrics, listener: socket.socket, control: int
) -> NoReturn:
    """Answer scrapes until `control` ends, then leave the process.

    Args:
        runtime: whose signers' certificates are told about.
        metrics: what is counted.
        listener: a listening socket.
        control: reading end of a pipe that nobody writes to.
    """
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())

    ours = version("stirmilter")

    def collect() -> bytes:
        credentials = [
            Credential(one.name, one.credential.validity[1], one.proven)
            for one in runtime.signers
        ]
        return metrics.collect(time.time(), credentials, ours)

    limits = _limits(runtime)
    places = BoundedSemaphore(limits.connections)
    while True:
        ready, _, _ = select.select([control, listener.fileno()], [], [])
        if control in ready:
            listener.close()  # whoever comes now is our successor's
            _finish(places, limits)
            log.flush()
            os._exit(0)
        places.acquire()
        try:
            connection, _ = listener.accept()
        except OSError:  # it has gone away again, or descriptors are short
            places.release()
            time.sleep(_BREATH)
            continue
        given = connection, collect, places, limits
        Thread(target=_answer, args=given, daemon=True).start()


def _limits(runtime: Runtime) -> ScrapeLimits:
    section = runtime.config.metrics
    return ScrapeLimits(
        seconds=section.request_seconds,
        octets=section.request_octets,
        connections=section.connections,
    )


def _finish(places: BoundedSemaphore, limits: ScrapeLimits) -> None:
    """Let scrapes that are under way end: a reload is no reason to fail one."""
    deadline = time.monotonic() + limits.seconds
    for _ in range(limits.connections):
        places.acquire(timeout=max(0.0, deadline - time.monotonic()))


def _answer(
    connection: socket.socket,
    collect: Callable[[], bytes],
    places: BoundedSemaphore,
    limits: ScrapeLimits,
) -> None:
    try:
        with connection:
            deadline = time.monotonic() + limits.seconds
            request = _request(connection, deadline, limits.octets)
            status, body = _respond(request, collect)
            _send(connection, status, body, deadline)
    except (OSError, h11.ProtocolError):
        pass  # it is gone, too slow, or no HTTP: there is nobody to tell
    finally:
        places.release()


def _request(
    connection: socket.socket, deadline: float, most: int
) -> tuple[bytes, bytes]:
    """Read a request line and what follows; the method and the path.

    Raises:
        OSError: too slow, or gone.
        h11.ProtocolError: no HTTP, or too long.
    """
    parser = h11.Connection(h11.SERVER, max_incomplete_event_size=most)
    while (event := parser.next_event()) is h11.NEED_DATA:
        connection.settimeout(max(deadline - time.monotonic(), 0.001))
        octets = connection.recv(_CHUNK)
        if not octets:
            raise ConnectionError("closed")
        parser.receive_data(octets)
    if not isinstance(event, h11.Request):
        raise h11.RemoteProtocolError("no request")
    return event.method, event.target


def _respond(
    request: tuple[bytes, bytes], collect: Callable[[], bytes]
) -> tuple[int, bytes]:
    method, target = request
    if target.partition(b"?")[0] != b"/metrics":
        return 404, b"see /metrics\n"
    if method != b"GET":
        return 405, b"GET alone\n"
    try:
        return 200, collect()
    except Exception:  # noqa: BLE001 - a bug must not silence us
        log.logger.exception("metrics: internal error")
        return 500, b"internal error\n"


def _send(connection: socket.socket, status: int, body: bytes, deadline: float) -> None:
    head = b"HTTP/1.1 %d \r\nContent-Type: %s\r\nContent-Length: %d\r\n" % (
        status,
        _TEXT,
        len(body),
    )
    connection.settimeout(max(deadline - time.monotonic(), 0.001))
    connection.sendall(head + b"Connection: close\r\n\r\n" + body)
