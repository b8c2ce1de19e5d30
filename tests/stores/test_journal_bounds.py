"""The journal keeps no more than it may, and outlives full disks and broken files."""

import os
import re
import sqlite3
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from stirmilter.errors import StoreError
from stirmilter.stores.journal import Journal, JournalSettings
from stirmilter.stores.journalreader import JournalReader
from tests.stores.events import DAY, EVENT, NOW, ROOT, TOKEN, certificate, event
from tests.stores.journals import found, queue_ids

MEGABYTE = 1 << 20


def rows(path: Path, table: str) -> int:
    with JournalReader(path) as reader:
        return int(getattr(reader.stats(), table))


def test_two_processes_write_to_one_file(path: Path) -> None:
    """Each has a journal of its own, as the workers have."""
    children = []
    for name in ("one", "two"):
        pid = os.fork()
        if pid == 0:
            journal = Journal(path)
            for number in range(100):
                journal.write([event(f"{name}-{number}-{n}") for n in range(5)])
            os._exit(0)
        children.append(pid)

    statuses = [os.waitpid(pid, 0)[1] for pid in children]

    assert statuses == [0, 0]
    assert rows(path, "messages") == rows(path, "passports") == 1000
    assert rows(path, "certificates") == 2


def test_rows_are_inserted_by_few_statements_whatever_their_number(path: Path) -> None:
    """A hundred statements are kept for a connection; of many rows, each is large."""
    journal = Journal(path)
    said: list[str] = []
    journal._database.connection().set_trace_callback(said.append)

    for count in range(1, 31):
        journal.write([event(f"mark-{count}-{n}") for n in range(count)])

    inserts = [text for text in said if text.startswith("INSERT INTO messages")]
    ids = [set(re.findall("mark-[0-9]+-[0-9]+", text)) for text in inserts]
    assert {len(each) for each in ids} == {1, 5, 25}
    assert rows(path, "messages") == sum(range(1, 31))


def test_what_is_too_old_is_forgotten_with_its_certificates(path: Path) -> None:
    journal = Journal(path, JournalSettings(age=10 * DAY))
    old = replace(TOKEN, path=(certificate(b"old"), ROOT))
    journal.write([event("old", NOW - 11 * DAY, old), event("young", NOW - 9 * DAY)])

    journal.prune(NOW)

    assert queue_ids(path, "old") == []
    [young] = found(path, "young")
    assert young.evidence is not None
    assert young.evidence.tokens == (TOKEN,)
    assert (rows(path, "passports"), rows(path, "certificates")) == (1, 2)


def test_a_look_for_what_is_old_tells_what_is_kept(path: Path) -> None:
    told: list[tuple[float | None, int, int]] = []
    settings = JournalSettings(age=10 * DAY, octets=8 * MEGABYTE)
    journal = Journal(path, settings, kept=lambda *what: told.append(what))

    journal.prune(NOW)
    journal.write([event("a", NOW - 9 * DAY), event("b", NOW), event("c", NOW - DAY)])
    journal.prune(NOW)
    journal.write([event(str(number), NOW) for number in range(500)])
    journal.prune(NOW + 2 * DAY)

    empty, some, more = told
    assert empty[0] is None
    assert some[0] == (NOW - 9 * DAY).timestamp()
    assert more[0] == (NOW - DAY).timestamp(), "the oldest has been forgotten"
    assert 0 < empty[1] <= some[1] < more[1] <= path.stat().st_size + MEGABYTE
    assert {limit for _, _, limit in told} == {8 * MEGABYTE}


def test_an_empty_journal_keeps_no_certificates(path: Path) -> None:
    journal = Journal(path, JournalSettings(age=DAY))
    journal.write([event(str(number), NOW) for number in range(500)])

    journal.prune(NOW + 2 * DAY)

    assert [rows(path, t) for t in ("messages", "passports", "certificates")] == [0] * 3
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT count(*) FROM removed").fetchone() == (0,)
    connection.close()


def test_a_clock_that_steps_back_forgets_nothing(path: Path) -> None:
    journal = Journal(path, JournalSettings(age=DAY))
    journal.write([EVENT])

    journal.prune(NOW - 1000 * DAY)

    assert rows(path, "messages") == 1


def fill(journal: Journal, count: int, size: int = 100) -> None:
    for start in range(0, count, size):
        batch = [
            event(f"{number}", NOW + timedelta(seconds=number))
            for number in range(start, start + size)
        ]
        while batch:
            del batch[: journal.write(batch)]
            journal.prune(NOW)


def test_a_file_that_grows_too_large_loses_the_oldest(path: Path) -> None:
    journal = Journal(path, JournalSettings(octets=4 * MEGABYTE))

    fill(journal, 15_000)

    assert not journal._crowded(), "there is room for the next batch"
    assert path.stat().st_size <= 4 * MEGABYTE
    assert queue_ids(path, "0") == []
    kept = rows(path, "messages")
    assert 2_000 < kept < 14_000
    assert queue_ids(path, str(15_000 - kept)) == [str(15_000 - kept)]
    assert queue_ids(path, "14999") == ["14999"]
    assert rows(path, "passports") == kept


def test_a_batch_that_does_not_fit_makes_room(path: Path) -> None:
    """Without a word from `prune`, and with a batch larger than the free tenth."""
    journal = Journal(path, JournalSettings(octets=MEGABYTE))
    batch = [event(str(n), NOW + timedelta(seconds=n)) for n in range(4_000)]

    while batch:
        count = journal.write(batch)
        assert count > 0
        del batch[:count]

    assert path.stat().st_size <= MEGABYTE
    assert queue_ids(path, "3999") == ["3999"]


def test_a_full_disk_makes_it_forget_nothing(path: Path) -> None:
    """A full disk looks like our own bound to SQLite; ours here is far away."""
    journal = Journal(path, JournalSettings(octets=100 * MEGABYTE))
    fill(journal, 1_000)
    connection = journal._database.connection()
    [pages] = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages}")

    with pytest.raises(StoreError, match="full"):
        fill(journal, 10_000)

    assert queue_ids(path, "0") == ["0"]


def test_a_locked_file_is_an_error_and_keeps_nothing(path: Path) -> None:
    journal = Journal(path, JournalSettings(seconds=0.05))
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    with pytest.raises(StoreError, match="locked"):
        journal.write([EVENT])

    other.execute("ROLLBACK")
    other.close()
    assert journal.write([EVENT]) == 1
    assert rows(path, "messages") == 1


def test_a_broken_file_is_set_aside_and_a_new_one_begun(path: Path) -> None:
    aside: list[Path] = []
    journal = Journal(path, rebuilt=aside.append)
    journal.write([event("old")])
    journal.close()
    path.write_bytes(b"this was a journal once" * 400)
    path.with_name(f"{path.name}-wal").unlink(missing_ok=True)

    for _ in range(2):
        try:
            journal.write([event("new")])
            break
        except StoreError:
            continue

    assert queue_ids(path, "new") == ["new"]
    assert len(aside) == 1
