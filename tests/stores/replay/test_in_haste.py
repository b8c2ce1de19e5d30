"""Replay stores where there is no time: what waits is left to others, and untouched."""

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from stirmilter.haste import TakesLong, haste
from stirmilter.stores.replay import MemoryReplayStore, SqliteReplayStore
from stirmilter.stores.replay.redis import RedisReplayStore
from tests.laboratory import NOW
from tests.stores.replay.conftest import (
    RETENTION,
    SIGNED,
    SMALL,
    A,
    B,
    Clock,
    Maker,
    Store,
    key,
)

LOG = 5 << 20
"""Octets of a log that is to be emptied."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "replay.sqlite"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(path: Path, clock: Clock) -> Iterator[SqliteReplayStore]:
    # With a limit for whoever has time that no test could wait for.
    made = SqliteReplayStore(
        path, retention=RETENTION, seconds=600.0, monotonic=clock.monotonic
    )
    with closing(made):
        yield made


def hasty(store: Store, *numbers: int, holder: bytes = A) -> bool | None:
    """Claim keys where there is no time; None is what takes long."""
    with suppress(TakesLong), haste():
        return store.claim([key(number) for number in numbers], holder, SIGNED, NOW)
    return None


def patient(store: Store, *numbers: int, holder: bytes = A) -> bool:
    return store.claim([key(number) for number in numbers], holder, SIGNED, NOW)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock of a writer, as another process does."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield


def test_a_lock_that_is_given_back_at_once_is_waited_for(
    store: SqliteReplayStore, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sibling writes for a fraction of a millisecond: judges would take longer."""
    assert patient(store, 1)
    naps: list[float] = []
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")

        def sleep(seconds: float) -> None:
            naps.append(seconds)
            other.execute("COMMIT")

        with monkeypatch.context() as patched:
            patched.setattr("stirmilter.stores.database.time.sleep", sleep)
            assert hasty(store, 2)

    assert len(naps) == 1
    assert naps[0] < 0.001
    assert rows(path) == 2


def filled(store: Store, log: Path) -> int:
    """Claim keys in haste until the log is to be emptied; return how many."""
    number = 0
    while number == 0 or log.stat().st_size < LOG:
        assert hasty(store, number)
        number += 1
    return number


def rows(path: Path) -> int:
    with closing(sqlite3.connect(path)) as other:
        [count] = other.execute("SELECT count(*) FROM uses").fetchone()
    return int(count)


def test_a_claim_says_the_same_where_there_is_no_time(maker: Maker) -> None:
    store = maker()
    expected = None if isinstance(store, RedisReplayStore) else True

    assert hasty(store, 1) is expected
    assert patient(store, 1)
    assert not patient(store, 1, holder=B)
    assert hasty(store, 1) is expected
    assert hasty(store, 1, holder=B) is (None if expected is None else False)


def test_who_only_asks_in_haste_leaves_nothing(
    store: SqliteReplayStore, path: Path
) -> None:
    with haste():
        assert store.claim([key(1)], A, SIGNED, NOW, keep=False)

    assert rows(path) == 0
    with locked(path):  # and no lock either
        pass
    assert hasty(store, 1, holder=B)


def test_a_claim_that_was_begun_in_haste_is_no_replay(maker: Maker) -> None:
    """Whoever has the time begins the whole message again."""
    store = maker()
    with suppress(TakesLong), haste():
        assert store.claim([key(1)], A, SIGNED, NOW)

    assert patient(store, 1, 2)
    assert not patient(store, 2, holder=B)


def test_a_file_that_is_being_written_is_not_waited_for(
    store: SqliteReplayStore, path: Path, clock: Clock
) -> None:
    assert patient(store, 1)
    with locked(path):
        assert hasty(store, 2) is None
        assert hasty(store, 3) is None
    assert rows(path) == 1

    clock.offset += 0.1
    assert hasty(store, 2, holder=B), "nobody has claimed it"


def test_a_file_that_was_being_written_is_not_tried_by_each_message(
    path: Path,
) -> None:
    """Each try waits for some milliseconds, and all of them one after the other."""
    seconds = [0.0]
    with closing(SqliteReplayStore(path, monotonic=lambda: seconds[0])) as store:
        with locked(path):
            assert hasty(store, 1) is None
        assert hasty(store, 1) is None
        assert patient(store, 1), "whoever has time tries"
        assert hasty(store, 2) is None

        seconds[0] = 0.1
        assert hasty(store, 2)


def test_who_has_time_waits_also_after_haste(
    store: SqliteReplayStore, path: Path
) -> None:
    assert hasty(store, 1)
    held = threading.Event()

    def hold() -> None:
        with locked(path):
            held.set()
            time.sleep(0.3)

    thread = threading.Thread(target=hold)
    thread.start()
    assert held.wait(30)

    assert patient(store, 2)
    thread.join()


def test_what_is_due_is_forgotten_by_who_has_time(
    store: SqliteReplayStore, path: Path, clock: Clock
) -> None:
    assert hasty(store, 1)
    clock.offset += 2

    for _ in range(2):
        assert hasty(store, 2) is None
    assert rows(path) == 1
    assert patient(store, 2)
    assert hasty(store, 3), "it is not due again"


def test_a_broken_file_is_set_aside_by_who_has_time(path: Path, clock: Clock) -> None:
    rebuilt: list[Path] = []
    store = SqliteReplayStore(path, rebuilt=rebuilt.append, monotonic=clock.monotonic)
    path.write_text("not a database " * 1000)

    assert hasty(store, 1) is None
    assert not rebuilt
    assert path.read_text().startswith("not a database")
    with closing(store):
        assert patient(store, 1)
    assert len(rebuilt) == 1
    clock.offset += 0.1
    assert hasty(store, 1)


def test_a_file_that_is_gone_is_made_by_who_has_time(
    store: SqliteReplayStore, path: Path
) -> None:
    path.unlink()

    assert hasty(store, 1) is None
    assert not path.exists()
    assert patient(store, 1)
    assert hasty(store, 1)


def test_a_full_file_is_told_of_by_who_has_time(path: Path, clock: Clock) -> None:
    with closing(SqliteReplayStore(path, SMALL, monotonic=clock.monotonic)) as store:
        number = 0
        while hasty(store, number):
            number += 1
        assert hasty(store, number) is None
    assert rows(path) == number


def test_a_message_to_many_takes_its_time(store: SqliteReplayStore) -> None:
    assert hasty(store, *range(32))
    assert hasty(store, *range(100, 133)) is None


def test_nothing_stays_begun_when_the_end_of_a_claim_fails(
    store: SqliteReplayStore, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lock that is left behind would be held until the next claim of that thread."""

    class Failing(sqlite3.Connection):
        def execute(self, sql: str, *given: object) -> sqlite3.Cursor:
            if sql == "COMMIT":
                raise sqlite3.OperationalError("disk I/O error")
            return super().execute(sql, *given)  # type: ignore[arg-type]

    connect = sqlite3.connect
    monkeypatch.setattr(
        sqlite3, "connect", lambda *a, **more: connect(*a, factory=Failing, **more)
    )
    assert hasty(store, 1) is None
    monkeypatch.undo()

    with locked(path):
        pass
    assert rows(path) == 0


def test_a_log_is_emptied_however_steadily_it_is_written(
    store: SqliteReplayStore, path: Path, clock: Clock
) -> None:
    """By whoever has time, before his claim: the next to write waits for the disk."""
    log = path.with_name("replay.sqlite-wal")
    number = filled(store, log)

    clock.offset += 2
    assert hasty(store, number) is None
    assert log.stat().st_size >= LOG
    assert patient(store, number)

    assert 0 < log.stat().st_size < 100_000, "and the claim has begun it anew"
    assert rows(path) == number + 1


def test_no_claim_moves_a_log_that_is_soon_emptied(
    store: SqliteReplayStore, path: Path
) -> None:
    """The next one, perhaps in haste, would wait for the disk."""
    log = path.with_name("replay.sqlite-wal")
    for number in range(3_000):
        assert patient(store, number)

    assert log.stat().st_size >= LOG


def test_whoever_reads_the_log_costs_nobody_a_verdict(
    store: SqliteReplayStore, path: Path, clock: Clock
) -> None:
    log = path.with_name("replay.sqlite-wal")
    number = filled(store, log)
    with closing(sqlite3.connect(path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM uses").fetchone()
        assert hasty(store, number), "a reader needs the log as it is now"
        clock.offset += 2
        assert patient(store, number + 1)
        assert hasty(store, number + 2)

    clock.offset += 2
    assert patient(store, number + 3)
    assert log.stat().st_size < 100_000


def test_a_night_of_keys_is_forgotten_by_who_has_time() -> None:
    seconds = [0.0]
    store = MemoryReplayStore(retention=RETENTION, monotonic=lambda: seconds[0])
    for number in range(2_000):
        store.claim([key(number)], A, SIGNED - timedelta(seconds=number % 100), NOW)
    seconds[0] = 2 * RETENTION.total_seconds()
    later = NOW + 2 * RETENTION

    def claim() -> bool:
        return store.claim([key(9_999)], A, later, later)

    with pytest.raises(TakesLong), haste():
        claim()
    assert claim()
    with haste():
        assert claim()
    assert store.stats().keys == 1


def test_a_memory_that_somebody_tidies_is_not_waited_for() -> None:
    entered, leave = threading.Event(), threading.Event()

    def began() -> datetime:
        entered.set()
        assert leave.wait(30)
        return SIGNED

    store = MemoryReplayStore(since=began)
    thread = threading.Thread(target=patient, args=(store, 1))
    thread.start()
    assert entered.wait(30)
    try:
        assert hasty(store, 2) is None
    finally:
        leave.set()
        thread.join()
