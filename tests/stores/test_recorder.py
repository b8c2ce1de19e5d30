"""Between messages and the disk: nothing waits, and what is lost is counted."""

import os
import resource
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from threading import Timer, get_native_id

import pytest

from stirmilter.events import Handled
from stirmilter.stores.journal import Journal, JournalSettings
from stirmilter.stores.recorder import Recorder, RecorderSettings
from tests.stores.events import DAY, NOW, event

MEGABYTE = 1 << 20
SETTINGS = RecorderSettings(queue=10, seconds=0.01)


@dataclass
class Told:
    """What an operator hears of a recorder."""

    lost: list[int] = field(default_factory=list)
    said: list[str] = field(default_factory=list)


@pytest.fixture
def told() -> Told:
    return Told()


Make = Callable[..., Recorder]


@pytest.fixture
def make(path: Path, told: Told) -> Make:
    def make(
        settings: RecorderSettings = SETTINGS, where: Path = path, age: int = 90
    ) -> Recorder:
        journal = JournalSettings(seconds=0.05, age=age * DAY)
        return Recorder(
            lambda: Journal(where, journal),
            settings,
            lost=told.lost.append,
            say=told.said.append,
            recovered=told.said.append,
            clock=lambda: NOW,
        )

    return make


@pytest.fixture
def locked(path: Path) -> Iterator[sqlite3.Connection]:
    """Another program has the file, until it rolls back."""
    Journal(path)
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    yield other
    other.close()


def written(path: Path) -> list[str]:
    connection = sqlite3.connect(path)
    rows = connection.execute("SELECT queue_id FROM messages ORDER BY id").fetchall()
    connection.close()
    return [queue_id for (queue_id,) in rows]


def give(recorder: Recorder, *names: str, time: datetime = NOW) -> None:
    for name in names:
        recorder(event(name, time))


def test_events_are_written_in_the_order_they_came(make: Make, path: Path) -> None:
    recorder = make()

    give(recorder, "a", "b", "c")

    assert recorder.flush()
    assert written(path) == ["a", "b", "c"]


def test_no_file_is_made_before_there_is_something_to_write(
    make: Make, path: Path
) -> None:
    assert make().flush()

    assert not path.exists()


def test_a_thread_writes_and_leaving_loses_nothing(
    make: Make, path: Path, told: Told
) -> None:
    recorder = make(RecorderSettings(queue=5_000, seconds=1_000.0))
    recorder.start()

    names = [str(number) for number in range(3_000)]
    give(recorder, *names)
    recorder.close(60.0)

    assert written(path) == names
    assert told == Told()


def test_a_thousand_are_written_before_their_time(make: Make, path: Path) -> None:
    recorder = make(RecorderSettings(queue=5_000, seconds=1_000.0))
    recorder.start()
    names = [str(number) for number in range(1_000)]

    give(recorder, *names[:-1])
    time.sleep(0.2)
    assert recorder.waiting == 999
    give(recorder, names[-1])
    for _ in range(400):
        if recorder.waiting == 0:
            break
        time.sleep(0.05)

    assert written(path) == names
    recorder.close(60.0)


def test_its_thread_stands_back_behind_those_that_serve(path: Path) -> None:
    seen: list[int] = []

    def open_it() -> Journal:
        seen.append(os.getpriority(os.PRIO_PROCESS, get_native_id()))
        return Journal(path)

    usual = os.getpriority(os.PRIO_PROCESS, get_native_id())
    recorder = Recorder(open_it)
    recorder.start()
    give(recorder, "1")
    recorder.close(60.0)

    assert seen == [min(usual + 10, 19)]
    assert os.getpriority(os.PRIO_PROCESS, get_native_id()) == usual


def test_what_is_too_old_is_forgotten_on_the_way(make: Make, path: Path) -> None:
    recorder = make(age=1)

    give(recorder, "old", time=NOW - 2 * DAY)
    give(recorder, "young")
    recorder.flush()

    assert written(path) == ["young"]


def test_more_than_there_is_room_for_is_counted(
    make: Make, path: Path, told: Told
) -> None:
    recorder = make()

    give(recorder, *map(str, range(13)))
    recorder.flush()

    assert written(path) == [str(number) for number in range(10)]
    assert told.lost == [3]
    [line] = told.said
    assert line == (
        "journal: more messages than can be written; 0 messages wait,"
        " the evidence of 3 is lost"
    )


@pytest.mark.usefixtures("locked")
def test_a_locked_file_is_waited_for_while_there_is_room(
    make: Make, locked: sqlite3.Connection, path: Path, told: Told
) -> None:
    recorder = make()
    give(recorder, "a", "b")

    assert not recorder.flush()
    assert not recorder.flush()
    give(recorder, "c")
    locked.execute("ROLLBACK")
    assert recorder.flush()

    assert written(path) == ["a", "b", "c"]
    assert told.lost == []
    [trouble, better] = told.said
    assert "database is locked" in trouble
    assert trouble.endswith("; 2 messages wait, the evidence of 0 is lost")
    assert better == "journal: written again"


@pytest.mark.usefixtures("locked")
def test_what_has_no_room_while_the_file_is_locked_is_lost_and_told_once(
    make: Make, told: Told
) -> None:
    recorder = make()

    for _ in range(3):
        give(recorder, *map(str, range(11)))
        assert not recorder.flush()

    assert told.lost == [1, 11, 11]
    assert len(told.said) == 1


def test_trouble_is_told_again_after_a_while(make: Make, told: Told) -> None:
    recorder = make(
        RecorderSettings(queue=1, quiet_seconds=0.0), where=Path("/proc/journal")
    )

    for _ in range(2):
        give(recorder, "a", "b")
        recorder.flush()

    assert [line.rpartition("; ")[2] for line in told.said] == [
        "1 message waits, the evidence of 1 is lost",
        "1 message waits, the evidence of 2 is lost",
    ]


@pytest.mark.usefixtures("locked")
def test_leaving_does_not_wait_for_a_locked_file_longer_than_it_may(
    make: Make, told: Told
) -> None:
    recorder = make()
    recorder.start()
    give(recorder, "a", "b")

    recorder.close(0.2)

    assert told.lost == [2]
    assert told.said[-1].endswith("the evidence of 2 is lost")


@pytest.mark.usefixtures("locked")
def test_leaving_waits_for_a_file_that_is_free_again_in_time(
    make: Make, locked: sqlite3.Connection, path: Path, told: Told
) -> None:
    recorder = make(RecorderSettings(seconds=1_000.0))
    recorder.start()
    give(recorder, "a", "b")

    Timer(0.3, locked.execute, ["ROLLBACK"]).start()
    recorder.close(30.0)

    assert written(path) == ["a", "b"]
    assert told.lost == []


@pytest.mark.parametrize("folder", ["/proc", "/nonexistent"])
def test_a_place_that_cannot_be_written_holds_up_nobody(
    make: Make, told: Told, folder: str
) -> None:
    recorder = make(where=Path(folder) / "journal.sqlite")

    give(recorder, "a")

    assert not recorder.flush()
    assert told.said[0].startswith(f"journal: {folder}/journal.sqlite: ")


def test_a_broken_file_costs_what_was_in_it_and_no_more(
    make: Make, path: Path, told: Told
) -> None:
    path.write_bytes(b"this was a journal once" * 400)

    recorder = make()
    give(recorder, "new")
    recorder.flush()

    assert written(path) == ["new"]
    assert told.lost == []
    assert len(list(path.parent.glob("journal.sqlite.broken-*"))) == 1


def test_a_disk_that_takes_no_more_costs_what_has_no_room_and_is_counted(
    path: Path, told: Told
) -> None:
    """In a process that may write so much and no more, as on a full disk."""
    pid = os.fork()
    if pid == 0:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (MEGABYTE, MEGABYTE))
        recorder = Recorder(
            lambda: Journal(path, JournalSettings(octets=100 * MEGABYTE)),
            RecorderSettings(queue=500),
            lost=told.lost.append,
            clock=lambda: NOW,
        )
        for number in range(3_000):
            give(recorder, str(number))
            if number % 100 == 0:
                recorder.flush()
        recorder.flush()
        os._exit(0 if len(written(path)) + sum(told.lost) + 500 == 3_000 else 1)

    _, status = os.waitpid(pid, 0)

    assert status == 0
    assert written(path)[:2] == ["0", "1"], "nothing was forgotten to make room"


class Buggy:
    """A store with a bug for one message."""

    def __init__(self) -> None:
        self.written: list[str] = []

    def write(self, events: Sequence[Handled]) -> int:
        if events[0].queue_id == "bad":
            raise ZeroDivisionError
        self.written += [one.queue_id for one in events]
        return len(events)

    def prune(self, now: datetime) -> None: ...


def test_a_bug_costs_a_batch_and_not_the_thread(told: Told) -> None:
    store = Buggy()
    recorder = Recorder(
        lambda: store, lost=told.lost.append, say=told.said.append, clock=lambda: NOW
    )

    give(recorder, "bad")
    assert not recorder.flush()
    give(recorder, "good")
    assert recorder.flush()

    assert store.written == ["good"]
    assert told.lost == [1]
    assert "internal error: ZeroDivisionError()" in told.said[0]


def test_a_store_that_takes_less_is_given_the_rest(told: Told) -> None:
    class Slow(Buggy):
        def write(self, events: Sequence[Handled]) -> int:
            return super().write(events[:2])

    store = Slow()
    recorder = Recorder(lambda: store, lost=told.lost.append, clock=lambda: NOW)

    give(recorder, "a", "b", "c", "d", "e")

    assert recorder.flush()
    assert store.written == ["a", "b", "c", "d", "e"]
    assert told.lost == []
