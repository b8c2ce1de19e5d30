"""The daemon as a service: a test plays systemd's side of it."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from stirmilter.demo.daemons import short_folder
from stirmilter.demo.postfix import free_port
from tests import mta
from tests.e2e.scraping import value
from tests.e2e.test_milter import BOB, SENDER, headers
from tests.e2e.watching import until

pytestmark = pytest.mark.e2e

CONFIGURATION = """\
[milter]
sockets = [{sockets}]
socket_group = ""
authserv_id = "mx.example"
workers = 1
{milter}
[sign]
proofs = "{folder}/proofs.json"
[replay]
store = "memory:"
[journal]
path = ""
[checks]
methods = []
{more}
"""

# As systemd: descriptors from 3 on, and the process id of whom they are for.
AS_SYSTEMD = """\
import os, sys
if count := int(sys.argv[1]):
    for place in range(count):
        os.dup2(int(sys.argv[2 + place]), 3 + place)
    os.environ |= {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": str(count)}
if os.environ.pop("NO_NEW_CODE", ""):
    import ctypes
    if ctypes.CDLL(None).prctl(65, 1, 0, 0, 0) != 0:  # PR_SET_MDWE
        os._exit(77)
os.environ["WATCHDOG_PID"] = str(os.getpid())
os.execv(sys.executable, [sys.executable, *sys.argv[2 + count:]])
"""


class Service:
    """A daemon, and what it tells systemd."""

    def __init__(self, folder: Path, configuration: Path) -> None:
        self.folder = folder
        self.configuration = configuration
        self.told = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.told.bind("")
        self.told.settimeout(30)
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *passed: socket.socket, names: str = "", **variables: str) -> None:
        environment = {
            **os.environ,
            **variables,
            "NOTIFY_SOCKET": self.told.getsockname().decode().replace("\0", "@", 1),
            "WATCHDOG_USEC": "4000000",
            "LISTEN_FDNAMES": names,
        }
        high = [os.dup(one.fileno()) for one in passed]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-c", AS_SYSTEMD, str(len(high))),
                    *map(str, high),
                    *("-m", "stirmilter", "run", "--config", self.configuration),
                ],
                env=environment,
                pass_fds=high,
                stderr=log,
            )
        for one in high:
            os.close(one)

    def tells(self, what: bytes) -> bytes:
        """Wait until it tells this, and return all that was told with it."""
        while True:
            told = self.told.recv(4_096)
            if what in told.split(b"\n"):
                return told

    def signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def logged(self) -> str:
        return (self.folder / "log").read_text()

    def workers(self) -> list[int]:
        assert self.process is not None
        pid = self.process.pid
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
        return [int(child) for child in text.split()]

    def stop(self) -> int:
        assert self.process is not None
        self.process.terminate()
        try:
            return self.process.wait(45)
        finally:
            self.process.kill()


@contextmanager
def _service(*sockets: str, milter: str = "", more: str = "") -> Iterator[Service]:
    with short_folder() as made:
        folder = Path(made)
        configuration = folder / "stirmilter.toml"
        addresses = ", ".join(
            f'"{one}"' for one in sockets or (f"unix:{folder}/milter.sock",)
        )
        configuration.write_text(
            CONFIGURATION.format(
                sockets=addresses, folder=folder, milter=milter, more=more
            )
        )
        service = Service(folder, configuration)
        try:
            yield service
        finally:
            if service.process is not None:
                service.stop()
            service.told.close()


def answers(address: str | tuple[str, int]) -> None:
    with mta.session(address):
        pass


def test_systemd_hears_of_start_life_reload_refusal_and_stop() -> None:
    with _service() as service:
        service.start()
        ready = service.tells(b"READY=1")
        path = f"unix:{service.folder}/milter.sock"
        assert f"STATUS=1 worker on {path}".encode() in ready
        service.tells(b"WATCHDOG=1")

        service.signal(signal.SIGHUP)
        reloading = service.tells(b"RELOADING=1")
        assert b"\nMONOTONIC_USEC=" in reloading, "without it systemd refuses it"
        assert b"refused" not in service.tells(b"READY=1")

        with service.configuration.open("a") as file:
            file.write("[nonsense]\n")
        service.signal(signal.SIGHUP)
        service.tells(b"RELOADING=1")
        assert b"the last reload was refused" in service.tells(b"READY=1")

        service.signal(signal.SIGTERM)
        service.tells(b"STOPPING=1")
        assert service.stop() == 0


def test_the_watchdog_is_not_fed_while_no_milter_answers() -> None:
    """systemd would restart us: the supervisor alone is of no use to anybody."""
    with _service() as service:
        service.start()
        service.tells(b"WATCHDOG=1")
        [only] = service.workers()

        os.kill(only, signal.SIGSTOP)
        try:
            until(lambda: "no milter answers: timed out" in service.logged(), "told")
            fed = service.logged().count("no milter answers")
            while True:  # what was told before
                service.told.setblocking(False)
                try:
                    service.told.recv(4_096)
                except BlockingIOError:
                    break
            until(
                lambda: service.logged().count("no milter answers") > fed + 1, "again"
            )
            with pytest.raises(BlockingIOError):
                service.told.recv(4_096)
        finally:
            os.kill(only, signal.SIGCONT)
        service.told.settimeout(30)
        service.tells(b"WATCHDOG=1")


def test_a_worker_that_is_stopped_is_replaced_and_counted() -> None:
    port = free_port()
    metrics = f'[metrics]\nlisten = "inet:{port}@127.0.0.1"\ncounters = "metrics"\n'
    with _service(milter="stuck_seconds = 5.0", more=metrics) as service:
        (service.folder / "metrics").mkdir()
        service.start()
        service.tells(b"READY=1")
        until(lambda: len(service.workers()) == 2, "the worker, and who is scraped")
        [one, _] = service.workers()

        os.kill(one, signal.SIGSTOP)

        until(lambda: f"worker {one} gave no sign of life" in service.logged(), "seen")
        until(lambda: f"worker {one} ended with status -9" in service.logged(), "gone")
        answers(f"{service.folder}/milter.sock")
        name = "stirmilter_workers_replaced_total"
        assert value(port, name, reason="stuck") >= 1
        assert value(port, name, reason="ended") == 0


def test_one_daemon_serves_unix_inet_and_inet6() -> None:
    port = free_port()
    with short_folder() as folder:
        unix = f"{folder}/s"
        with _service(
            f"unix:{unix}", f"inet:{port}@127.0.0.1", f"inet6:{port}@::1"
        ) as service:
            service.start()
            service.tells(b"READY=1")

            for address in (unix, ("127.0.0.1", port), ("::1", port)):
                answers(address)
            service.tells(b"WATCHDOG=1")


@pytest.mark.parametrize("by_name", [False, True])
def test_systemds_socket_outlives_a_restart(by_name: bool) -> None:
    """Who connects in between waits, and is answered by the next daemon."""
    with short_folder() as folder, socket.socket(socket.AF_UNIX) as listener:
        path = f"{folder}/systemd.sock"
        listener.bind(path)
        listener.listen()
        with _service("fd:mail" if by_name else f"unix:{path}") as service:
            service.start(listener, names="mail")
            service.tells(b"READY=1")
            answers(path)
            assert service.stop() == 0

            with socket.socket(socket.AF_UNIX) as early:
                early.settimeout(30)
                early.connect(path)
                service.start(listener, names="mail")
                session = mta.MTA(early)
                session.connect()
            service.tells(b"READY=1")
            assert Path(path).is_socket()


def test_it_needs_no_memory_that_is_both_written_and_executed() -> None:
    """MemoryDenyWriteExecute= of the unit; the kernel's own switch since Linux 6.3."""
    with _service() as service:
        service.start(NO_NEW_CODE="1")
        assert service.process is not None
        try:
            service.tells(b"READY=1")
        except TimeoutError:
            if service.process.poll() == 77:
                pytest.skip("this kernel has no PR_SET_MDWE")
            raise
        with mta.session(f"{service.folder}/milter.sock") as session:
            answer = session.message(SENDER, [BOB], headers(123), b"Hello\r\n")

        assert answer.verdict == b"c"
        assert answer.value(b"Authentication-Results")
        assert "ended with status" not in service.logged()
