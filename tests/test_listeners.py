"""Sockets that mail comes in by: ours, several at once, and systemd's."""

import os
import pwd
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from stirmilter.config import Config, parse
from stirmilter.demo.daemons import short_folder
from stirmilter.demo.postfix import free_port
from stirmilter.errors import ConfigError, UnavailableError
from stirmilter.listeners import Listeners, addresses, spoken
from tests.users import as_nobody


def config(*sockets: str, **milter: str) -> Config:
    table = {"sockets": sockets, "socket_group": "", **milter}
    return parse({"milter": table}, Path("stirmilter.toml"))


@pytest.fixture
def folder() -> Iterator[Path]:
    with short_folder() as made:
        yield Path(made)


@pytest.fixture
def opened() -> Iterator[Listeners]:
    listeners = Listeners()
    yield listeners
    for one in listeners.sockets:
        one.close()


def listening(path: Path) -> socket.socket:
    made = socket.socket(socket.AF_UNIX)
    made.bind(str(path))
    made.listen()
    return made


def test_all_three_kinds_stand_side_by_side_on_one_port(
    folder: Path, opened: Listeners
) -> None:
    """An inet6 socket that took IPv4 as well would leave no room for the inet one."""
    port = free_port()
    wanted = (f"unix:{folder}/s", f"inet:{port}@0.0.0.0", f"inet6:{port}@::")

    opened.open(config(*wanted))

    assert addresses(opened.sockets) == ", ".join(wanted)
    for host in ("127.0.0.1", "::1"):
        socket.create_connection((host, port)).close()


def test_a_socket_is_given_to_the_owner_that_is_named(
    folder: Path, opened: Listeners
) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root gives files away")
    opened.open(config(f"unix:{folder}/s", socket_owner="nobody", socket_mode="0600"))

    found = (folder / "s").stat()

    assert found.st_uid == pwd.getpwnam("nobody").pw_uid
    assert stat.S_IMODE(found.st_mode) == 0o600


def test_an_owner_that_there_is_not_leaves_nothing_behind(
    folder: Path, opened: Listeners
) -> None:
    with pytest.raises(ConfigError, match=r"socket_owner: no such user: nosuchuser"):
        opened.open(config(f"unix:{folder}/s", socket_owner="nosuchuser"))

    assert not (folder / "s").exists()


def test_a_daemon_outside_the_group_is_told_which_setting_wants_it(
    folder: Path,
) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root becomes another user")
    folder.chmod(0o777)
    told = as_nobody(
        lambda: Listeners().open(config(f"unix:{folder}/s", socket_group="daemon"))
    )

    assert told == (
        f"stirmilter.toml: milter.sockets: unix:{folder}/s: milter.socket_group daemon:"
        " Operation not permitted; a daemon that is not root must be in that group"
    )
    assert not (folder / "s").exists()


def test_the_socket_that_systemd_has_bound_is_taken_by_its_address(
    folder: Path, opened: Listeners
) -> None:
    passed = listening(folder / "systemd")

    opened.open(
        config(f"unix:{folder}/ours", f"unix:{folder}/systemd"),
        [("stirmilter.socket", passed)],
    )

    assert opened.sockets[1] is passed
    assert not passed.getblocking(), "its workers share it"
    opened.remove()
    assert [one.name for one in folder.iterdir()] == ["systemd"], (
        "systemd goes on listening"
    )


def test_a_name_takes_all_sockets_that_have_it(folder: Path, opened: Listeners) -> None:
    passed = [(name, listening(folder / name)) for name in ("a", "b")]

    opened.open(config("fd:mail"), [("mail", one) for _, one in passed])

    assert opened.sockets == [one for _, one in passed]


def test_a_name_that_systemd_does_not_pass_is_told(opened: Listeners) -> None:
    with pytest.raises(ConfigError, match=r"fd:mail: systemd passes no socket") as told:
        opened.open(config("fd:mail"))

    assert type(told.value) is ConfigError, "a wrong name does not get better"


def test_a_socket_that_nobody_would_serve_is_told(
    folder: Path, opened: Listeners
) -> None:
    """Postfix would connect to it, and wait."""
    with (
        listening(folder / "other") as passed,
        pytest.raises(
            ConfigError, match=rf"not named here: fd:x \(unix:{folder}/other"
        ),
    ):
        opened.open(config(f"unix:{folder}/ours"), [("x", passed)])


def test_what_does_not_listen_is_not_served(opened: Listeners) -> None:
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as passed,
        pytest.raises(ConfigError, match="no ListenStream= socket"),
    ):
        opened.open(config("fd:x"), [("x", passed)])


def test_a_full_queue_does_not_keep_a_second_daemon_from_saying_so(
    folder: Path, opened: Listeners
) -> None:
    """A connection to it would wait for ever."""
    with socket.socket(socket.AF_UNIX) as busy, socket.socket(socket.AF_UNIX) as one:
        busy.bind(str(folder / "s"))
        busy.listen(0)
        one.connect(str(folder / "s"))
        with pytest.raises(UnavailableError, match="another process listens there"):
            opened.open(config(f"unix:{folder}/s"))


def test_an_ipv6_address_is_spoken_without_brackets(opened: Listeners) -> None:
    port = free_port()

    opened.open(config(f"inet6:{port}@[::1]"))

    assert spoken(opened.sockets[0]) == f"inet6:{port}@::1"
