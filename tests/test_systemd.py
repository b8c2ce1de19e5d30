"""What systemd passes and hears; its side is played by a socket, or by itself."""

import configparser
import os
import re
import shutil
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from stirmilter import systemd
from stirmilter.config import parse
from stirmilter.demo.daemons import short_folder
from stirmilter.stores.replay.standing import BOOT_ID
from stirmilter.watchdog import Watchdog

ROOT = Path(__file__).parents[1]
UNITS = ROOT / "systemd"
needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="no systemd here"
)


def test_without_systemd_nothing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)

    systemd.notify("READY=1")


def test_states_are_told_in_one_datagram(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind("")
        name = listener.getsockname().decode().replace("\0", "@", 1)
        monkeypatch.setenv("NOTIFY_SOCKET", name)

        systemd.notify("READY=1", "STATUS=two")

        assert listener.recv(100) == b"READY=1\nSTATUS=two"


def test_a_systemd_that_reads_nothing_holds_up_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind("")
        name = listener.getsockname().decode().replace("\0", "@", 1)
        monkeypatch.setenv("NOTIFY_SOCKET", name)

        for _ in range(2_000):  # more than any queue holds
            systemd.notify("WATCHDOG=1")
    systemd.notify("STOPPING=1")  # and one that is gone


@pytest.mark.parametrize(
    ("pid", "usec", "expected"),
    [
        (None, "30000000", 30.0),
        ("self", "500000", 0.5),
        ("1", "30000000", None),
        (None, "", None),
        (None, "x", None),
    ],
)
def test_the_watchdog_is_ours_only_when_it_says_so(
    monkeypatch: pytest.MonkeyPatch, pid: str | None, usec: str, expected: float | None
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", usec)
    monkeypatch.delenv("WATCHDOG_PID", raising=False)
    if pid is not None:
        monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()) if pid == "self" else pid)

    assert systemd.watchdog_seconds() == expected


def test_sockets_for_another_process_are_not_ours(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LISTEN_PID", "1")
    monkeypatch.setenv("LISTEN_FDS", "1")

    assert systemd.passed() == []
    assert "LISTEN_FDS" not in os.environ


def test_sockets_that_are_passed_have_their_names() -> None:
    """In a process of its own, whose third descriptor is free."""
    program = (
        "import os, socket\n"
        "kept = [socket.socket(socket.AF_UNIX) for _ in range(4)]\n"
        "kept[0].bind('')\n"
        "os.dup2(kept[0].fileno(), 33); os.dup2(kept[1].fileno(), 34)\n"
        "os.dup2(33, 3); os.dup2(34, 4)\n"
        "os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS='2',"
        " LISTEN_FDNAMES='mail')\n"
        "from stirmilter import systemd\n"
        "[(a, one), (b, two)] = systemd.passed()\n"
        "print(a, b, one.fileno(), two.fileno(), one.get_inheritable(),"
        " bool(one.getsockname()), bool(two.getsockname()), flush=True)\n"
        "os._exit(0)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert done.stdout == "mail unknown 3 4 False True False\n"


def test_the_watchdog_hungers_when_nobody_answers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Connections are accepted by the kernel, and that is all."""
    told: list[str] = []
    monkeypatch.setattr(systemd, "notify", told.append)
    with socket.socket(socket.AF_UNIX) as deaf:
        deaf.bind("")
        deaf.listen()

        Watchdog(0.4).feed([deaf])

    assert told == []


def test_the_watchdog_is_fed_no_more_often_than_needed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told: list[str] = []
    monkeypatch.setattr(systemd, "notify", told.append)
    now = 100.0
    watchdog = Watchdog(40.0, lambda: now)

    watchdog.feed([])
    now = 109.9
    watchdog.feed([])
    now = 110.0
    watchdog.feed([])

    assert told == ["WATCHDOG=1"] * 2


def test_without_a_watchdog_nobody_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr(systemd, "notify", told.append)

    with socket.socket(socket.AF_UNIX) as deaf:
        Watchdog(None).feed([deaf])

    assert told == []


def in_place(folder: Path) -> list[Path]:
    """The units, with a program that there is."""
    units = []
    for unit in (*UNITS.glob("*.service"), *UNITS.glob("*.socket")):
        text = re.sub(r"(?m)^ExecStart=\S+", "ExecStart=/bin/true", unit.read_text())
        units.append(folder / unit.name)
        units[-1].write_text(text)
    return units


@needs_systemd
def test_the_units_are_such_as_systemd_understands() -> None:
    with short_folder() as folder:
        units = in_place(Path(folder))
        done = subprocess.run(
            ["systemd-analyze", "verify", "--man=no", *units],
            capture_output=True,
            text=True,
            check=False,
        )

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@needs_systemd
def test_little_of_the_machine_is_exposed_to_a_daemon_that_was_taken_over() -> None:
    """A process that talks to the network, and whose socket has postfix's group."""
    done = subprocess.run(
        [
            *("systemd-analyze", "security", "--offline=true", "--no-pager"),
            *("--threshold=15", UNITS / "stirmilter.service"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout  # 15 means 1.5
    assert "exposure level for stirmilter.service" in done.stdout


@needs_systemd
def test_the_user_and_the_folder_are_such_as_systemd_can_make(tmp_path: Path) -> None:
    """Below another root, where Postfix has been installed."""
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "passwd").write_text("postfix:x:500:500::/:/bin/false\n")
    (tmp_path / "etc" / "group").write_text("postfix:x:500:\n")

    for command in (
        ("systemd-sysusers", UNITS / "sysusers.conf"),
        ("systemd-tmpfiles", "--create", UNITS / "tmpfiles.conf"),
    ):
        program, *arguments = command
        subprocess.run(
            [program, f"--root={tmp_path}", *arguments], capture_output=True, check=True
        )

    users = (tmp_path / "etc" / "passwd").read_text().splitlines()
    [ours] = [line.split(":") for line in users if line.startswith("stirmilter:")]
    made = tmp_path / "var" / "spool" / "postfix" / "stirmilter"
    assert stat.S_IMODE(made.stat().st_mode) == 0o750
    if os.geteuid() == 0:
        assert (made.stat().st_uid, made.stat().st_gid) == (int(ours[2]), 500)


def test_the_unit_gives_the_daemon_the_time_that_it_takes() -> None:
    """To drain and to be killed after that, to try its handshakes; and 78 is final."""
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign] # as systemd does
    unit.read(UNITS / "stirmilter.service")
    service = unit["Service"]
    milter = parse({}, ROOT / "conf" / "stirmilter.toml").milter

    assert (
        float(service["TimeoutStopSec"])
        >= milter.drain_seconds + milter.leave_seconds + 10
    )
    assert float(service["WatchdogSec"]) >= 10
    assert service["RestartPreventExitStatus"] == "78"
    assert service["Type"] == "notify"


def test_the_daemon_knows_the_run_of_the_machine_whatever_the_unit_hides() -> None:
    """Or the replay store misses power cuts, and sees one in each typed command."""
    unit = (UNITS / "stirmilter.service").read_text().splitlines()

    assert "ProcSubset=pid" in unit  # hides /proc/sys
    assert f"Environment={BOOT_ID}=%b" in unit


def test_a_socket_does_not_start_for_ever_what_cannot_start() -> None:
    """A connection that waits starts the service again, though it ended with 78."""
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.read(UNITS / "stirmilter.socket")
    burst, seconds = (
        int(unit["Socket"][name])
        for name in ("TriggerLimitBurst", "TriggerLimitIntervalSec")
    )

    assert 1 < burst <= seconds / 30
