"""Replays at the milter socket, over stores that fail in the middle of the traffic."""

import os
import re
import signal
import sqlite3
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests import mta
from tests.e2e.conftest import OVER_BOTH, Daemon, Start
from tests.e2e.test_milter import SENDER, STRANGER, headers, recipient
from tests.e2e.watching import until, workers
from tests.redis_server import RedisServerProcess

pytestmark = pytest.mark.e2e

THIEF = "192.0.2.66"
BODY = b"Hello\r\n"
MakeServer = Callable[..., RedisServerProcess]


PATIENT = "seconds = 10.0\nrest_seconds = 0.2"
"""A server that is alive may be as slow as this machine."""


def at(server: RedisServerProcess, more: str = PATIENT) -> str:
    return f'store = "{server.url}"\n{more}'


def met(server: RedisServerProcess) -> None:
    """Wait until somebody has told a new server since when it knows of uses.

    A worker does, some time after its start; what was signed before is unknown.
    """
    with closing(server.client()) as client:
        until(lambda: bool(client.exists("stirmilter:replay:since")), "it is met")


@dataclass
class Mail:
    """Signed messages, each with its fields and its recipients."""

    fields: list[list[tuple[bytes, bytes]]] = field(default_factory=list)

    def sign(self, daemon: Daemon, numbers: range) -> None:
        """Have the daemon sign more."""
        with mta.session(daemon.socket) as ours:
            for number in numbers:
                lines = headers(number)
                answer = ours.message(SENDER, [recipient(number)], lines, BODY)
                token = (b"PASSporT", b" " + answer.value(b"PASSporT"))
                self.fields.append([token, *lines])

    def deliver(self, session: mta.MTA, number: int) -> str:
        """Deliver one, and return the reason of the result."""
        answer = session.message(SENDER, [recipient(number)], self.fields[number], BODY)
        assert answer.verdict == b"c", "nothing is refused by default"
        found = re.search(rb"reason=(\S+)", answer.value(b"Authentication-Results"))
        assert found
        return found[1].decode()


@pytest.mark.conformance("V-09", "V-10")
@pytest.mark.parametrize("durable", [True, False], ids=["durable", "forgetful"])
def test_redis_dies_and_comes_back_among_a_thousand_messages(
    start: Start, own_redis: MakeServer, durable: bool
) -> None:
    """No replay is accepted, and no message is lost: what is unknown comes again."""
    server = own_redis(durable=durable)
    daemon = start(replay=at(server))
    met(server)
    mail = Mail()
    mail.sign(daemon, range(1000))
    time.sleep(1.1)  # what was signed is older than the server's next run
    first: Counter[str] = Counter()
    stolen: Counter[str] = Counter()
    unknown = []
    with (
        mta.session(daemon.socket, STRANGER) as theirs,
        mta.session(daemon.socket, THIEF) as thief,
    ):
        for number in range(1000):
            if number == 300:
                server.kill()
            if number == 500:
                server.start()
                time.sleep(0.3)
            reason = mail.deliver(theirs, number)
            first[reason] += 1
            if reason == "replay-unknown":
                unknown.append(number)
            # What came through, and what came before the crash, is tried once more.
            stolen[mail.deliver(thief, number if reason == "verified" else 7)] += 1
        again = Counter(mail.deliver(theirs, number) for number in unknown)
        last = Counter(mail.deliver(thief, number) for number in range(1000))

    assert set(first) == {"verified", "replay-unknown"}
    assert first.total() == 1000
    assert first["verified"] >= 300
    assert stolen["verified"] == last["verified"] == 0
    if durable:
        assert first["replay-unknown"] == 200, "only while it was dead"
        assert again == {"verified": 200}
        assert last == {"replayed": 1000}
    else:
        assert set(again) == {"replay-unknown"}
        assert set(last) <= {"replayed", "replay-unknown"}


@pytest.mark.conformance("V-09")
def test_two_relays_share_one_server(start: Start, own_redis: MakeServer) -> None:
    server = own_redis()
    one, other = start(replay=at(server)), start(replay=at(server))
    met(server)
    mail = Mail()
    mail.sign(one, range(3))

    with mta.session(one.socket, STRANGER) as session:
        assert [mail.deliver(session, n) for n in range(3)] == ["verified"] * 3
    with mta.session(other.socket, THIEF) as session:
        assert [mail.deliver(session, n) for n in range(3)] == ["replayed"] * 3


@pytest.mark.conformance("V-10")
def test_a_retry_after_a_lost_reply_is_no_replay(start: Start) -> None:
    """A client that lost our 250 comes again, perhaps to another worker."""
    daemon = start()
    mail = Mail()
    mail.sign(daemon, range(1))

    for _ in range(10):
        with mta.session(daemon.socket, STRANGER) as again:
            assert mail.deliver(again, 0) == "verified"
    for _ in range(10):
        with mta.session(daemon.socket, THIEF) as thief:
            assert mail.deliver(thief, 0) == "replayed"


PEERS = """\
[[peer]]
name = "full"
networks = ["192.0.2.7"]
[[rule]]
name = "full"
peer = ["full"]
action = "tempfail"
code = "451"
"""


@OVER_BOTH
@pytest.mark.conformance("V-22")
def test_what_a_rule_answers_451_comes_again_from_another_address(
    start: Start, transport: str
) -> None:
    """A pool of outgoing addresses does so; and then it is used up."""
    daemon = start(milter=f'transport = "{transport}"', more=PEERS)
    mail = Mail()
    mail.sign(daemon, range(1))
    lines = mail.fields[0]

    with mta.session(daemon.socket, STRANGER) as full:
        for _ in range(4):  # perhaps by both workers
            answer = full.message(SENDER, [recipient(0)], lines, BODY)
            assert (answer.verdict, answer.reply[:3]) == (b"y", b"451")
    with mta.session(daemon.socket, "192.0.2.8") as other:
        assert mail.deliver(other, 0) == "verified"
    with mta.session(daemon.socket, THIEF) as thief:
        assert mail.deliver(thief, 0) == "replayed"
    with mta.session(daemon.socket, STRANGER) as full:
        full.message(SENDER, [recipient(0)], lines, BODY)
    told = [line for line in daemon.logged().splitlines() if "rule=full" in line]
    assert ["reason=verified" in line for line in told] == [True] * 4 + [False]
    assert "reason=replayed" in told[-1]


def test_a_server_that_hangs_costs_a_message_its_seconds_and_no_more(
    start: Start, own_redis: MakeServer
) -> None:
    server = own_redis()
    daemon = start(replay=at(server, "seconds = 0.3\nrest_seconds = 600.0"))
    mail = Mail()
    mail.sign(daemon, range(30))
    server.hang()
    try:
        with mta.session(daemon.socket, STRANGER) as session:
            reasons = [mail.deliver(session, number) for number in range(30)]
    finally:
        server.go_on()

    assert reasons == ["replay-unknown"] * 30
    log = daemon.logged()
    asked = [line for line in log.splitlines() if "Timeout" in line]
    assert sum("not asked again yet" not in line for line in asked) <= 2, "per worker"


def test_where_the_operator_says_so_mail_passes_without_a_store(
    start: Start, own_redis: MakeServer
) -> None:
    server = own_redis()
    daemon = start(replay=at(server, 'on_failure = "pass"'))
    mail = Mail()
    mail.sign(daemon, range(2))
    server.kill()

    with mta.session(daemon.socket, STRANGER) as session:
        assert [mail.deliver(session, n) for n in range(2)] == ["verified"] * 2

    assert "not looked for a replay: replay store: unix://" in daemon.logged()


@pytest.mark.conformance("V-09")
def test_a_file_that_is_spoilt_under_a_running_daemon_is_rebuilt(start: Start) -> None:
    daemon = start(verify="skew = 0.0")
    mail = Mail()
    mail.sign(daemon, range(12))
    file = Path(daemon.configuration.with_name("replay.sqlite"))
    with mta.session(daemon.socket, STRANGER) as session:
        assert mail.deliver(session, 0) == "verified"
    for suffix in ("-wal", "-shm"):
        file.with_name(file.name + suffix).unlink(missing_ok=True)
    file.write_bytes(b"not a database " * 5000)

    # A connection that is open may go on in what it has read; a new one cannot.
    verified = Counter[int]()
    for client in (STRANGER, THIEF):

        def deliver(number: int, client: str = client) -> str:
            with mta.session(daemon.socket, client) as session:
                return mail.deliver(session, number)

        with ThreadPoolExecutor(12) as lanes:
            reasons = list(lanes.map(deliver, range(12)))
        assert set(reasons) <= {"verified", "replayed", "replay-unknown"}
        verified.update(n for n in range(12) if reasons[n] == "verified")

    assert max(verified.values(), default=0) <= 1
    until(lambda: "replay store: the file is broken" in daemon.logged(), "it is said")
    assert list(file.parent.glob("replay.sqlite.broken-*"))
    time.sleep(2.1)  # of what is signed from then on, everything is known
    mail.sign(daemon, range(12, 13))
    with mta.session(daemon.socket, STRANGER) as session:
        assert mail.deliver(session, 12) == "verified"
    with mta.session(daemon.socket, THIEF) as session:
        assert mail.deliver(session, 12) == "replayed"


@pytest.mark.conformance("V-09")
def test_a_worker_that_was_killed_takes_its_memory_along(start: Start) -> None:
    """The one that takes its place does not know what was used."""
    daemon = start(milter="workers = 1", replay='store = "memory:"')
    time.sleep(10.5)  # after the start, in which a new store knows of nobody
    mail = Mail()
    mail.sign(daemon, range(1))
    with mta.session(daemon.socket, STRANGER) as session:
        assert mail.deliver(session, 0) == "verified"
    [worker] = workers(daemon)
    os.kill(worker, signal.SIGKILL)
    until(lambda: workers(daemon) not in ([], [worker]), "it is replaced")

    with mta.session(daemon.socket, THIEF) as session:
        assert mail.deliver(session, 0) == "replay-unknown"


@pytest.mark.conformance("V-10")
def test_who_waits_for_the_file_holds_up_nobody_who_does_not(start: Start) -> None:
    """One thread reads for all; it must not wait itself for who else is writing."""
    daemon = start(
        milter='transport = "native"\nworkers = 1',
        replay='store = "sqlite:replay.sqlite"\nseconds = 60.0',
    )
    file = daemon.configuration.with_name("replay.sqlite")
    mail = Mail()
    mail.sign(daemon, range(4))
    with (
        mta.session(daemon.socket, STRANGER) as theirs,
        mta.session(daemon.socket) as ours,
        closing(sqlite3.connect(file, isolation_level=None)) as other,
        ThreadPoolExecutor() as lanes,
    ):
        # Until nothing but the file would have to be waited for.
        assert [mail.deliver(theirs, number) for number in range(3)] == ["verified"] * 3
        other.execute("BEGIN IMMEDIATE")
        waiting = lanes.submit(mail.deliver, theirs, 3)
        until = time.monotonic() + 1.0
        signed = 0
        while time.monotonic() < until or signed < 20:
            answer = ours.message(SENDER, [recipient(1)], headers(1), BODY)
            assert answer.value(b"PASSporT")
            signed += 1
        assert not waiting.done()
        other.execute("ROLLBACK")
        assert waiting.result() == "verified"

    with mta.session(daemon.socket, THIEF) as thief:
        assert mail.deliver(thief, 3) == "replayed"
