"""Whether a worker gets on: its judges finish something, and libmilter accepts.

A worker that only lives may still be of no use: judges that all wait for what never
comes, or a library that has stopped to accept. Nobody else can see that: its siblings
share its listener, so a connection from outside meets any of them.
"""

from __future__ import annotations

import select
import socket
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any

_SIGN = b"."


class Judges(ThreadPoolExecutor):
    """Threads that judge, and how often one of them has finished something."""

    finished: int = 0

    def submit(
        self,
        fn: Callable[..., Any],
        /,
        *args: Any,  # noqa: ANN401 - the function's
        **kwargs: Any,  # noqa: ANN401
    ) -> Future[Any]:
        """Have something done."""
        future = super().submit(fn, *args, **kwargs)
        future.add_done_callback(self._count)
        return future

    def _count(self, future: Future[Any]) -> None:
        # What was given up before a thread came to it shows nothing. Two threads may
        # count as one here, and still it is another number than before.
        if not future.cancelled():
            self.finished += 1


class Pulse:
    """Looks, and tells the supervisor."""

    def __init__(
        self,
        judges: Judges,
        listener: socket.socket,
        accepted: Callable[[], int],
        supervisor: socket.socket,
    ) -> None:
        """Take what to look at, and our end of the pair to write to.

        `accepted` tells how many sessions there have been so far.
        """
        self._judges = judges
        self._listener = listener
        self._accepted = accepted
        self._supervisor = supervisor
        supervisor.setblocking(False)
        self._asked = judges.submit(int)
        self._before = self._counts()

    def beat(self) -> None:
        """Give a sign of life, if there is one to give."""
        if self.gets_on():
            with suppress(OSError):  # it has not read the last ones, or is gone
                self._supervisor.send(_SIGN)

    def gets_on(self) -> bool:
        """Tell whether something was done since the last time, or nothing is to do."""
        before, self._before = self._before, self._counts()
        idle = self._asked.done()
        if idle:
            self._asked = self._judges.submit(int)
        return self._before != before or (idle and not self._is_awaited())

    def _counts(self) -> tuple[int, int]:
        return self._judges.finished, self._accepted()

    def _is_awaited(self) -> bool:
        """Tell whether a connection waits to be accepted."""
        return bool(select.select([self._listener], [], [], 0)[0])
