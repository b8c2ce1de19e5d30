"""What Prometheus reads of a daemon, and who may not disturb it."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from stirmilter.demo.postfix import free_port
from stirmilter.testca import TestCA
from tests import mta
from tests.e2e.conftest import Daemon, Start
from tests.e2e.scraping import come_to, start_scraped, text, value
from tests.e2e.test_milter import BOB, SENDER, STRANGER, headers
from tests.e2e.watching import until, workers
from tests.metrics.promtool import needed, promtool

pytestmark = pytest.mark.e2e


def send(daemon: Daemon, count: int) -> None:
    for _ in range(count):
        with mta.session(daemon.socket) as session:
            session.message(SENDER, [BOB], headers(123), b"Hello\r\n")


def signed(port: int) -> float:
    return value(port, "stirmilter_messages_total", outcome="signed")


def judge(daemon: Daemon, count: int) -> None:
    """Have tokens of ours verified, each as often as it takes to be replayed once.

    One more goes before: of tokens that are older than itself, a store knows nothing.
    """
    for number in range(count + 1):
        with mta.session(daemon.socket) as ours:
            token = ours.message(SENDER, [BOB], headers(number), b"Hello\r\n")
        field = (b"PASSporT", b" " + token.value(b"PASSporT"))
        for extra in (b" 1", b" 2"):
            with mta.session(daemon.socket, STRANGER) as theirs:
                fields = [(b"X-Way", extra), field, *headers(number)]
                theirs.message(SENDER, [BOB], fields, b"Hello\r\n")


def scraper(daemon: Daemon) -> int:
    """Return the process that answers scrapes: it is started last."""
    return workers(daemon)[-1]


def test_counts_add_up_over_the_workers(start: Start) -> None:
    daemon, port = start_scraped(start)

    send(daemon, 40)

    assert signed(port) == 40
    assert value(port, "stirmilter_message_seconds_count", direction="out") == 40
    assert value(port, "stirmilter_workers") == 2
    assert value(port, "stirmilter_journal_lost_total") == 0
    assert value(port, "stirmilter_certificate_expiry_seconds", signer="spc") > 86_400
    files = (daemon.configuration.parent / "metrics").glob("*/counter_*.db")
    assert len(list(files)) > 1, "more than one process has counted"


def test_counts_do_not_go_back_when_workers_are_reloaded_or_killed(
    start: Start,
) -> None:
    daemon, port = start_scraped(start)
    before = set(workers(daemon))
    send(daemon, 10)

    daemon.process.send_signal(signal.SIGHUP)
    until(lambda: "reloaded" in daemon.logged(), "reloaded")
    until(lambda: not before & set(workers(daemon)), "the old ones have left")
    assert signed(port) == 10
    send(daemon, 10)
    for pid in set(workers(daemon)) - {scraper(daemon)}:
        os.kill(pid, signal.SIGKILL)
    until(lambda: daemon.logged().count(": replaced") == 2, "replaced")
    until(lambda: value(port, "stirmilter_workers") == 2, "two workers again")
    send(daemon, 10)

    assert signed(port) == 30
    assert value(port, "stirmilter_reloads_total", result="done") == 1


def test_a_scrape_that_has_begun_is_answered_though_there_is_a_reload(
    start: Start,
) -> None:
    daemon, port = start_scraped(start)
    before = scraper(daemon)
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.sendall(b"GET /metrics HTTP/1.1\r\n")
        assert signed(port) == 0  # it has been accepted: those before it come first

        daemon.process.send_signal(signal.SIGHUP)
        until(lambda: "reloaded" in daemon.logged(), "reloaded")
        until(lambda: scraper(daemon) != before, "there is another one")
        connection.sendall(b"Host: x\r\n\r\n")
        answer = b"".join(iter(lambda: connection.recv(65_536), b""))

    assert answer.startswith(b"HTTP/1.1 200")


def test_a_refused_reload_is_counted(start: Start) -> None:
    daemon, port = start_scraped(start)

    with daemon.configuration.open("a") as file:
        file.write("[nonsense]\n")
    daemon.process.send_signal(signal.SIGHUP)
    until(lambda: "reload refused" in daemon.logged(), "refused")

    until(
        lambda: value(port, "stirmilter_reloads_total", result="refused") == 1,
        "counted",
    )


def test_a_scraper_that_dies_is_replaced_and_costs_no_message(start: Start) -> None:
    daemon, port = start_scraped(start)
    send(daemon, 3)
    assert signed(port) == 3
    gone = scraper(daemon)

    os.kill(gone, signal.SIGKILL)
    send(daemon, 3)

    assert signed(port) == 6
    assert f"metrics: process {gone} ended: replaced" in daemon.logged()


def test_who_connects_and_says_nothing_holds_up_nobody(start: Start) -> None:
    daemon, port = start_scraped(start)
    silent = [socket.create_connection(("127.0.0.1", port)) for _ in range(7)]

    send(daemon, 1)

    assert signed(port) == 1
    for one in silent:
        one.close()


def test_beyond_the_connections_that_are_answered_the_next_one_waits(
    start: Start,
) -> None:
    _, port = start_scraped(start, "connections = 1\nrequest_seconds = 1.0\n")
    with socket.create_connection(("127.0.0.1", port), timeout=60) as silent:
        assert signed(port) == 0

        assert silent.recv(1) == b"", "it was closed before, since its time was over"


@pytest.mark.parametrize(
    ("request_line", "status"),
    [
        pytest.param(b"GET / HTTP/1.1", b"404", id="another-path"),
        pytest.param(b"GET /metrics/x HTTP/1.1", b"404", id="below"),
        pytest.param(b"POST /metrics HTTP/1.1", b"405", id="another-method"),
        pytest.param(b"GET /metrics?a=b HTTP/1.0", b"200", id="query"),
        pytest.param(b"GET /metrics HTTP/9", b"", id="another-version"),
        pytest.param(b"\x16\x03\x01", b"", id="tls"),
        pytest.param(b"GET /" + b"x" * 100_000, b"", id="endless"),
    ],
)
def test_what_is_no_scrape_gets_no_metrics(
    start: Start, request_line: bytes, status: bytes
) -> None:
    daemon, port = start_scraped(start)

    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        try:
            connection.sendall(request_line + b"\r\nHost: x\r\n\r\n")
            answer = b"".join(iter(lambda: connection.recv(65_536), b""))
        except ConnectionError:
            answer = b""

    assert answer[9:12] == status
    assert (b"stirmilter_" in answer) is (status == b"200")
    assert "ERROR" not in daemon.logged()


def test_the_port_is_free_again_for_a_daemon_that_was_killed(start: Start) -> None:
    """No worker that still drains may hold it."""
    daemon, port = start_scraped(start)

    with mta.session(daemon.socket) as session:
        session.begin(SENDER, [BOB])  # keeps a worker from leaving
        daemon.process.kill()
        daemon.process.wait()
        until(lambda: not answers(port), "the port is free")
        with socket.socket() as next_one:
            next_one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            next_one.bind(("127.0.0.1", port))


def test_the_counters_go_with_the_daemon(start: Start) -> None:
    daemon, port = start_scraped(start)
    assert answers(port)

    daemon.process.terminate()

    assert daemon.process.wait(30) == 0
    assert list((daemon.configuration.parent / "metrics").iterdir()) == []
    assert not answers(port)


@pytest.mark.parametrize(
    ("setting", "status", "problem"),
    [
        (
            'listen = "inet:{port}@127.0.0.1"',
            75,
            "metrics.listen: .*Address already in use",
        ),
        (
            'listen = "inet:{free}@127.0.0.1"\ncounters = "/proc/none/metrics"',
            75,
            "metrics.counters: /proc/none/metrics: No such file",
        ),
        (
            'listen = "unix:/run/metrics"',
            78,
            "metrics.listen: expected inet:port@address",
        ),
    ],
    ids=["port-taken", "no-folder", "unix"],
)
def test_what_cannot_be_scraped_is_named_at_the_start(
    tmp_path: Path, setting: str, status: int, problem: str
) -> None:
    configuration = tmp_path / "stirmilter.toml"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        configuration.write_text(
            f'[milter]\nsockets = ["unix:{tmp_path}/milter.sock"]\n[replay]\n'
            f'store = "memory:"\n[metrics]\n'
            + setting.format(port=port, free=free_port())
        )
        done = subprocess.run(
            [sys.executable, "-m", "stirmilter", "run", "--config", configuration],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    assert done.returncode == status
    assert re.search(problem, done.stderr)
    assert not (tmp_path / "milter.sock").exists()


def answers(port: int) -> bool:
    try:
        text(port)
    except urllib.error.URLError:
        return False
    except OSError:
        return False
    return True


def test_fetches_and_the_age_of_lists_are_told(
    start: Start, published: tuple[TestCA, str]
) -> None:
    ca, base = published
    _, indirect = ca.crl(datetime.now(UTC) - timedelta(hours=1))
    port = free_port()
    more = (
        f'[metrics]\nlisten = "inet:{port}@127.0.0.1"\ncounters = "metrics"\n'
        f'[revocation]\ncrls = ["{base}/{indirect.name}", "{base}/none.crl"]\n'
        f'crl_issuers = ["{ca.crl_issuers}"]\n'
    )
    daemon = start(more=more)
    until(lambda: value(port, "stirmilter_crl_age_seconds") > 0, "the list is there")
    assert 3_500 < value(port, "stirmilter_crl_age_seconds") < 3_900
    assert value(port, "stirmilter_crl_age_seconds", url=f"{base}/{indirect.name}")
    before = value(port, "stirmilter_fetches_total", outcome="fetched")

    with mta.session(daemon.socket) as ours:
        token = ours.message(SENDER, [BOB], headers(100), b"Hello\r\n")
    with mta.session(daemon.socket, STRANGER) as theirs:
        field = (b"PASSporT", b" " + token.value(b"PASSporT"))
        theirs.message(SENDER, [BOB], [field, *headers(100)], b"Hello\r\n")

    assert value(port, "stirmilter_fetches_total", outcome="fetched") == before + 1
    assert value(port, "stirmilter_fetches_total", outcome="failed") >= 1


def test_stages_caches_claims_and_queues_are_told(start: Start) -> None:
    daemon, port = start_scraped(start)

    judge(daemon, 10)

    # Workers are looked at now and then, also in the middle of a message.
    claims = "stirmilter_replay_claim_seconds_count"
    come_to(port, 22, claims)
    assert value(port, claims, outcome="granted") >= 10
    assert value(port, claims, outcome="replayed") >= 10
    stage = "stirmilter_stage_seconds_count"
    come_to(port, 22, stage, stage="stir")
    come_to(port, 22, stage, stage="policy")
    come_to(port, 11, stage, stage="sign")
    come_to(port, 33, stage, stage="queue")
    lookups = "stirmilter_cache_lookups_total"
    # A message that begins in haste, and finds a sibling at the file, begins once more.
    until(lambda: value(port, lookups, cache="paths") >= 22, "paths were looked up")
    misses = value(port, lookups, cache="paths", result="miss")
    assert 1 <= misses <= 2, "one for each worker"
    come_to(port, misses, "stirmilter_cache_entries", cache="chains")
    come_to(port, 0, "stirmilter_sessions")
    assert value(port, "stirmilter_signer_proven", signer="spc") == 1
    assert value(port, "stirmilter_credentials_unproven") == 0
    assert value(port, "stirmilter_build_info") == 1
    keys = "stirmilter_replay_keys"
    assert 0 < value(port, keys, store="sqlite") < 10_000
    assert value(port, f"{keys}_limit", store="sqlite") == 1_000_000
    until(lambda: value(port, "stirmilter_journal_octets") > 0, "evidence was kept")
    assert value(port, "stirmilter_journal_octets_limit") == 512 << 20
    oldest = "stirmilter_journal_oldest_seconds"
    until(lambda: 0 < value(port, oldest) < 600, "and its age")


def test_what_a_worker_counted_last_is_not_lost_when_it_leaves(start: Start) -> None:
    daemon, port = start_scraped(start)
    before = set(workers(daemon))
    judge(daemon, 2)

    daemon.process.send_signal(signal.SIGHUP)
    until(lambda: "reloaded" in daemon.logged(), "reloaded")
    until(lambda: not before & set(workers(daemon)), "the old ones have left")

    assert value(port, "stirmilter_replay_claim_seconds_count") == 6


def test_a_worker_that_dies_is_counted(start: Start) -> None:
    daemon, port = start_scraped(start)
    name = "stirmilter_workers_replaced_total"
    assert value(port, name, reason="ended") == 0

    os.kill(workers(daemon)[0], signal.SIGKILL)
    until(lambda: value(port, name, reason="ended") == 1, "counted")


@needed
def test_prometheus_finds_nothing_wrong_with_what_a_daemon_tells(start: Start) -> None:
    daemon, port = start_scraped(start)
    judge(daemon, 1)

    assert promtool("check", "metrics", given=text(port)) == ""


def test_every_line_of_a_daemon_may_be_an_object(start: Start) -> None:
    """From the first, and the number that a message is from is in none."""
    daemon = start(more='[log]\nformat = "json"\n')
    judge(daemon, 1)
    daemon.process.send_signal(signal.SIGHUP)
    until(lambda: "reloaded" in daemon.logged(), "reloaded")

    found = [json.loads(line) for line in daemon.logged().splitlines()]

    messages = [one for one in found if one["event"] == "message"]
    assert [one["direction"] for one in messages] == ["out", "in", "in"] * 2
    assert messages[0]["outcome"] == "signed"
    assert messages[4]["reason"] == "verified"
    assert {"finding", "notice"} <= {one["event"] for one in found}
    assert "12025550000" not in daemon.logged()
