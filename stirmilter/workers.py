"""The workers: forked, replaced when they die or are stuck, drained when told to go.

A worker and its supervisor share a socket pair. The worker writes to it while it gets
on (`pulse`); the supervisor's end closing tells it to drain.
"""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from stirmilter import log, worker
from stirmilter.exporter import Exporter
from stirmilter.listeners import Listeners
from stirmilter.runtime import Runtime

_YOUNG: Final = (
    5.0  # seconds; a worker that dies younger is replaced only after a pause
)
_PAUSE: Final = 1.0  # seconds
_LAST: Final = 5.0  # seconds after which one that was killed is killed again
_MOST: Final = 0.8  # of the time that we give a worker; the rest is for its next sign
_SIGNS: Final = 4_096  # octets


def patience(runtime: Runtime) -> float:
    """Return the seconds that a worker may take from being told to go until it has."""
    settings = runtime.config.milter
    return settings.drain_seconds + settings.leave_seconds


@dataclass(slots=True)
class Worker:
    """One that takes messages."""

    listener: socket.socket
    life: socket.socket
    """Our end: readable when the worker gets on; closing it tells it to drain."""

    born: float
    heard: float
    """When it last gave a sign of life."""

    stuck: bool = False
    """Whether we have killed it."""


@dataclass(slots=True)
class Workers:
    """All processes that judge mail; the supervisor's."""

    listeners: Listeners
    clock: Callable[[], float] = time.monotonic
    serving: dict[int, Worker] = field(default_factory=dict)
    """By process id; those being drained are not here."""

    retired: dict[int, float] = field(default_factory=dict)
    """Those being drained, and when each is killed."""

    missing: list[tuple[socket.socket, float]] = field(default_factory=list)
    """Listeners that lack a worker, and when to try again."""

    exporter: Exporter | None = None
    _looked: float = field(init=False)

    def __post_init__(self) -> None:
        self._looked = self.clock()

    def held(self) -> Iterable[int]:
        """Return the descriptors that only the supervisor may hold open."""
        yield from (one.life.fileno() for one in self.serving.values())
        yield from (one.fileno() for one in self.listeners.sockets)

    def start(self, runtime: Runtime) -> None:
        """Fork as many for each listener as the settings want."""
        count = runtime.config.milter.workers or len(os.sched_getaffinity(0))
        for listener in self.listeners.sockets:
            for _ in range(count):
                self.fork(runtime, listener)

    def switch(self, new: Runtime) -> bool:
        """Let new workers take over; tell whether any could be started."""
        previous = list(self.serving)
        self.missing.clear()
        self.start(new)
        if len(self.serving) == len(previous):
            self.missing.clear()
            return False
        self.retire(previous, patience(new))
        return True

    def retire(self, pids: Iterable[int], seconds: float) -> None:
        """Tell workers to drain and leave, and kill those that take longer."""
        for pid in pids:
            self.serving.pop(pid).life.close()
            self.retired[pid] = self.clock() + seconds

    def look(self, runtime: Runtime) -> None:
        """Bury who is dead, kill who is stuck or late, start who is missing."""
        self.reap()
        self._kill_stuck(runtime.config.milter.stuck_seconds)
        self.kill_late()
        missing, self.missing = self.missing, []
        for listener, due in missing:
            if self.clock() >= due:
                self.fork(runtime, listener)
            else:
                self.missing.append((listener, due))

    def reap(self) -> None:
        """Take note of children that ended; each worker among them is missing."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if self.exporter is not None:
                self.exporter.ended(pid)
            self.retired.pop(pid, None)
            gone = self.serving.pop(pid, None)
            if gone is not None:
                self._bury(pid, gone, os.waitstatus_to_exitcode(status))

    def leave(self, seconds: float) -> None:
        """Drain all, and return when none is left, or cannot even be killed."""
        self.retire(list(self.serving), seconds)
        end = self.clock() + seconds + _LAST
        while self.retired and self.clock() < end:
            signal.sigtimedwait({signal.SIGCHLD}, _PAUSE)
            self.reap()
            self.kill_late()

    def kill_late(self) -> None:
        """Kill those that were told to go and have not gone in time."""
        for pid, until in list(self.retired.items()):
            if self.clock() >= until:
                log.logger.error("worker %d has not left in time: killed", pid)
                _kill(pid)
                self.retired[pid] = self.clock() + _LAST

    def fork(self, runtime: Runtime, listener: socket.socket) -> None:
        """Start one; if the system refuses, it is missing."""
        pair: tuple[socket.socket, ...] = ()
        try:
            ours, theirs = pair = socket.socketpair()
            pid = os.fork()
        except OSError as error:
            log.trouble(f"no new worker now, trying again: {error}")
            self.missing.append((listener, self.clock() + _PAUSE))
            for end in pair:
                end.close()
            return
        if pid:
            theirs.close()
            ours.setblocking(False)
            now = self.clock()
            self.serving[pid] = Worker(listener, ours, born=now, heard=now)
            return
        try:
            # A copy of a sibling's pair would keep its end from ever coming, and one
            # of another listener its address from the next daemon.
            ours.close()
            for sibling in self.serving.values():
                sibling.life.close()
            for other in self.listeners.sockets:
                if other is not listener:
                    other.close()
            if self.exporter is not None:
                self.exporter.forget()
            metrics = self.exporter.metrics if self.exporter else None
            worker.serve(runtime, listener, theirs, metrics)
        except BaseException as error:  # noqa: BLE001 - a child must not return
            log.logger.critical("worker %d: %r", os.getpid(), error)
            os._exit(1)

    def _bury(self, pid: int, gone: Worker, status: int) -> None:
        gone.life.close()
        log.logger.error("worker %d ended with status %d: replaced", pid, status)
        if self.exporter is not None:
            self.exporter.metrics.replaced(stuck=gone.stuck)
        now = self.clock()
        young = now - gone.born < _YOUNG
        self.missing.append((gone.listener, now + _PAUSE if young else now))

    def _kill_stuck(self, seconds: float) -> None:
        """Kill who has given no sign of life for so long; `reap` replaces it."""
        now = self.clock()
        # Whoever stopped us, or the whole service, may have stopped them as well.
        slept, self._looked = now - self._looked > seconds * _MOST, now
        for pid, one in self.serving.items():
            if _heard(one.life) or slept:
                one.heard = now
            elif now - one.heard >= seconds and not one.stuck:
                one.stuck = True
                log.logger.error(
                    "worker %d gave no sign of life for %.0f seconds: killed",
                    pid,
                    now - one.heard,
                )
                _kill(pid)


def _heard(life: socket.socket) -> bool:
    try:
        return bool(life.recv(_SIGNS))
    except OSError:  # nothing there, or it has ended and `reap` will see to it
        return False


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
