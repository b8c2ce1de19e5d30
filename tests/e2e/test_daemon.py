"""The daemon's life: sockets, signals, workers that die, files that turn bad."""

import grp
import os
import re
import signal
import stat
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from stirmilter.stir import credential, jws
from stirmilter.stir.tnauthlist import TNAuthList
from stirmilter.testca import TestCA
from tests import mta
from tests.e2e.conftest import OVER_BOTH, Daemon, Start
from tests.e2e.test_milter import BOB, SENDER, headers, token_of
from tests.e2e.watching import alive, until, workers

pytestmark = pytest.mark.e2e


def sign(daemon: Daemon) -> list[bytes]:
    """Have one message signed; return the names of the fields that came of it."""
    with mta.session(daemon.socket) as session:
        answer = session.message(SENDER, [BOB], headers(123), b"Hello\r\n")
    return [name for _, name, _ in answer.inserted]


def run(configuration: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "stirmilter", "run", "--config", configuration],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_socket_gets_the_mode_and_group_that_postfix_needs(start: Start) -> None:
    daemon = start(milter='socket_mode = "0620"\nsocket_group = "postfix"\n')

    found = Path(daemon.socket).stat()

    assert stat.S_IMODE(found.st_mode) == 0o620
    assert found.st_gid == grp.getgrnam("postfix").gr_gid


def test_an_unknown_group_is_named_and_leaves_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / "milter.sock"
    configuration = tmp_path / "stirmilter.toml"
    configuration.write_text(
        f'[milter]\nsockets = ["unix:{path}"]\nsocket_group = "nosuchgroup"\n'
        '[replay]\nstore = "memory:"\n'
    )

    done = run(configuration)

    assert done.returncode == 78
    assert "milter.socket_group: no such group: nosuchgroup" in done.stderr
    assert not path.exists()


@OVER_BOTH
def test_a_message_in_flight_at_sigterm_is_finished(
    start: Start, transport: str
) -> None:
    daemon = start(milter=f'transport = "{transport}"')

    with mta.session(daemon.socket) as session:
        session.begin(SENDER, [BOB])
        session.headers(headers(123))
        daemon.process.terminate()
        until(lambda: not Path(daemon.socket).exists(), "the socket is gone")
        session.body(b"Hello\r\n")
        answer = session.end()

    assert [name for _, name, _ in answer.inserted] == [b"PASSporT"]
    assert daemon.process.wait(30) == 0
    assert daemon.logged().endswith("stopped\n")


@OVER_BOTH
def test_a_session_that_stays_is_cut_when_the_time_is_up(
    start: Start, transport: str
) -> None:
    daemon = start(milter=f'drain_seconds = 0.5\ntransport = "{transport}"')

    def stay() -> None:
        with mta.session(daemon.socket) as session:
            session.begin(SENDER, [BOB])
            daemon.process.terminate()
            daemon.process.wait(30)
            session.end()

    with pytest.raises(OSError, match=r"closed|reset|Broken"):
        stay()

    assert daemon.process.returncode == 0

    assert "1 sessions cut short" in daemon.logged()


@OVER_BOTH
def test_only_the_transport_that_is_used_is_loaded(
    start: Start, transport: str
) -> None:
    daemon = start(milter=f'transport = "{transport}"')
    assert sign(daemon) == [b"PASSporT"]

    loaded = {
        pid
        for pid in (daemon.process.pid, *workers(daemon))
        if "libmilter" in Path(f"/proc/{pid}/maps").read_text()
    }
    assert bool(loaded) == (transport == "libmilter")
    assert daemon.process.pid not in loaded


def test_a_killed_worker_is_replaced(start: Start) -> None:
    daemon = start()
    before = workers(daemon)
    assert len(before) == 2

    os.kill(before[0], signal.SIGKILL)

    until(lambda: set(workers(daemon)) - set(before) != set(), "a new worker")
    assert f"worker {before[0]} ended with status -9: replaced" in daemon.logged()
    assert sign(daemon) == [b"PASSporT"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_stray_signal_costs_a_worker_nothing(
    start: Start, number: signal.Signals
) -> None:
    """libmilter itself would drop the message in flight, and stop for good."""
    daemon = start()

    with mta.session(daemon.socket) as session:
        session.begin(SENDER, [BOB])
        for pid in workers(daemon):
            os.kill(pid, number)
        time.sleep(0.3)
        session.headers(headers(123))
        session.body(b"Hello\r\n")
        answer = session.end()

    assert [name for _, name, _ in answer.inserted] == [b"PASSporT"]
    assert sign(daemon) == [b"PASSporT"]


def test_workers_leave_when_their_supervisor_is_killed(start: Start) -> None:
    daemon = start()
    orphans = workers(daemon)

    daemon.process.kill()

    until(lambda: not any(map(alive, orphans)), "the workers have left")


def test_reload_serves_new_settings_and_finishes_old_messages(start: Start) -> None:
    daemon = start()
    before = workers(daemon)

    with mta.session(daemon.socket) as session:
        session.begin(SENDER, [BOB])
        text = daemon.configuration.read_text()
        daemon.configuration.write_text(
            text.replace("[sign]", '[sign]\nheader = "Identity"')
        )
        daemon.process.send_signal(signal.SIGHUP)
        until(lambda: "reloaded" in daemon.logged(), "reloaded")
        until(
            lambda: all(sign(daemon) == [b"Identity"] for _ in range(20)),
            "a draining worker accepts no more",
        )
        session.headers(headers(123))
        old = session.end()

    assert [name for _, name, _ in old.inserted] == [b"PASSporT"]
    until(lambda: not set(before) & set(workers(daemon)), "the old workers have left")


@pytest.mark.conformance("A-20")
def test_reload_takes_a_new_key_without_a_restart(
    start: Start, published: tuple[TestCA, str]
) -> None:
    ca, _ = published
    daemon = start()
    before = workers(daemon)
    ca.signer("renewed", TNAuthList.build(spcs=["1234"]), datetime.now(UTC))

    text = daemon.configuration.read_text()
    daemon.configuration.write_text(re.sub(r"\bspc\.(key|pem)", r"renewed.\1", text))
    daemon.process.send_signal(signal.SIGHUP)
    until(lambda: "new credentials" in daemon.logged(), "the new one is proven")
    until(lambda: not set(before) & set(workers(daemon)), "the old workers have left")
    until(lambda: len(workers(daemon)) == len(before), "only the newest workers")
    with mta.session(daemon.socket) as session:
        answer = session.message(SENDER, [BOB], headers(123), b"Hello\r\n")

    token = token_of(answer.value(b"PASSporT"))
    [leaf, *_] = credential.load_chain(ca.files("renewed").chain.read_bytes())
    assert token.x5u.endswith("/renewed.pem")
    jws.verify(token.signing_input, token.signature, credential.read(leaf).public_key)
    assert daemon.process.poll() is None


@pytest.mark.conformance("A-13")
def test_a_certificate_that_is_not_valid_is_told_at_the_start(
    start: Start, published: tuple[TestCA, str]
) -> None:
    ca, base = published
    now = datetime.now(UTC)
    made = ca.signer("old", TNAuthList.build(spcs=["1"]), now, valid=timedelta(days=-1))

    daemon = start(
        more=f'[[signer]]\nname = "old"\nkey = "{made.key}"\nchain = "{made.chain}"\n'
        f'x5u = "{base}/old.pem"\nnumbers = ["+44*"]'
    )

    assert "ERROR signer old: not valid now: CN=SHAKEN old" in daemon.logged()


def test_a_bad_file_changes_nothing_and_says_why(start: Start) -> None:
    daemon = start()
    before = workers(daemon)

    with daemon.configuration.open("a") as file:
        file.write("[verify.freshnes]\n")
    daemon.process.send_signal(signal.SIGHUP)
    until(lambda: "reload refused" in daemon.logged(), "refused")

    assert (
        "verify.freshnes: no such setting; did you mean freshness?" in daemon.logged()
    )
    assert workers(daemon) == before
    assert sign(daemon) == [b"PASSporT"]


def test_a_bad_trust_store_at_reload_changes_nothing(start: Start) -> None:
    daemon = start()
    before = workers(daemon)
    text = daemon.configuration.read_text()
    bad = daemon.configuration.with_name("bad.pem")
    bad.write_text("no certificate")

    daemon.configuration.write_text(re.sub(r'tls_ca = ".*"', f'tls_ca = "{bad}"', text))
    daemon.process.send_signal(signal.SIGHUP)
    until(lambda: "reload refused" in daemon.logged(), "refused")

    assert "fetch.tls_ca" in daemon.logged()
    assert workers(daemon) == before
    assert sign(daemon) == [b"PASSporT"]


def test_an_unknown_group_at_reload_changes_nothing(start: Start) -> None:
    """The next restart would not come up."""
    daemon = start()
    text = daemon.configuration.read_text()

    daemon.configuration.write_text(
        text.replace("[milter]", '[milter]\nsocket_group = "nosuchgroup"')
    )
    daemon.process.send_signal(signal.SIGHUP)
    until(lambda: "reload refused" in daemon.logged(), "refused")

    assert "milter.socket_group: no such group: nosuchgroup" in daemon.logged()
    assert sign(daemon) == [b"PASSporT"]
