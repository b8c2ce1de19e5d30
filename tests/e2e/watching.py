"""How a test waits for a daemon, and sees what its processes do."""

import signal
import time
from collections.abc import Callable
from pathlib import Path

from tests.e2e.conftest import Daemon


def until(condition: Callable[[], bool], what: str, seconds: float = 60.0) -> None:
    """Wait for what happens soon; a machine may be slow, and the test must end."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"never: {what}"
        time.sleep(0.05)


def workers(daemon: Daemon) -> list[int]:
    children = Path(f"/proc/{daemon.process.pid}/task/{daemon.process.pid}/children")
    return [int(pid) for pid in children.read_text().split()]


def alive(pid: int) -> bool:
    """Whether a process runs; one that nobody has waited for yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().split(")")[1].split()[0] != "Z"
    except OSError:
        return False


def reload(daemon: Daemon) -> None:
    """Have all workers replaced: an old one takes connections until it has left."""
    before = daemon.logged().count("reloaded")
    old = set(workers(daemon))
    daemon.process.send_signal(signal.SIGHUP)
    until(lambda: daemon.logged().count("reloaded") > before, "reloaded")
    until(lambda: old.isdisjoint(workers(daemon)), "the old workers have left")
