"""One thread that serves all connections of a worker: epoll, no thread waits.

The loop reads, and has a conversation understand what it read. A message that is
complete takes steps (`ending`) until one waits for something; whichever thread finishes
that takes the next ones, so that most answers are written by the thread that judged.
The loop sees to what is late, and to who says nothing.

Who may touch what: the loop all of a peer that is not `busy`, and of one that is, under
its lock, only what is waited for; whoever has taken `wait` from it, the rest, until it
is answered. Only the loop closes.
"""

from __future__ import annotations

import errno
import os
import select
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from typing import Any, Final

from stirmilter.adapters.ending import Answer, Wait
from stirmilter.adapters.native import codec
from stirmilter.adapters.native.codec import ProtocolError
from stirmilter.adapters.native.conversation import Conversation
from stirmilter.adapters.native.peer import Peer
from stirmilter.adapters.service import Service
from stirmilter.adapters.transport import Limits

_BUFFER: Final = 1 << 18  # octets that are read at once
_REST: Final = 1.0  # seconds without accepting, when the system gives no descriptor
_PATIENCE: Final = 10.0  # seconds in which the loop has turned, unless it is stuck
_SPARE: Final = 8  # connections that are greeted beyond the bound, and no more
_SOON: Final = 0.1  # seconds until another look at who is being answered
_NO_DESCRIPTOR: Final = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
_GONE: Final = select.EPOLLHUP | select.EPOLLERR


class Server:
    """Serves a listener, until it is told to accept no more; then who is there."""

    def __init__(
        self,
        service: Service,
        listener: socket.socket,
        limits: Limits,
        tell: Callable[[str], None],
    ) -> None:
        """Take what all sessions share, and a listener that does not block.

        `tell` is told, in a line, of connections that we end.
        """
        self._service = service
        self._listener = listener
        self._limits = limits
        self._tell = tell
        self._peers: dict[int, Peer] = {}
        self._ready: deque[Peer] = deque()
        self._poll = select.epoll()
        self._wakes = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._poll.register(self._wakes, select.EPOLLIN)
        self._accepts = False
        self._accept_again = 0.0
        self._turned = threading.Event()
        self._leaves, self._left = threading.Event(), threading.Event()
        self._due = float("inf")
        size = max(_BUFFER, 2 * limits.frame_octets)
        self._view = memoryview(bytearray(size))
        self._listen()

    def serve(self) -> None:
        """Serve for ever; what raises is a bug, and ends the worker."""
        while True:
            self.turn()

    def turn(self) -> None:
        """Wait until something happens, and see to it."""
        left = self._due - time.monotonic()
        events = self._poll.poll(None if left == float("inf") else max(0.0, left))
        now = time.monotonic()
        for descriptor, event in events:
            peer = self._peers.get(descriptor)
            if peer is not None:
                self._guarded(peer, partial(self._look, peer, event, now))
            elif descriptor == self._wakes:
                self._woken(now)
            elif self._accepts:
                self._accept(now)
        if now >= self._due:
            self._look_at_all(now)

    def stop_accepting(self) -> None:
        """Leave the listener to others, from when this returns on."""
        self._leaves.set()
        self._wake()
        self._left.wait(_REST)

    def answers(self, hurry: socket.socket) -> bool:
        """Tell whether the loop turns, and with that accepts.

        Args:
            hurry: ends the wait for that once it can be read from.
        """
        self._turned.clear()
        self._wake()
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            if self._turned.wait(_SOON) or select.select([hurry], [], [], 0)[0]:
                return True
        return False

    def close(self) -> None:
        """Close everything; nobody may serve any more."""
        for peer in list(self._peers.values()):
            self._drop(peer)
        self._poll.close()
        os.close(self._wakes)

    def _listen(self) -> None:
        self._poll.register(self._listener, select.EPOLLIN | select.EPOLLEXCLUSIVE)
        self._accepts = True

    def _stand_in_line(self) -> None:
        """Have the next connection offered to all siblings before us.

        The kernel wakes the first of those who wait, as they began to listen: one who
        stays there gets all connections that come while it is idle, and has to serve
        them later, when they are not.
        """
        self._hear_no_more()
        self._listen()

    def _hear_no_more(self) -> None:
        if self._accepts:
            self._accepts = False
            self._poll.unregister(self._listener)

    def _accept(self, now: float) -> None:
        """Accept one; the others may be a sibling's."""
        try:
            connection, _ = self._listener.accept()
        except OSError as error:
            if error.errno in _NO_DESCRIPTOR:
                self._tell(f"no connection is accepted now, trying again: {error}")
                self._hear_no_more()
                self._accept_again = now + _REST
                self._due = min(self._due, self._accept_again)
            return  # a sibling was faster, or the MTA has left
        self._stand_in_line()
        excess = len(self._peers) - self._limits.connections
        if excess >= _SPARE:
            self._refused()
            connection.close()
            return
        octets = self._limits.frame_octets
        talk = Conversation(self._service, octets, greets=excess >= 0)
        peer = Peer(connection, talk)
        self._peers[connection.fileno()] = peer
        self._guarded(peer, partial(self._welcome, peer, now))

    def _welcome(self, peer: Peer, now: float) -> None:
        """Begin to listen to a connection."""
        connection = peer.socket
        connection.setblocking(False)
        if connection.family != socket.AF_UNIX:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self._heard(peer, now)
        self._look_for(peer, select.EPOLLIN)

    def _refused(self) -> None:
        self._tell(f"more than {self._limits.connections} connections: one refused")

    def _guarded(self, peer: Peer, see_to: Callable[[], None]) -> None:
        """See to a peer; what goes wrong there is its own affair."""
        try:
            see_to()
        except ProtocolError as error:
            self._tell(f"the MTA does not speak the milter protocol: {error}")
            with suppress(OSError):  # what was understood before is answered
                self._send(peer)
            self._drop(peer)
        except OSError:
            self._drop(peer)
        except BaseException as error:  # noqa: BLE001 - a bug: the others go on
            self._service.failed("-", error)
            self._drop(peer)

    def _look(self, peer: Peer, event: int, now: float) -> None:
        """See to what happened on a connection."""
        with peer.lock:
            if peer.busy:  # whatever comes waits
                self._look_for(peer, 0)
                peer.talk.gone = bool(event & _GONE)
                return
        if event & select.EPOLLOUT:
            self._go_on(peer, now)
        else:
            self._read(peer, now)

    def _go_on(self, peer: Peer, now: float) -> None:
        """Send what is left, and understand what is."""
        if not self._send(peer):
            self._look_for(peer, select.EPOLLOUT)
            return
        self._look_for(peer, select.EPOLLIN)
        if kept := len(peer.rest):
            self._heard(peer, now)
            self._view[:kept] = peer.rest
            self._understand(peer, kept)

    def _read(self, peer: Peer, now: float) -> None:
        kept = len(peer.rest)
        self._view[:kept] = peer.rest
        try:
            count = peer.socket.recv_into(self._view[kept:])
        except BlockingIOError:
            return
        if not count:
            self._drop(peer)
            return
        self._heard(peer, now)
        self._understand(peer, kept + count)

    def _understand(self, peer: Peer, end: int) -> None:
        """Understand what was read, up to a message that has to wait."""
        talk, position = peer.talk, 0
        while True:
            position += talk.receive(self._view[position:end])
            peer.rest = bytes(self._view[position:end])
            if talk.steps is None:
                break
            peer.busy = True
            if not self._step(peer, None):
                return
            peer.busy = False  # it was answered at once
        sent = self._send(peer)
        if talk.refused:
            self._refused()
        if talk.ended:
            self._drop(peer)
        elif not sent:
            self._look_for(peer, select.EPOLLOUT)

    def _step(self, peer: Peer, done: bool | None) -> bool:
        """Take steps; return whether they have led to an answer.

        Args:
            peer: whose message it is, and nobody else takes steps for it now.
            done: whether what was waited for is; None to begin.
        """
        steps = peer.talk.steps
        assert steps is not None  # noqa: S101 - a peer that is busy has some
        try:
            wait = next(steps) if done is None else steps.send(done)
        except StopIteration as end:
            answer: Answer = end.value
            peer.talk.finish(answer)
            return True
        now = time.monotonic()
        if done is None:
            peer.progress = now + self._service.progress_seconds
        peer.due = min(wait.deadline, peer.progress)
        peer.wait = wait
        if done is None:  # later steps are due no sooner than the first
            self._due = min(self._due, peer.due)
        wait.future.add_done_callback(partial(self._done, peer))
        return False

    def _done(self, peer: Peer, future: Future[Any]) -> None:
        """Go on with a message, on whichever thread has done what it waited for."""
        with peer.lock:
            if peer.wait is None or peer.wait.future is not future:
                return  # it was late
            peer.wait = None
        self._resume(peer, done=True)

    def _resume(self, peer: Peer, *, done: bool) -> None:
        """Take the next steps of a message that has waited, and answer it if so."""
        try:
            if not self._step(peer, done):
                return
            sent = self._send(peer)
        except OSError:
            peer.talk.gone, sent = True, False
        except BaseException as error:  # noqa: BLE001 - a bug: the others go on
            self._service.failed("-", error)
            peer.talk.gone, sent = True, False
        with peer.lock:
            peer.busy = False
            peer.due = time.monotonic() + self._limits.idle_seconds
            waits = peer.rest or not peer.looks or not sent
        if waits:
            self._call(peer)

    def _send(self, peer: Peer) -> bool:
        """Send what there is, and return whether that was all."""
        out = peer.talk.out
        if out:
            try:
                del out[: peer.socket.send(out)]
            except BlockingIOError:
                return False
        return not out

    def _call(self, peer: Peer) -> None:
        """Have the loop look at a peer."""
        self._ready.append(peer)
        self._wake()

    def _wake(self) -> None:
        os.eventfd_write(self._wakes, 1)

    def _woken(self, now: float) -> None:
        os.eventfd_read(self._wakes)
        self._turned.set()
        if self._leaves.is_set():
            self._hear_no_more()
            self._left.set()
        while self._ready:
            peer = self._ready.popleft()
            if self._peers.get(peer.socket.fileno()) is not peer or peer.busy:
                continue  # it has been closed, or has read on
            if peer.talk.gone:
                self._drop(peer)
            else:
                self._guarded(peer, partial(self._go_on, peer, now))

    def _heard(self, peer: Peer, now: float) -> None:
        peer.due = now + self._limits.idle_seconds
        self._due = min(self._due, peer.due)

    def _look_at_all(self, now: float) -> None:
        """See to all that is late, and learn when the next will be."""
        self._due = float("inf")
        if not self._accepts and not self._leaves.is_set():
            if now >= self._accept_again:
                self._listen()
            else:
                self._due = self._accept_again
        for peer in list(self._peers.values()):
            if now >= peer.due:
                self._late(peer, now)
            self._due = min(self._due, peer.due)

    def _late(self, peer: Peer, now: float) -> None:
        """Tell an MTA that we are still there, or that it is too late, or good-bye."""
        with peer.lock:
            busy, wait = peer.busy, peer.wait
            if now < peer.due:  # since it has just been answered
                return
            if busy and wait is None:  # it is about to be, or to wait again
                peer.due = now + _SOON
                return
            if wait is not None and now < wait.deadline:
                self._progress(peer, now, wait)
                return
            peer.wait = None
        if wait is not None:
            self._resume(peer, done=wait.future.done())
        else:
            seconds = self._limits.idle_seconds
            self._tell(f"a connection was silent for {seconds:.0f} seconds: closed")
            self._drop(peer)

    def _progress(self, peer: Peer, now: float, wait: Wait) -> None:
        peer.progress = now + self._service.progress_seconds
        peer.due = min(wait.deadline, peer.progress)
        peer.talk.out += codec.PROGRESS
        try:
            self._send(peer)
        except OSError:
            peer.talk.gone = True

    def _look_for(self, peer: Peer, events: int) -> None:
        """Have the loop told of these events alone, of none if there are none."""
        if events == peer.looks:
            return
        if not events:
            self._poll.unregister(peer.socket)
        elif not peer.looks:
            self._poll.register(peer.socket, events)
        else:
            self._poll.modify(peer.socket, events)
        peer.looks = events

    def _drop(self, peer: Peer) -> None:
        """Close a connection on which nothing is being answered."""
        if self._peers.pop(peer.socket.fileno(), None) is not None:
            self._look_for(peer, 0)
            peer.socket.close()
            peer.talk.close()
