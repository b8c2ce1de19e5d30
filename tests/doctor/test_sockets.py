"""Our socket, as the user postfix finds it from inside and outside of a chroot."""

import os
import shutil
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from stirmilter.adapters.native.codec import ACTIONS
from stirmilter.config import parse
from stirmilter.demo import daemons
from stirmilter.doctor.handshake import LEADING_SPACE, Offer
from stirmilter.doctor.library import library
from stirmilter.doctor.sockets import sockets
from stirmilter.findings import Finding
from tests.doctor.conftest import MAIN, MASTER, Relay

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("postconf") is None,
    reason="needs root, and Postfix",
)

DAEMON = """\
[milter]
sockets = ["unix:{path}"]
authserv_id = "mx.example"
workers = 1
[checks]
methods = []
[fetch]
store = "memory:"
[replay]
store = "memory:"
[journal]
path = ""
"""


@pytest.fixture
def relay() -> Iterator[Relay]:
    """A relay that the user postfix can reach, and paths short enough for sockets."""
    with daemons.short_folder() as name:
        folder, queue = Path(name) / "postfix", Path(name) / "queue"
        for one in (folder, queue, queue / "stirmilter"):
            one.mkdir()
        shutil.chown(queue / "stirmilter", group="postfix")
        (queue / "stirmilter").chmod(0o750)
        (folder / "main.cf").write_text(MAIN.format(queue=queue))
        (folder / "master.cf").write_text(MASTER)
        yield Relay(folder, queue)


def path_of(relay: Relay) -> Path:
    return relay.queue / "stirmilter" / "milter.sock"


def looked(relay: Relay, user: str = "postfix") -> list[Finding]:
    seconds = 5.0
    return list(sockets(relay.read(), relay.configuration({}), user, seconds))


def listening(relay: Relay, mode: int = 0o660) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path_of(relay)))
    listener.listen()
    shutil.chown(path_of(relay), group="postfix")
    path_of(relay).chmod(mode)
    return listener


def answering(listener: socket.socket, answer: bytes) -> None:
    """Say this to the first who connects, and then nothing."""

    def serve() -> None:
        connection, _ = listener.accept()
        with closing(connection), suppress(OSError):
            connection.recv(100)
            connection.sendall(answer)
            connection.recv(100)

    threading.Thread(target=serve, daemon=True).start()


@pytest.mark.e2e
def test_a_daemon_that_runs_answers_postfix_in_and_out_of_its_chroot(
    relay: Relay,
) -> None:
    configuration = relay.folder / "stirmilter.toml"
    configuration.write_text(DAEMON.format(path=path_of(relay)))
    outer = f"127.0.0.1:10025/inet/smtpd_milters=unix:{path_of(relay)}"
    relay.change("-P", outer)
    # Such a path leads there in the chroot alone.
    relay.change("-e", "smtpd_milters=unix:/stirmilter/milter.sock")

    with daemons.stirmilter(configuration, relay.folder / "log"):
        found = looked(relay)

    assert [one.level for one in found] == ["ok", "ok"]
    assert "smtp/inet" in found[0].subject
    assert "127.0.0.1:10025/inet" in found[1].subject


def test_a_daemon_that_is_down_is_to_be_started(relay: Relay) -> None:
    [found] = looked(relay)

    assert (found.level, found.remedy) == ("error", "systemctl start stirmilter")
    assert "No such file" in found.text


def test_a_socket_that_a_killed_daemon_left_is_no_daemon(relay: Relay) -> None:
    listening(relay).close()

    [found] = looked(relay)

    assert (found.level, found.remedy) == ("error", "systemctl start stirmilter")
    assert "refused" in found.text


def test_a_folder_that_was_never_made_is_named(relay: Relay) -> None:
    path_of(relay).parent.rmdir()

    [found] = looked(relay)

    assert found.remedy == "systemd-tmpfiles --create stirmilter.conf"
    assert str(path_of(relay).parent) in found.text


def test_a_folder_that_is_closed_to_postfix_is_named_and_opened(relay: Relay) -> None:
    closed = path_of(relay).parent
    shutil.chown(closed, group="root")
    closed.chmod(0o700)
    with listening(relay):
        [before] = looked(relay)
        relay.obey(before.remedy)
        answer = struct.pack("!IcIII", 13, b"O", 6, ACTIONS, LEADING_SPACE)
        with closing(socket.socket(socket.AF_UNIX)) as listener:
            path_of(relay).unlink()
            listener.bind(str(path_of(relay)))
            listener.listen()
            shutil.chown(path_of(relay), group="postfix")
            path_of(relay).chmod(0o660)
            answering(listener, answer)
            [after] = looked(relay)

    assert (before.level, after.level) == ("error", "ok")
    assert f"{closed} is closed to postfix" in before.text


def test_a_socket_that_is_closed_to_postfix_names_our_settings(relay: Relay) -> None:
    with listening(relay, 0o600):
        [found] = looked(relay)

    assert found.level == "error"
    assert "Permission denied" in found.text
    assert found.remedy.startswith('milter.socket_group = "postfix"')


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        pytest.param(b"220 mx.example ESMTP\r\n", "no milter answers", id="smtp"),
        pytest.param(b"\0\0\0\x01c", "no milter answers", id="short"),
        pytest.param(
            struct.pack("!IcIII", 13, b"c", 6, 0, 0), "no milter answers", id="word"
        ),
        pytest.param(
            struct.pack("!IcIII", 13, b"O", 6, 0x1FF, LEADING_SPACE),
            "another milter",
            id="other",
        ),
        pytest.param(
            struct.pack("!IcIII", 13, b"O", 2, ACTIONS, LEADING_SPACE),
            "version 2",
            id="old",
        ),
        pytest.param(
            struct.pack("!IcIII", 13, b"O", 6, ACTIONS, 0), "leading space", id="bare"
        ),
    ],
)
def test_whoever_else_listens_there_is_not_taken_for_us(
    relay: Relay, answer: bytes, text: str
) -> None:
    with listening(relay) as listener:
        answering(listener, answer)
        [found] = looked(relay)

    assert found.level == "error"
    assert text in found.text


def test_whoever_says_nothing_is_not_waited_for(relay: Relay) -> None:
    with listening(relay):
        [found] = sockets(relay.read(), relay.configuration({}), "postfix", 0.2)

    assert (found.level, found.text) == ("error", "timed out")


def test_whoever_says_a_little_at_a_time_is_not_waited_for(relay: Relay) -> None:
    with listening(relay) as listener:

        def drip() -> None:
            connection, _ = listener.accept()
            with closing(connection), suppress(OSError):
                for octet in struct.pack("!Ic", 60_000, b"O") + bytes(60_000):
                    connection.sendall(bytes([octet]))
                    time.sleep(0.05)

        threading.Thread(target=drip, daemon=True).start()
        [found] = sockets(relay.read(), relay.configuration({}), "postfix", 0.5)

    assert (found.level, found.text) == ("error", "timed out")


def test_a_user_that_there_is_not_is_named(relay: Relay) -> None:
    [found] = looked(relay, "nobody-of-this-name")

    assert found.text == "no such user: nobody-of-this-name"


def test_a_tcp_socket_is_tried_as_well(relay: Relay) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        port = listener.getsockname()[1]
        answer = struct.pack("!IcIII", 13, b"O", 6, ACTIONS, LEADING_SPACE)
        answering(listener, answer)
        relay.change("-e", f"smtpd_milters=inet:127.0.0.1:{port}")
        relay.change("-e", "non_smtpd_milters=")
        table = {"milter": {"sockets": [f"inet:{port}@127.0.0.1"]}}
        config = relay.configuration(table)
        [found] = sockets(relay.read(), config, "postfix", 5.0)

    assert found.level == "ok"


def test_an_offer_of_ours_has_no_problem() -> None:
    assert Offer(6, ACTIONS, LEADING_SPACE).problem() == ""


def test_libmilter_is_tried_and_not_only_named() -> None:
    table = {"milter": {"transport": "libmilter"}}
    [found] = library(parse(table, Path("stirmilter.toml")))

    assert found.level == "ok"
    assert "libmilter" in found.text
    assert "fd:" in found.text


def test_of_libmilter_nothing_is_asked_where_it_is_not_used() -> None:
    """Whatever it can, the daemon does not load it."""
    [found] = library(parse({"milter": {"transport": "native"}}, Path("s.toml")))

    assert (found.level, found.text) == ("ok", "not used: milter.transport is native")
