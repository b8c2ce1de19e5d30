"""Files, disk, clock, name servers: what a relay rests on."""

import os
import shutil
import stat
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from stirmilter.config import Config, parse
from stirmilter.demo import daemons
from stirmilter.doctor import clock, network
from stirmilter.doctor.folders import folders
from stirmilter.findings import Finding
from stirmilter.testca import TestCA
from tests.dns_server import DnsServer
from tests.doctor.conftest import SIGNER

USER = "postfix"
"""An ordinary user, who is there wherever these tests run."""

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


@pytest.fixture
def home() -> Iterator[Path]:
    """A folder as packages leave it: files root's, state the daemon's."""
    with daemons.short_folder() as name:
        folder = Path(name)
        (folder / "state").mkdir(mode=0o750)
        shutil.chown(folder / "state", USER, USER)
        for file in ("stirmilter.toml", "root.pem", "one.pem", "one.key"):
            (folder / file).touch(0o640)
            shutil.chown(folder / file, group=USER)
        yield folder


def configuration(home: Path, **more: Any) -> Config:  # noqa: ANN401 - TOML
    table: dict[str, Any] = {
        "milter": {"authserv_id": "mx.example"},
        "verify": {"anchors": ["root.pem"]},
        "sign": {"clients": ["127.0.0.0/8"], "proofs": "state/proofs.json"},
        "signer": [SIGNER],
        "fetch": {"store": "sqlite:state/certificates.sqlite"},
        "replay": {"store": "sqlite:state/replay.sqlite"},
        "journal": {"path": "state/journal.sqlite", "megabytes": 4},
    }
    return parse(table | more, home / "stirmilter.toml")


def problems(home: Path, user: str = USER) -> list[Finding]:
    found = folders(configuration(home), user)
    return [one for one in found if one.level != "ok" and one.subject[:4] != "disk"]


def tree(home: Path) -> dict[str, tuple[int, int, bytes]]:
    """Everything that a look might have changed."""
    return {
        str(path): (
            path.stat().st_mode,
            path.stat().st_mtime_ns,
            path.read_bytes() if path.is_file() else b"",
        )
        for path in (home, *home.rglob("*"))
    }


@as_root
def test_files_as_they_should_be_are_praised_and_nothing_is_changed(
    home: Path,
) -> None:
    before = tree(home)

    found = list(folders(configuration(home), USER))

    assert "ok" in {one.level for one in found if one.subject == "files"}
    assert problems(home) == []
    assert tree(home) == before


def root_writes(home: Path) -> None:
    (home / "state" / "replay.sqlite-wal").touch(0o644)


def nobody_reads(home: Path) -> None:
    (home / "one.key").chmod(0o600)


def nobody_enters(home: Path) -> None:
    (home / "state").chmod(0o700)
    shutil.chown(home / "state", "root", "root")


def state_is_closed(home: Path) -> None:
    (home / "state").chmod(0o550)


def state_is_gone(home: Path) -> None:
    (home / "state").rmdir()


def everybody_writes(home: Path) -> None:
    (home / "root.pem").chmod(0o646)


@as_root
@pytest.mark.parametrize(
    ("spoil", "text"),
    [
        pytest.param(root_writes, "was a command run as root?", id="root's file"),
        pytest.param(nobody_reads, f"{USER} may not read", id="key"),
        pytest.param(nobody_enters, f"{USER} may not enter", id="folder"),
        pytest.param(state_is_closed, f"{USER} may not write in", id="read-only"),
        pytest.param(state_is_gone, "there is no such folder", id="missing"),
        pytest.param(everybody_writes, "everybody may change it", id="mode"),
    ],
)
def test_a_file_that_is_not_as_the_daemon_needs_it_is_named_and_mended(
    home: Path,
    spoil: Callable[[Path], None],
    text: str,
) -> None:
    spoil(home)

    before = problems(home)
    for remedy in {one.remedy for one in before}:
        assert os.waitstatus_to_exitcode(os.system(remedy)) == 0  # noqa: S605

    after = problems(home)
    # A folder that is open may show what it hid.
    for remedy in {one.remedy for one in after}:
        assert os.waitstatus_to_exitcode(os.system(remedy)) == 0  # noqa: S605
    assert {one.level for one in before} == {"error"}
    assert all(text in one.text for one in before)
    assert problems(home) == []


@as_root
def test_a_daemon_user_that_there_is_not_is_named(home: Path) -> None:
    found = problems(home, "nobody-of-this-name")

    assert found[0].text.startswith("no such user: nobody-of-this-name")
    assert found[0].remedy == "systemd-sysusers"


def test_what_was_looked_at_as_another_user_is_not_said_of_the_daemon(
    home: Path,
) -> None:
    found = folders(configuration(home), "nobody-of-this-name")

    [text] = [one.text for one in found if one.subject == "files" and one.level == "ok"]
    assert text == "you read what nobody-of-this-name must, and write its state"


@pytest.mark.parametrize(
    ("free", "inodes", "level"),
    [
        pytest.param(4, 100, "error", id="full"),
        pytest.param(30, 100, "warning", id="nearly"),
        pytest.param(4_000, 0, "error", id="no inodes"),
        pytest.param(4_000, 100, "ok", id="room"),
    ],
)
def test_room_is_held_to_what_may_still_be_written(
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    free: int,
    inodes: int,
    level: str,
) -> None:
    real = os.statvfs(home)
    numbers = list(real)
    numbers[1], numbers[4], numbers[5], numbers[7] = 1 << 20, free, 100, inodes
    monkeypatch.setattr(os, "statvfs", lambda _: os.statvfs_result(numbers))

    found = [one for one in folders(configuration(home), USER) if "disk" in one.subject]

    assert [one.level for one in found] == [level]
    assert bool(found[0].remedy) == (level != "ok")


def test_timesyncd_is_believed(tmp_path: Path) -> None:
    (tmp_path / "synchronized").touch()

    found = clock.synchronised(5.0, tmp_path / "synchronized", str(tmp_path))

    assert found.level == "ok"


@pytest.mark.parametrize(
    ("program", "says", "level"),
    [
        pytest.param("chronyc", "A29FC87B,1,2,3,0.1,Normal", "ok", id="chrony"),
        pytest.param("chronyc", "0,,0,0,0.0,Not synchronised", "error", id="chrony-no"),
        pytest.param("ntpq", "leap=00, offset=0.1", "ok", id="ntpd"),
        pytest.param("ntpq", "leap=11, offset=0.1", "error", id="ntpd-no"),
        pytest.param("chronyc", "", "warning", id="chrony-down"),
        pytest.param("sundial", "noon", "warning", id="nobody"),
    ],
)
def test_whoever_keeps_the_clock_is_asked(
    tmp_path: Path, program: str, says: str, level: str
) -> None:
    path = tmp_path / program
    path.write_text(f"#!/bin/sh\n[ -n '{says}' ] && echo '{says}'\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)

    found = clock.synchronised(5.0, tmp_path / "synchronized", str(tmp_path))

    assert found.level == level


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """A web server on loopback, and the anchors for it."""
    made = TestCA.create(tmp_path_factory.mktemp("clock"), datetime.now(UTC))
    with made.publish() as base:
        yield f"{base}/nothing.pem", str(made.folder / "tls-ca.pem")


@pytest.mark.parametrize(
    ("wrong", "level"),
    [
        pytest.param(timedelta(), "ok", id="right"),
        pytest.param(timedelta(seconds=-300), "error", id="behind"),
        pytest.param(timedelta(seconds=300), "error", id="ahead"),
    ],
)
def test_our_clock_is_held_to_that_of_our_own_web_server(
    server: tuple[str, str], wrong: timedelta, level: str
) -> None:
    url, anchors = server

    [found] = clock.compared(
        url, anchors, timedelta(seconds=60), 30.0, lambda: datetime.now(UTC) + wrong
    )

    assert found.level == level
    assert ("ahead" in found.text, "behind" in found.text) == (
        wrong > timedelta(),
        wrong < timedelta(),
    )


def test_a_web_server_that_is_down_tells_no_time(server: tuple[str, str]) -> None:
    url = "https://127.0.0.1:1/one.pem"

    assert not list(clock.compared(url, server[1], timedelta(seconds=60), 5.0))


@pytest.fixture
def silent() -> Iterator[tuple[str, int]]:
    """A name server that does not answer."""
    with DnsServer() as mute:
        mute.silent.add("certs.example")
        yield mute.address


def asked(home: Path, *servers: tuple[str, int]) -> list[Finding]:
    names = [f"{port}@{address}" for address, port in servers]
    dns = {"servers": names, "question_seconds": 2.0, "server_seconds": 1.5}
    return list(network.name_servers(configuration(home, dns=dns)))


def test_each_name_server_is_asked(home: Path, silent: tuple[str, int]) -> None:
    with DnsServer() as answers:
        found = asked(home, answers.address, silent)

    assert [one.level for one in found] == ["ok", "warning"]
    assert answers.asked("certs.example") == 1


def test_no_name_server_at_all_is_an_error(home: Path, silent: tuple[str, int]) -> None:
    assert [one.level for one in asked(home, silent)] == ["error"]


def test_a_resolv_conf_of_no_use_is_an_error(home: Path, tmp_path: Path) -> None:
    [found] = network.name_servers(configuration(home), tmp_path / "resolv.conf")

    assert (found.level, bool(found.remedy)) == ("error", True)


def test_the_system_without_web_authorities_is_an_error(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))

    [found] = network.web_roots(configuration(home))
    (tmp_path / "0a1b2c3d.0").touch()
    [mended] = network.web_roots(configuration(home))

    assert (found.level, found.remedy) == ("error", "apt-get install ca-certificates")
    assert mended.level == "ok"
