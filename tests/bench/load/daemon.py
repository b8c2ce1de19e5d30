"""A program that listens on a UNIX socket, and what its processes cost."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from stirmilter.demo import daemons

_SECONDS: Final = 30.0
FLUSH_SECONDS: Final = 0.25
"""How long a daemon may keep work for later."""

_PAUSE: Final = 0.05
_TRIES: Final = 20
_IDLE: Final = 0.02  # of a core
_PROCESS_CLOCK: Final = 2  # CPUCLOCK_SCHED of all threads of a process


@dataclass(frozen=True, slots=True)
class Cost:
    """Of all processes of a daemon."""

    cpu_seconds: float
    """User and system time since they began, those of children that ended not."""

    rss: float
    """MiB, shared pages counted in each process."""


@dataclass(frozen=True, slots=True)
class Daemon:
    """A milter that runs."""

    pid: int
    address: str
    """As Postfix names it."""

    def processes(self) -> list[int]:
        """Return the first process and all below it."""
        found = [self.pid]
        for pid in found:
            with suppress(OSError):
                for task in Path(f"/proc/{pid}/task").iterdir():
                    found += map(int, (task / "children").read_text().split())
        return found

    def settled(self) -> Cost:
        """Return the cost once nothing is left to do: journals are written later."""
        time.sleep(FLUSH_SECONDS)
        cost = self.cost()
        for _ in range(_TRIES):
            time.sleep(_PAUSE)
            before, cost = cost, self.cost()
            if cost.cpu_seconds - before.cpu_seconds < _PAUSE * _IDLE:
                break
        return cost

    def cost(self) -> Cost:
        """Ask the kernel, which tells the time of a process in nanoseconds."""
        cpu = rss = 0.0
        for pid in self.processes():
            with suppress(OSError):
                cpu += time.clock_gettime((~pid << 3) | _PROCESS_CLOCK)
                rss += _rss(pid)
        return Cost(cpu, rss)


def _rss(pid: int) -> float:
    pages = Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * 4096 / 2**20


@contextmanager
def running(
    command: Sequence[str | Path],
    door: Path,
    environment: Mapping[str, str] | None = None,
) -> Iterator[Daemon]:
    """Run a program until the block ends; it must listen on a UNIX socket by then.

    Raises:
        RuntimeError: it ended instead; the text is what it said.
    """
    log = door.with_suffix(".log")
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, env=environment)
    try:
        end = time.monotonic() + _SECONDS
        while not _answers(door):
            if process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"{command[0]}: {log.read_text()}")
            time.sleep(0.02)
        door.chmod(0o777)  # Postfix connects as its own user
        yield Daemon(process.pid, f"unix:{door}")
    finally:
        process.kill()  # libmilter takes five seconds to stop, and nothing is kept
        process.wait()


@contextmanager
def stirmilter(configuration: Path, address: str) -> Iterator[Daemon]:
    """Run ours until the block ends, and wait until all its processes are there."""
    log = configuration.with_suffix(".log")
    with daemons.stirmilter(configuration, log) as process:
        yield Daemon(process.pid, address)


def _answers(door: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(door))
        except OSError:
            return False
    return True
