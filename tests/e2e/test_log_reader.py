"""Nobody reads the log: messages go on, and nothing is lost without being told."""

import fcntl
import os
import re
import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from stirmilter.demo import daemons
from stirmilter.testca import TestCA
from tests import mta
from tests.e2e.conftest import CONFIGURATION, PATIENT
from tests.e2e.test_milter import BOB, SENDER, headers
from tests.e2e.watching import until

pytestmark = pytest.mark.e2e

_MESSAGE = re.compile(r"INFO Q(\d+): out=signed ")
_LOST = re.compile(r"ERROR (\d+) lines of the log were lost: nobody read it")


class Stalled:
    """A daemon whose standard error is a pipe that is read when a test says so."""

    def __init__(
        self, stack: ExitStack, ca: TestCA, base: str, octets: int, seconds: float = 1.0
    ) -> None:
        self.folder = Path(stack.enter_context(daemons.short_folder()))
        self.socket = f"{self.folder}/milter.sock"
        self._text = bytearray()
        pipe = self.folder / "log"
        os.mkfifo(pipe)
        self._reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
        stack.callback(os.close, self._reader)
        configuration = self.folder / "stirmilter.toml"
        configuration.write_text(
            CONFIGURATION.format(
                sockets=f'"unix:{self.socket}"',
                milter="workers = 1\n",
                clients="127.0.0.0/8",
                sign="",
                verify="",
                checks="methods = []",
                fetch=PATIENT,
                replay='store = "memory:"',
                more=f"[log]\nqueue_octets = {octets}\nflush_seconds = {seconds}\n",
                ca=ca.folder,
                base=base,
                folder=self.folder,
            )
        )
        self.process = stack.enter_context(daemons.stirmilter(configuration, pipe))
        self._lines()  # of the start
        fcntl.fcntl(self._reader, fcntl.F_SETPIPE_SZ, 8_192)

    def _lines(self) -> list[str]:
        try:
            while octets := os.read(self._reader, 65_536):
                self._text += octets
        except BlockingIOError:
            pass
        return self._text.decode().splitlines()

    def send(self, count: int) -> None:
        with mta.session(self.socket) as session:
            for number in range(count):
                answer = session.message(
                    *(SENDER, [BOB], headers(100), b"Hello\r\n"),
                    queue_id=b"Q%d" % number,
                )
                assert answer.verdict == b"c"

    def told(self) -> tuple[list[int], int]:
        """Which messages the log has told of so far, and how many lines it lost."""
        lines = self._lines()
        return (
            [int(found[1]) for line in lines if (found := _MESSAGE.match(line))],
            sum(int(found[1]) for line in lines if (found := _LOST.match(line))),
        )


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as made:
        yield made


def test_what_fits_is_written_once_somebody_reads_again(
    stack: ExitStack, published: tuple[TestCA, str]
) -> None:
    stalled = Stalled(stack, *published, octets=1_048_576)

    stalled.send(500)

    until(lambda: len(stalled.told()[0]) >= 500, "all are told")
    assert stalled.told() == (list(range(500)), 0)


def test_what_does_not_is_counted(
    stack: ExitStack, published: tuple[TestCA, str]
) -> None:
    stalled = Stalled(stack, *published, octets=65_536)

    stalled.send(1_200)

    def complete() -> bool:
        told, lost = stalled.told()
        return len(told) + lost >= 1_200

    until(complete, "each is told, or told to be lost")
    told, lost = stalled.told()
    assert len(told) + lost == 1_200
    assert lost > 0
    assert told == sorted(set(told))


def test_a_daemon_leaves_though_nobody_reads(
    stack: ExitStack, published: tuple[TestCA, str]
) -> None:
    """The supervisor is held up no more than its workers; it tells what it can."""
    stalled = Stalled(stack, *published, octets=65_536)
    stalled.send(300)

    for _ in range(100):  # each is a line, or several
        stalled.process.send_signal(signal.SIGHUP)
    stalled.process.terminate()

    assert stalled.process.wait(30) == 0


def test_what_waits_when_it_leaves_is_written_if_somebody_reads(
    stack: ExitStack, published: tuple[TestCA, str]
) -> None:
    # However late the reader comes: what it has not taken by then is lost.
    stalled = Stalled(stack, *published, octets=1_048_576, seconds=30.0)
    stalled.send(500)
    ended = threading.Event()

    def read() -> None:
        while not ended.wait(0.01):
            stalled.told()

    reading = threading.Thread(target=read)
    stalled.process.terminate()
    reading.start()
    status = stalled.process.wait(30)
    ended.set()
    reading.join()

    assert status == 0
    assert stalled.told() == (list(range(500)), 0)
