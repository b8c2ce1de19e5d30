"""What a daemon has judged and signed is in the journal, however it ends."""

import os
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from stirmilter.errors import StoreError
from stirmilter.stores.journalreader import JournalReader
from tests import mta
from tests.e2e.conftest import Daemon, Start
from tests.e2e.test_milter import BOB, SENDER, STRANGER, headers
from tests.e2e.watching import until, workers

pytestmark = pytest.mark.e2e


def journal(daemon: Daemon) -> Path:
    return daemon.configuration.with_name("journal.sqlite")


def kept(daemon: Daemon) -> int:
    try:
        with JournalReader(journal(daemon)) as reader:
            return reader.stats().messages
    except StoreError:  # the file is not there yet, or without its tables
        return 0


def change(daemon: Daemon, old: str, new: str) -> None:
    text = daemon.configuration.read_text()
    assert old in text
    daemon.configuration.write_text(text.replace(old, new))
    before = set(workers(daemon))
    daemon.process.send_signal(signal.SIGHUP)
    until(lambda: "reloaded" in daemon.logged(), "reloaded")
    until(lambda: before.isdisjoint(workers(daemon)), "the old workers are gone")


def send(daemon: Daemon, *numbers: int) -> None:
    with mta.session(daemon.socket) as session:
        for number in numbers:
            session.message(
                SENDER,
                [BOB],
                headers(number),
                b"Hello\r\n",
                queue_id=b"Q%d" % number,
            )


@pytest.mark.conformance("V-17")
def test_a_signed_message_that_comes_back_is_found_with_both_halves(
    start: Start,
) -> None:
    daemon = start()
    with mta.session(daemon.socket) as ours:
        token = ours.message(
            SENDER, [BOB], headers(100), b"Hello\r\n", queue_id=b"OUT"
        ).value(b"PASSporT")
    with mta.session(daemon.socket, STRANGER) as theirs:
        fields = [(b"PASSporT", b" " + token), *headers(100)]
        theirs.message(SENDER, [recipient()], fields, b"Hello\r\n", queue_id=b"IN")
    until(lambda: kept(daemon) == 2, "both are written")

    with JournalReader(journal(daemon)) as reader:
        found = {event.queue_id: event for event in reader.find("100@one.example")}

    assert {name: event.outcome for name, event in found.items()} == {
        "IN": "number-authenticated",
        "OUT": "signed",
    }
    assert {
        name: [stage for stage, _ in one.stages] for name, one in found.items()
    } == {
        "IN": ["prefetch", "queue", "methods", "stir", "policy"],
        "OUT": ["queue", "sign"],
    }
    [made], [judged] = (
        event.evidence.tokens for event in (found["OUT"], found["IN"]) if event.evidence
    )
    assert made.fingerprint == judged.fingerprint
    assert made.path == judged.path[:-1]
    assert judged.path[-1].der


def test_nothing_is_lost_when_the_daemon_stops(start: Start) -> None:
    daemon = start()
    # The first time is somewhere within that; and no worker ever has a full batch.
    change(
        daemon,
        'path = "journal.sqlite"',
        'path = "journal.sqlite"\nflush_seconds = 1e7',
    )

    for lane in range(8):
        send(daemon, *range(lane * 20, lane * 20 + 20))
    before = kept(daemon)
    daemon.process.terminate()

    assert daemon.process.wait(30) == 0
    assert before == 0
    assert kept(daemon) == 160
    assert "is lost" not in daemon.logged()


def test_nothing_is_lost_by_a_reload(start: Start) -> None:
    daemon = start()
    send(daemon, *range(20))
    change(daemon, 'path = "journal.sqlite"', 'path = "journal.sqlite"\nqueue = 500')
    send(daemon, *range(20, 40))

    until(lambda: kept(daemon) == 40, "all are written")


def test_a_killed_worker_loses_no_more_than_what_waits(start: Start) -> None:
    daemon = start()
    send(daemon, *range(10))
    until(lambda: kept(daemon) == 10, "the first are written")

    for pid in workers(daemon):
        os.kill(pid, signal.SIGKILL)
    until(lambda: daemon.logged().count("replaced") == 2, "replaced")
    send(daemon, *range(10, 20))

    until(lambda: kept(daemon) == 20, "the others are written too")


@contextmanager
def locked(daemon: Daemon) -> Iterator[None]:
    """Keep everybody from the journal, once it is there."""
    send(daemon, 1)
    until(lambda: kept(daemon) == 1, "the file is there")
    with closing(sqlite3.connect(journal(daemon), isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield


def test_a_journal_that_is_waited_for_holds_up_no_message(start: Start) -> None:
    daemon = start(more="lock_seconds = 300.0")
    with locked(daemon):
        send(daemon, *range(2, 30))

    until(lambda: kept(daemon) == 29, "nothing is lost")


def test_a_journal_that_cannot_be_written_is_told(start: Start) -> None:
    daemon = start()
    with locked(daemon):
        send(daemon, *range(2, 30))
        until(lambda: "database is locked" in daemon.logged(), "it is said")

    until(lambda: kept(daemon) == 29, "nothing is lost")
    until(lambda: "journal: written again" in daemon.logged(), "and that is said too")


def test_without_a_journal_no_file_is_made(start: Start) -> None:
    daemon = start()
    change(daemon, 'path = "journal.sqlite"', 'path = ""')
    send(daemon, 1)

    daemon.process.terminate()
    daemon.process.wait(30)

    assert not journal(daemon).exists()


def recipient() -> bytes:
    return b"<+13125550100/TYPE=PLMN@two.example>"
