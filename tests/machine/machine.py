"""A machine that runs beside this one, and what one asks of it."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

BOOT: Final = Path(__file__).with_name("boot")
UNIT: Final = "stirmilter.service"

_INSIDE: Final = (
    *("--mount", "--pid", "--net", "--uts", "--ipc", "--cgroup", "--root", "--wd"),
    *("env", "-i", "LANG=C.UTF-8", "HOME=/root", "PATH=/usr/sbin:/usr/bin"),
)
_BOOTED: Final = 60.0  # seconds; mostly four


class MachineError(Exception):
    """It did not boot, or what it was to do did not happen."""


@dataclass(frozen=True, slots=True)
class Machine:
    """Process 1 of its namespaces, by its number out here."""

    first: int

    def run(self, *words: str, seconds: float = 60.0) -> tuple[int, str]:
        """Run a command in there; return its status and all that it said."""
        done = subprocess.run(
            ["nsenter", f"--target={self.first}", *_INSIDE, *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=seconds,
            check=False,
        )
        return done.returncode, done.stdout.strip()

    def must(self, *words: str) -> str:
        """Run a command that has to succeed; return what it said.

        Raises:
            MachineError: it did not.
        """
        status, said = self.run(*words)
        if status:
            raise MachineError(f"{' '.join(words)}: status {status}: {said}")
        return said

    def shows(self, name: str, unit: str = UNIT) -> str:
        """Return a property of a unit."""
        return self.must("systemctl", "show", "--value", f"--property={name}", unit)

    def place(self, path: str) -> Path:
        """Return where an absolute path of it is out here."""
        return Path(f"/proc/{self.first}/root{path}")

    def write(self, path: str, text: str) -> None:
        """Write a file in there."""
        file = self.place(path)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def comes(self, true: Callable[[], bool], what: str, seconds: float = 30.0) -> None:
        """Wait until something is so.

        Raises:
            MachineError: it was not, all the time.
        """
        until = time.monotonic() + seconds
        while not true():
            if time.monotonic() > until:
                raise MachineError(f"{what}: not within {seconds:.0f} s")
            time.sleep(0.2)


@contextmanager
def booted(root: Path) -> Iterator[Machine]:
    """Boot a root folder, and end it with everything that runs in it.

    Raises:
        MachineError: this machine does not allow it, and says what, or it hangs.
    """
    group = _cgroups() / f"stirmilter-machine-{time.time_ns()}"
    group.mkdir()
    console = root.with_name("console")
    with console.open("wb") as stream:
        outer = subprocess.Popen(
            [BOOT, root, group],
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            start_new_session=True,
        )
        try:
            machine = Machine(_child(outer, console))
            machine.comes(
                lambda: (
                    machine.run("systemctl", "is-system-running")[1]
                    in ("running", "degraded")
                ),
                "systemd is up",
                _BOOTED,
            )
            yield machine
        finally:
            outer.kill()  # takes process 1 along, and that the whole namespace
            outer.wait()
            _remove(group)


def _cgroups() -> Path:
    """Return where cgroups of version 2 are mounted."""
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, place, kind, *_ = line.split()
        if kind == "cgroup2":
            return Path(place)
    raise MachineError("no cgroups of version 2 are mounted here")


def _child(outer: subprocess.Popen[bytes], console: Path) -> int:
    """Return the number of the only child of `unshare`."""
    children = Path(f"/proc/{outer.pid}/task/{outer.pid}/children")
    until = time.monotonic() + _BOOTED
    while time.monotonic() < until and outer.poll() is None:
        for number in map(int, children.read_text().split()):
            if Path(f"/proc/{number}/comm").read_text() == "systemd\n":
                return number
        time.sleep(0.1)
    said = console.read_text(errors="replace").strip()
    raise MachineError(f"it does not boot: {said or 'no word'}")


def _remove(group: Path) -> None:
    """Remove a cgroup and those in it, once the kernel has taken the processes away."""
    until = time.monotonic() + 10
    below = sorted((p for p in group.rglob("*") if p.is_dir()), reverse=True)
    for one in (*below, group):
        while True:
            try:
                one.rmdir()
            except OSError:
                if time.monotonic() > until:
                    return
                time.sleep(0.1)
            else:
                break
