"""Whether a worker answers its own call, whoever else listens to the same socket."""

import os
import resource
import select
import signal
import socket
import struct
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import NoReturn

import pytest

from stirmilter import log
from stirmilter.selfcall import SelfCall, libmilter_answers

OFFER = struct.pack("!IcIII", 13, b"O", 6, 0, 0)
Address = tuple[str, int] | str
ADDRESSES = [
    pytest.param(socket.AF_UNIX, "", id="unix"),
    pytest.param(socket.AF_INET, ("127.0.0.1", 0), id="inet"),
    pytest.param(socket.AF_INET6, ("::1", 0), id="inet6"),
]


class Process:
    """What serves a descriptor as libmilter does: looks, and accepts what is there."""

    def __init__(self, shared: socket.socket, answer: bytes = OFFER) -> None:
        self.listener = shared.dup()
        self.answer = answer
        self.hanging = False
        self.ended = False
        self._woken, self._wake = socket.socketpair()
        self._taken: list[socket.socket] = []
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def wake(self) -> None:
        self._wake.send(b".")

    def _run(self) -> None:
        while not self.ended:
            # By number, as the library does; the object may know another.
            waited = [self._woken.fileno()]
            if not self.hanging:
                waited.append(self.listener.fileno())
            select.select(waited, [], [], 5)
            with suppress(BlockingIOError):
                self._woken.recv(100, socket.MSG_DONTWAIT)
            if not self.hanging:
                self._accept()

    def _accept(self) -> None:
        try:
            connection, _ = self.listener.accept()
        except BlockingIOError:
            return
        self._taken.append(connection)
        connection.sendall(self.answer)

    def close(self) -> None:
        self.ended = True
        self.wake()
        self._thread.join()
        for one in (self.listener, self._woken, self._wake, *self._taken):
            one.close()


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as made:
        yield made


def listen(stack: ExitStack, family: int, address: Address) -> socket.socket:
    made = stack.enter_context(socket.socket(family))
    made.bind(address)
    made.listen()
    made.setblocking(False)
    return made


def process(stack: ExitStack, shared: socket.socket, answer: bytes = OFFER) -> Process:
    made = Process(shared, answer)
    stack.callback(made.close)
    return made


def call(stack: ExitStack, one: Process) -> tuple[SelfCall, socket.socket]:
    ours, theirs = socket.socketpair()
    stack.enter_context(ours)
    stack.enter_context(theirs)
    return SelfCall(one.listener, one.wake, ours), theirs


@pytest.mark.parametrize(("family", "address"), ADDRESSES)
def test_one_that_serves_answers(
    stack: ExitStack, family: int, address: Address
) -> None:
    one = process(stack, listen(stack, family, address))

    assert call(stack, one)[0].answered(10)


def test_one_with_thousands_of_descriptors_answers(stack: ExitStack) -> None:
    """select(2) takes none from 1024 on, and its error ended the worker."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(2_048, hard), hard))
    stack.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
    one = process(stack, listen(stack, socket.AF_UNIX, ""))
    calls = call(stack, one)[0]
    while (taken := os.dup(one.listener.fileno())) < 1_024:
        stack.callback(os.close, taken)
    stack.callback(os.close, taken)

    assert calls.answered(10)


@pytest.mark.parametrize(("family", "address"), ADDRESSES)
def test_one_that_hangs_does_not_whatever_its_siblings_do(
    stack: ExitStack, family: int, address: Address
) -> None:
    shared = listen(stack, family, address)
    process(stack, shared)
    one = process(stack, shared)
    one.hanging = True

    assert not call(stack, one)[0].answered(0.5)


@pytest.mark.parametrize(
    "answer", [b"", b"\0\0\0\0", b"\0\0\0\1c", b"\xff" * 8], ids=repr
)
def test_what_is_no_milters_answer_is_none(stack: ExitStack, answer: bytes) -> None:
    one = process(stack, listen(stack, socket.AF_UNIX, ""), answer)

    assert not call(stack, one)[0].answered(0.5)


@pytest.mark.parametrize("hanging", [False, True])
def test_afterwards_it_listens_where_it_did(stack: ExitStack, hanging: bool) -> None:
    shared = listen(stack, socket.AF_UNIX, "")
    one = process(stack, shared)
    one.hanging = hanging

    call(stack, one)[0].answered(0.5)
    one.hanging = False
    one.wake()

    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(10)
        client.connect(shared.getsockname())
        assert client.recv(100) == OFFER


def test_who_is_told_to_leave_does_not_wait_for_an_answer(stack: ExitStack) -> None:
    one = process(stack, listen(stack, socket.AF_UNIX, ""))
    one.hanging = True
    made, supervisor = call(stack, one)

    supervisor.close()

    assert made.answered(3_600)


def test_nobody_else_gets_to_where_it_listens(
    stack: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever may not connect to our socket may not do so for the time of a call."""
    modes = []
    bound = socket.socket.bind

    def bind(self: socket.socket, address: str) -> None:
        bound(self, address)
        modes.append(Path(address).parent.stat().st_mode & 0o777)

    one = process(stack, listen(stack, socket.AF_UNIX, ""))
    made = call(stack, one)[0]
    monkeypatch.setattr(socket.socket, "bind", bind)

    assert made.answered(10)
    assert modes == [0o700]


def test_who_cannot_call_does_not_know_and_says_so(
    monkeypatch: pytest.MonkeyPatch, stack: ExitStack
) -> None:
    """No descriptor is left, say: nobody is to be killed for that."""
    said: list[str] = []
    one = process(stack, listen(stack, socket.AF_UNIX, ""))
    ours, theirs = socket.socketpair()
    stack.enter_context(ours)
    stack.enter_context(theirs)
    before = signal.getsignal(signal.SIGURG)
    stack.callback(signal.signal, signal.SIGURG, before)
    monkeypatch.setattr(log, "degraded", said.append)
    monkeypatch.setattr(tempfile, "TemporaryDirectory", _full)

    answers = libmilter_answers(one.listener, threading.current_thread(), ours)

    assert answers()
    assert said == ["cannot see whether libmilter answers: no space left"]


def _full(**_: str) -> NoReturn:
    raise OSError("no space left")
