"""Install the package on a machine, and see whether the units hold: `make machine`.

    python -m tests.machine ROOT PACKAGE

ROOT is a folder that debootstrap made, with Postfix; it is only read.
"""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import click

from tests.machine.machine import UNIT, Machine, MachineError, booted

SOCKET_UNIT: Final = "stirmilter.socket"
SOCKET: Final = "/var/spool/postfix/stirmilter/milter.sock"
CONFIGURATION: Final = "/etc/stirmilter/stirmilter.toml"
GOOD: Final = """\
[sign]
clients = ["127.0.0.0/8"]
prove = false
[[signer]]
name = "one"
key = "credential:one.key"
chain = "one.pem"
x5u = "https://certs.example/one.pem"
numbers = ["+12025550123"]
[checks]
methods = []
"""
DROP_IN: Final = "[Service]\nLoadCredential=one.key:/root/ca/keys/one.key\n"
KNOCK: Final = f"import socket; socket.socket(socket.AF_UNIX).connect({SOCKET!r})"


def hold(true: bool, what: str) -> None:
    """Fail unless something is so."""
    if not true:
        raise MachineError(what)


def installed(machine: Machine) -> None:
    """It is neither enabled nor started, as nothing is configured."""
    machine.must("dpkg", "--install", "/root/stirmilter.deb")
    hold(machine.run("systemctl", "is-enabled", UNIT)[1] == "disabled", "enabled")
    hold(machine.shows("ActiveState") == "inactive", "started")


def started(machine: Machine) -> None:
    """With a key that only root may read, handed over; ready when it serves."""
    machine.must("stirmilter", "testca", "create", "/root/ca")
    machine.must("cp", "/root/ca/www/one.pem", "/etc/stirmilter/one.pem")
    machine.write(CONFIGURATION, GOOD)
    machine.write(f"/etc/systemd/system/{UNIT}.d/key.conf", DROP_IN)
    machine.must("systemctl", "daemon-reload")
    machine.must("systemctl", "start", UNIT)
    hold(f"on unix:{SOCKET}" in machine.shows("StatusText"), "STATUS")
    machine.must("python3", "-c", KNOCK)


def typed(machine: Machine) -> None:
    """Commands see what the daemon has, and cost it nothing."""
    said = machine.must("stirmilter", "check", "--no-x5u")
    hold("ok\tsigner one" in said, said)
    since = machine.must("stirmilter", "replay", "show")
    machine.must("systemctl", "restart", UNIT)
    hold(machine.must("stirmilter", "replay", "show") == since, "a loss that was none")


def confined(machine: Machine) -> None:
    """No capability, no new privilege, filtered calls, and little to write to."""
    pid = machine.shows("MainPID")
    status = machine.must("cat", f"/proc/{pid}/status")
    for line in ("CapEff:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2"):
        hold(line in status, f"not {line}")
    mounts = machine.must("cat", f"/proc/{pid}/mounts").splitlines()
    options = {line.split()[1]: line.split()[3].split(",") for line in mounts}
    for place in ("/", "/home", "/root", "/run/user"):
        hold("ro" in options[place], f"{place} can be written")
    for place in ("/var/lib/stirmilter", "/run/stirmilter", "/tmp"):  # noqa: S108
        hold("rw" in options[place], f"{place} cannot be written")


def reloaded(machine: Machine) -> None:
    """A good file is taken; a bad one changes nothing, and the status says so."""
    refused = "the last reload was refused"
    machine.write(CONFIGURATION, GOOD + "[verify]\nfoo = 1\n")
    machine.must("systemctl", "reload", UNIT)
    machine.comes(lambda: refused in machine.shows("StatusText"), "refused")
    machine.write(CONFIGURATION, GOOD)
    machine.must("systemctl", "reload", UNIT)
    machine.comes(lambda: refused not in machine.shows("StatusText"), "taken again")


def final(machine: Machine) -> None:
    """Status 78 is not tried again, and stands in the journal as an error."""
    machine.write(CONFIGURATION, GOOD + "[verify]\nfoo = 1\n")
    hold(machine.run("systemctl", "restart", UNIT)[0] != 0, "it started")
    time.sleep(5)  # more than twice RestartSec
    found = [machine.shows(name) for name in ("ExecMainStatus", "NRestarts")]
    hold(found == ["78", "0"], f"status and restarts: {found}")
    errors = machine.must(
        *("journalctl", "--unit", UNIT, "--priority", "err", "--output", "cat")
    )
    hold(f"stirmilter: {CONFIGURATION}: verify.foo" in errors, errors)
    machine.write(CONFIGURATION, GOOD)
    machine.must("systemctl", "start", UNIT)


def killed(machine: Machine) -> None:
    """Who kills the supervisor has it started again."""
    machine.must("kill", "-KILL", machine.shows("MainPID"))
    machine.comes(lambda: machine.shows("NRestarts") == "1", "started again")
    machine.comes(lambda: machine.shows("ActiveState") == "active", "active")


def starved(machine: Machine) -> None:
    """One that has stopped altogether is ended by the watchdog."""
    pid = machine.shows("MainPID")
    machine.must("kill", "-STOP", pid)
    machine.comes(lambda: machine.shows("NRestarts") == "2", "ended", 90)
    machine.comes(lambda: machine.shows("ActiveState") == "active", "active")
    hold(machine.shows("MainPID") != pid, "the same process")


def activated(machine: Machine) -> None:
    """The socket starts the service, and gives up one that cannot start."""
    machine.must("systemctl", "stop", UNIT)
    machine.must("systemctl", "start", SOCKET_UNIT)
    machine.must("python3", "-c", KNOCK)
    machine.comes(lambda: machine.shows("ActiveState") == "active", "woken")
    machine.write(CONFIGURATION, GOOD + "[verify]\nfoo = 1\n")
    machine.must("systemctl", "stop", UNIT)
    machine.must("python3", "-c", KNOCK)
    ended = "trigger-limit-hit"
    machine.comes(lambda: machine.shows("Result", SOCKET_UNIT) == ended, ended, 90)
    machine.write(CONFIGURATION, GOOD)
    machine.must("systemctl", "start", SOCKET_UNIT, UNIT)


def removed(machine: Machine) -> None:
    """Nothing of it goes on, and nothing waits to start it."""
    machine.must("systemctl", "enable", SOCKET_UNIT, UNIT)
    machine.must("dpkg", "--remove", "stirmilter")
    for unit in (SOCKET_UNIT, UNIT):
        hold(machine.run("systemctl", "is-active", unit)[1] == "inactive", unit)
    wants = machine.must("find", "/etc/systemd", "-name", "stirmilter.*", "-type", "l")
    hold(not wants, wants)


STEPS: Final[tuple[Callable[[Machine], None], ...]] = (
    *(installed, started, typed, confined, reloaded, final),
    *(killed, starved, activated, removed),
)


def main(root: Path, package: Path) -> int:
    """Take the steps; return 1 if one of them failed."""
    step: Callable[[Machine], None] | None = None
    try:
        with booted(root) as machine:
            shutil.copyfile(package, machine.place("/root/stirmilter.deb"))
            for step in STEPS:
                began = time.monotonic()
                step(machine)
                told = (step.__doc__ or "").splitlines()[0]
                seconds = time.monotonic() - began
                click.echo(f"{step.__name__:<10} {seconds:3.0f} s  {told}")
    except MachineError as error:
        click.echo(f"{step.__name__ if step else 'boot':<10} FAILED {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve(), Path(sys.argv[2])))
