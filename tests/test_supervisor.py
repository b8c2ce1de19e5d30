"""What the supervisor does when the system refuses it something."""

import errno
import os
import socket
from pathlib import Path

import pytest

from stirmilter import log
from stirmilter.config import Config, parse
from stirmilter.runtime import Runtime, build
from stirmilter.supervisor import Supervisor
from stirmilter.testca import TestCA
from stirmilter.workers import Worker, Workers

DESCRIPTORS = Path("/proc/self/fd")


def never() -> Runtime:
    raise AssertionError("nothing is to be loaded")


def test_a_fork_that_fails_is_remembered_and_leaks_no_descriptor(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The workers that there are go on; the next tick tries again."""

    def refuse() -> int:
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    monkeypatch.setattr(os, "fork", refuse)
    monkeypatch.setattr(log.logger, "handlers", [])
    monkeypatch.setattr(log.logger, "propagate", False)
    log.configure("info")
    with socket.socket() as listener:
        before = len(list(DESCRIPTORS.iterdir()))
        tried = Supervisor(never)

        tried.workers.fork(None, listener)  # type: ignore[arg-type] # no child will use it

        assert [one for one, _ in tried.workers.missing] == [listener]
        assert tried.workers.serving == {}
        assert len(list(DESCRIPTORS.iterdir())) == before
    assert "no new worker now, trying again" in capsys.readouterr().err


def test_a_reload_that_can_start_nothing_keeps_the_old_workers(
    monkeypatch: pytest.MonkeyPatch, ca: TestCA
) -> None:
    def refuse() -> int:
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    table = {
        "milter": {"sockets": ["inet:8891@127.0.0.1"]},
        "verify": {"anchors": [str(ca.anchors)]},
        "replay": {"store": "memory:"},
    }
    runtime = build(parse(table, Path("stirmilter.toml")))
    monkeypatch.setattr(os, "fork", refuse)
    with socket.socket() as listener:
        tried = Supervisor(lambda: build(runtime.config))
        tried.listeners.sockets.append(listener)
        old = Worker(listener, listener, born=0.0, heard=0.0)
        tried.workers.serving[4711] = old

        assert tried._reload(runtime) is runtime

        assert tried.workers.serving == {4711: old}
        assert tried.workers.missing == []


@pytest.mark.parametrize(
    ("section", "change", "told"),
    [
        ("milter", {"socket_mode": "0600"}, "milter.socket_mode"),
        ("milter", {"socket_owner": "nobody"}, "milter.socket_owner"),
        ("milter", {"socket_group": "mail"}, "milter.socket_group"),
        ("milter", {"backlog": 8}, "milter.backlog"),
        ("milter", {"sockets": ["inet:8892@127.0.0.1"]}, "milter.sockets"),
        ("metrics", {"series": 5}, "[metrics]"),
        ("milter", {"threads": 3}, ""),
    ],
)
def test_a_reload_names_what_needs_a_restart_until_there_is_one(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    section: str,
    change: dict[str, object],
    told: str,
) -> None:
    def config(more: dict[str, object]) -> Config:
        table: dict[str, dict[str, object]] = {
            "milter": {"sockets": ["inet:8891@127.0.0.1"]},
            "replay": {"store": "memory:"},
        }
        table[section] = table.get(section, {}) | more
        return parse(table, Path("stirmilter.toml"))

    monkeypatch.setattr(log.logger, "handlers", [])
    monkeypatch.setattr(log.logger, "propagate", False)
    monkeypatch.setattr(Workers, "switch", lambda *_: True)
    log.configure("info")
    tried = Supervisor(lambda: build(config(change)))
    tried._opened = config({})

    tried._reloaded(tried._reloaded(build(config({}))))

    said = capsys.readouterr().err.splitlines()
    warned = [line for line in said if "WARNING" in line]
    assert warned == 2 * [f"WARNING {told} changed: that needs a restart"][: bool(told)]


def test_a_bug_of_ours_in_what_looks_after_keys_stops_no_mail(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(log.logger, "handlers", [])
    monkeypatch.setattr(log.logger, "propagate", False)
    log.configure("info")
    tried = Supervisor(never)

    tried._tick()  # nothing was adopted: an AssertionError

    assert "ERROR credentials are not looked after" in capsys.readouterr().err
