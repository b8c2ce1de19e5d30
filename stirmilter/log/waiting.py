"""Lines wait for whoever reads the log, so that no message has to.

A pipe or a socket that nobody empties, because journald is stuck, say, would hold up
each thread that writes to it. So lines go into a queue with an end, and a thread of its
own waits for the reader. What does not fit any more is lost, and how many lines that
were is written where they would have stood. What a killed process loses is what waits.

A process that forks has no thread: it writes what the reader takes at once, and tries
again when it is asked to.
"""

from __future__ import annotations

import os
import select
import socket
import stat
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from threading import Condition, Thread
from typing import Final

_CHUNK: Final = 4_096  # octets that no other writer's come between (PIPE_BUF)


class Writer:
    """A descriptor, what waits to be written to it, and perhaps a thread that does."""

    def __init__(
        self,
        descriptor: int,
        octets: int,
        seconds: float,
        tell: Callable[[int], bytes],
    ) -> None:
        """Take where to write to.

        Args:
            descriptor: whose writes may block.
            octets: that may wait.
            seconds: how long who writes an urgent line waits for that to be written.
            tell: makes a line of how many were lost.
        """
        self.octets = octets
        self.seconds = seconds
        self.tell = tell
        self._descriptor = descriptor
        self._now: Callable[[bytes], int] | None = None
        self._forget()
        os.register_at_fork(after_in_child=self._forget)

    def _forget(self) -> None:
        """Begin with nothing: what waits in a process that forked, it writes itself."""
        self._changed = Condition()
        self._waiting: deque[bytes] = deque()
        self._size = 0
        self._lost = 0
        self._thread: Thread | None = None

    def start(self) -> None:
        """Leave the waiting to a thread; in a process that does not fork any more."""
        if self._thread is None:
            self._thread = Thread(target=self._run, name="log", daemon=True)
            self._thread.start()

    def put(self, line: bytes, *, urgent: bool = False) -> None:
        """Have a line written; one that is urgent before we return, if that can be."""
        with self._changed:
            self._take_in(line, urgent=urgent)
            self._changed.notify_all()
        if urgent or self._thread is None:
            self.flush(self.seconds if urgent else 0.0)

    def flush(self, seconds: float) -> bool:
        """Wait until nothing waits, or for so many seconds; tell whether that is so."""
        deadline = time.monotonic() + seconds
        with self._changed:
            if self._thread is not None:
                return self._changed.wait_for(lambda: not self._waiting, seconds)
            while self._waiting:
                if not self._writable(max(0.0, deadline - time.monotonic())):
                    return False
                with suppress(BlockingIOError):
                    self._write(self._at_once())
            return True

    def _take_in(self, line: bytes, *, urgent: bool) -> None:
        """Add a line, and before it, how many were lost; or lose it."""
        told = self.tell(self._lost) if self._lost else b""
        if self._size + len(told) + len(line) <= self.octets or urgent:
            self._add(told)
            self._add(line)
            self._lost = 0
        else:
            self._lost += 1

    def _add(self, line: bytes) -> None:
        if line:
            self._waiting.append(line)
            self._size += len(line)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting)
            # Nobody else takes away, so what is first stays first.
            try:
                self._write(lambda octets: os.write(self._descriptor, octets))
            except BlockingIOError:  # somebody else has made it so
                self._writable(1.0)

    def _write(self, write: Callable[[bytes], int]) -> None:
        """Write what is first, as far as that is taken.

        Raises:
            BlockingIOError: nothing is.
        """
        chunk = self._first()
        try:
            count = write(chunk)
        except BlockingIOError:
            raise
        except OSError:
            count = len(chunk)  # there is nowhere else to say it
        with self._changed:
            self._size -= count
            while count and count >= len(self._waiting[0]):
                count -= len(self._waiting.popleft())
            if count:
                self._waiting[0] = self._waiting[0][count:]
            if self._lost and not self._waiting:
                self._add(self.tell(self._lost))
                self._lost = 0
            self._changed.notify_all()

    def _first(self) -> bytes:
        """Return whole lines from the first on, or the beginning of a long one."""
        chunk = self._waiting[0][:_CHUNK]
        if len(chunk) == len(self._waiting[0]):
            for index in range(1, len(self._waiting)):
                line = self._waiting[index]
                if len(chunk) + len(line) > _CHUNK:
                    break
                chunk += line
        return chunk

    def _writable(self, seconds: float) -> bool:
        poll = select.poll()
        poll.register(self._descriptor, select.POLLOUT)
        return bool(poll.poll(seconds * 1000))

    def _at_once(self) -> Callable[[bytes], int]:
        """Return what writes without waiting, though others share the descriptor.

        To make it non-blocking would make it so for all of them.
        """
        if self._now is None:
            self._now = self._make_at_once()
        return self._now

    def _make_at_once(self) -> Callable[[bytes], int]:
        descriptor = self._descriptor
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISSOCK(mode):
            sock = socket.socket(fileno=os.dup(descriptor))
            return lambda octets: sock.send(octets, socket.MSG_DONTWAIT)
        if stat.S_ISFIFO(mode):
            with suppress(OSError):  # a pipe of another user: then after poll(2) alone
                flags = os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC
                descriptor = os.open(f"/proc/self/fd/{descriptor}", flags)
        return lambda octets: os.write(descriptor, octets)
