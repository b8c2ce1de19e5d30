"""A worker whose transport hangs is replaced, though its siblings serve the socket."""

import ctypes
import os
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Thread

import pytest

from tests import mta
from tests.e2e.conftest import OVER_BOTH, Daemon, Hook, Start
from tests.e2e.test_milter import BOB, SENDER, headers
from tests.e2e.watching import alive, until, workers

pytestmark = pytest.mark.e2e

_ATTACH = 16  # ptrace(2): stops one thread, and no other of its process
_WALL = 0x40000000  # waitpid(2): threads, too
_STUCK = "stuck_seconds = 5.0"

# A session of a worker that is told to hang never gets beyond its first callback, and
# the native loop turns no more; and each worker says which thread accepts.
_HOOK = """
import os, pathlib, threading, time
import milter
from stirmilter.adapters.native.server import Server
from stirmilter.adapters.occupancy import Sessions

folder = pathlib.Path({folder!r})
opened, main, serve, turn = Sessions.opened, milter.main, Server.serve, Server.turn

def wait():
    while (folder / f"hang-{{os.getpid()}}").exists():
        time.sleep(0.05)

def hang(self, session):
    wait()
    opened(self, session)

def stand(self):
    wait()
    turn(self)

def tell():
    folder.joinpath(f"listener-{{os.getpid()}}").write_text(
        str(threading.get_native_id())
    )

def listen():
    tell()
    main()

def loop(self):
    tell()
    serve(self)

Sessions.opened, milter.main, Server.serve, Server.turn = hang, listen, loop, stand
"""


def block_callbacks(folder: Path, pid: int) -> None:
    """Let it accept, and never answer."""
    (folder / f"hang-{pid}").touch()


def stop_the_listener(folder: Path, pid: int) -> None:
    """Let it accept no more; all its other threads run on."""
    said = folder / f"listener-{pid}"
    until(lambda: said.exists() and said.stat().st_size > 0, "the worker says who")
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.ptrace(_ATTACH, int(said.read_text()), None, None):
        error = ctypes.get_errno()
        pytest.skip(f"no ptrace here: {os.strerror(error)}")
    # Whoever stopped a thread has to bury it, or the process does not end.
    Thread(target=_bury, args=(int(said.read_text()),), daemon=True).start()


def _bury(thread: int) -> None:
    with suppress(ChildProcessError):
        while not os.WIFSIGNALED(os.waitpid(thread, _WALL)[1]):
            pass


def send(daemon: Daemon, seconds: float = 30.0) -> bool:
    """Have a message signed; False where Postfix would give up, and try again.

    Where somebody may hang, few `seconds` will do: another one is then tried.
    """
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.connect(daemon.socket)
            session = mta.MTA(connection, seconds=seconds)
            session.connect()
            answer = session.message(SENDER, [BOB], headers(123), b"Hello\r\n")
        except TimeoutError:
            return False
    return [name for _, name, _ in answer.inserted] == [b"PASSporT"]


@OVER_BOTH
@pytest.mark.parametrize("hang", [block_callbacks, stop_the_listener])
def test_it_is_replaced_while_mail_goes_through_its_siblings(
    start: Start, hook: Hook, hang: Callable[[Path, int], None], transport: str
) -> None:
    folder = hook(_HOOK)
    daemon = start(milter=f'{_STUCK}\ntransport = "{transport}"')
    until(lambda: len(workers(daemon)) == 2, "two workers")
    stuck, sibling = workers(daemon)
    hang(folder, stuck)

    taken = 0
    deadline = time.monotonic() + 60
    while alive(stuck) and time.monotonic() < deadline:
        taken += send(daemon, seconds=1.0)
        time.sleep(0.1)

    until(lambda: f"worker {stuck} ended with status -9" in daemon.logged(), "gone")
    assert f"worker {stuck} gave no sign of life" in daemon.logged()
    assert taken > 0
    until(lambda: len(workers(daemon)) == 2, "another in its place")
    assert sibling in workers(daemon)
    assert all(send(daemon) for _ in range(20))


@OVER_BOTH
def test_nobody_is_replaced_who_only_has_nothing_to_do(
    start: Start, transport: str
) -> None:
    daemon = start(milter=f'stuck_seconds = 4.0\ntransport = "{transport}"')
    until(lambda: len(workers(daemon)) == 2, "two workers")
    before = workers(daemon)

    time.sleep(8)

    assert workers(daemon) == before
    assert all(send(daemon) for _ in range(5))
