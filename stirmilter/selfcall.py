"""A worker calls itself, on a line that no sibling can answer.

All workers of a socket share its listener, so that whoever connects meets any of them:
one whose libmilter hangs is not found that way, and goes on swallowing its share of the
mail. For the time of a call, the descriptor that libmilter listens on is made to lead
to a listener that we alone know. Its siblings go on taking connections meanwhile, and
whoever is alone has them wait for the milliseconds that it takes.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Final

from stirmilter import log
from stirmilter.adapters import handshake

_PATIENCE: Final = 10.0  # seconds: libmilter has looked twice
_NUDGE: Final = 0.1  # seconds between two attempts to wake who listens


class SelfCall:
    """Handshakes with what serves a listening descriptor of this process."""

    def __init__(
        self, listener: socket.socket, wake: Callable[[], None], hurry: socket.socket
    ) -> None:
        """Take what listens.

        Args:
            listener: what is served; its descriptor is turned elsewhere and back.
            wake: makes who listens look at its descriptor anew. libmilter does so every
                five seconds in any case (MI_CHK_TIME), which is long for who is alone.
            hurry: ends a call once it can be read from.
        """
        self._listener = listener
        self._wake = wake
        self._hurry = hurry

    def answered(self, seconds: float) -> bool:
        """Tell whether we answer as a milter, within so many seconds.

        Raises:
            OSError: we cannot call; that tells nothing.
        """
        with ExitStack() as stack:
            shared = stack.enter_context(self._listener.dup())
            own = stack.enter_context(_private(shared.family))
            call = stack.enter_context(socket.socket(own.family))
            call.connect(own.getsockname())
            handshake.greet(call)
            os.dup2(own.fileno(), self._listener.fileno(), inheritable=False)
            try:
                return self._await(call, time.monotonic() + seconds)
            finally:
                os.dup2(shared.fileno(), self._listener.fileno(), inheritable=False)
                self._wake()

    def _await(self, call: socket.socket, deadline: float) -> bool:
        poll = select.poll()  # select(2) knows no descriptor from 1024 on
        poll.register(call, select.POLLIN)
        poll.register(self._hurry, select.POLLIN)
        while (left := deadline - time.monotonic()) > 0:
            self._wake()
            ready = {one for one, _ in poll.poll(1_000 * min(left, _NUDGE))}
            if self._hurry.fileno() in ready:
                return True
            if ready:
                try:
                    handshake.take_answer(call, deadline)
                except OSError:
                    return False
                return True
        return False


def libmilter_answers(
    listener: socket.socket, thread: threading.Thread, hurry: socket.socket
) -> Callable[[], bool]:
    """Return what tells whether libmilter serves its listener; on the main thread.

    Args:
        listener: what libmilter was given.
        thread: runs ``milter.main()``, and with that, waits for connections.
        hurry: ends a call once it can be read from.
    """
    # Ignored by default, so whoever sends it does no harm; with a handler, it ends the
    # poll(2) of the thread that gets it.
    signal.signal(signal.SIGURG, lambda *_: None)

    def wake() -> None:
        if thread.ident is not None:
            signal.pthread_kill(thread.ident, signal.SIGURG)

    call = SelfCall(listener, wake, hurry)

    def answers() -> bool:
        try:
            return call.answered(_PATIENCE)
        except OSError as error:
            log.degraded(f"cannot see whether libmilter answers: {error}")
            return True

    return answers


@contextmanager
def _private(family: int) -> Iterator[socket.socket]:
    """Listen where nobody else gets: behind a folder of ours, or on a port of loopback.

    Of the same family, since libmilter takes no other. An abstract name would be open
    to every user of this machine, whatever the mode of our socket.
    """
    with ExitStack() as stack:
        address: tuple[str, int] | str = ("127.0.0.1", 0)
        if family == socket.AF_INET6:
            address = ("::1", 0)
        elif family == socket.AF_UNIX:
            folder = tempfile.TemporaryDirectory(prefix="stirmilter-")
            address = f"{stack.enter_context(folder)}/s"
        own = stack.enter_context(socket.socket(family))
        own.bind(address)
        own.listen(1)
        own.setblocking(False)
        yield own
