"""Whether a worker gets on: its judges finish something, and it answers.

A worker that only lives may still be of no use: judges that all wait for what never
comes, or a transport that takes connections no more, or takes them and does not serve
them. Nobody else can see that: its siblings share its listener, so a connection from
outside meets any of them. While messages come, they show that it works; when none has
come for a while, the worker asks its transport, or calls itself.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any, Final

_SIGN = b"."
_QUIET: Final = 3  # looks without a session, after which we ask, or call ourselves


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
        sessions: Callable[[], int],
        answers: Callable[[], bool],
        supervisor: socket.socket,
    ) -> None:
        """Take what to look at, and our end of the pair to write to.

        Args:
            judges: the threads that judge.
            sessions: how many sessions there have been so far.
            answers: tells whether the transport gets on, be it by a call to ourselves.
            supervisor: where a sign of life goes.
        """
        self._judges = judges
        self._sessions = sessions
        self._answers = answers
        self._supervisor = supervisor
        supervisor.setblocking(False)
        self._asked = judges.submit(int)
        self._finished = judges.finished
        self._taken = sessions()
        self._quiet = 0

    def beat(self) -> None:
        """Give a sign of life, if there is one to give."""
        if self.gets_on():
            with suppress(OSError):  # it has not read the last ones, or is gone
                self._supervisor.send(_SIGN)

    def gets_on(self) -> bool:
        """Tell whether judges and transport have done something since the last time.

        Judges are given a little to do, so that they always have. The transport is
        asked, or called, when it has had nothing to do for a while, and each time after
        it did not answer.
        """
        return self._judge() and self._serve()

    def _judge(self) -> bool:
        before, self._finished = self._finished, self._judges.finished
        if idle := self._asked.done():
            self._asked = self._judges.submit(int)
        return idle or self._finished != before

    def _serve(self) -> bool:
        before, self._taken = self._taken, self._sessions()
        self._quiet = 0 if self._taken != before else self._quiet + 1
        if self._quiet < _QUIET:
            return True
        if not self._answers():
            return False
        self._taken, self._quiet = self._sessions(), 0
        return True
