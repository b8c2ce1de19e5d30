import hashlib
import os
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from stirmilter.errors import StoreError
from stirmilter.stores.replay import SqliteReplayStore
from tests.laboratory import NOW
from tests.stores.replay.conftest import RETENTION, SIGNED, SMALL, A, B, Clock, key

CLAIMER = """
import sys
from datetime import datetime
from pathlib import Path
from stirmilter.stores.replay import SqliteReplayStore

path, name, signed_at, now = sys.argv[1:]
store = SqliteReplayStore(Path(path), seconds=30)
print("ready", flush=True)
sys.stdin.readline()
when = map(datetime.fromisoformat, (signed_at, now))
signed_at, now = when
for number in range(300):
    key = number.to_bytes(16, "big")
    print(store.claim([key], name.encode() * 16, signed_at, now))
store.close()
"""

LARGE = 20_000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "replay.sqlite"


def scattered(number: int) -> bytes:
    """A key as they are: a digest."""
    return hashlib.sha256(key(number)).digest()[:16]


def fill(store: SqliteReplayStore, most: int = 100 * SMALL) -> int:
    """Claim keys until there is no room, and return how many there was room for."""
    for number in range(most):
        try:
            store.claim([scattered(number)], A, SIGNED, NOW)
        except StoreError as error:
            assert "full (replay.limit, or the disk)" in str(error)  # noqa: PT017
            return number
    raise AssertionError("the store never filled")


def test_of_processes_that_race_one_wins(path: Path) -> None:
    SqliteReplayStore(path)
    with ExitStack() as processes:
        racers = [
            processes.enter_context(
                subprocess.Popen(
                    [sys.executable, "-c", CLAIMER, path, name, str(SIGNED), str(NOW)],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                )
            )
            for name in ("a", "b")
        ]
        for racer in racers:
            assert racer.stdout is not None
            assert racer.stdout.readline() == "ready\n"
        for racer in racers:
            assert racer.stdin is not None
            racer.stdin.write("go\n")
            racer.stdin.flush()
        results = [racer.communicate(timeout=120)[0].split() for racer in racers]

    assert [racer.returncode for racer in racers] == [0, 0]
    pairs = list(zip(*results, strict=True))
    assert len(pairs) == 300
    assert all(sorted(pair) == ["False", "True"] for pair in pairs)


def test_a_claim_outlives_the_process(path: Path) -> None:
    with closing(SqliteReplayStore(path)) as store:
        assert store.claim([key(1)], A, SIGNED, NOW)

    with closing(SqliteReplayStore(path)) as store:
        assert not store.claim([key(1)], B, SIGNED, NOW)
        assert store.claim([key(1)], A, SIGNED, NOW)


def test_a_file_does_not_outgrow_its_limit(path: Path) -> None:
    with closing(SqliteReplayStore(path, 50 * SMALL)) as store:
        filled = fill(store)
        assert not store.claim([scattered(0)], B, SIGNED, NOW), "it is known"
        assert store.claim([scattered(0)], A, SIGNED, NOW)

    assert 50 * SMALL <= filled <= 60 * SMALL
    assert path.stat().st_size <= 50 * SMALL * 88


def test_it_tells_how_much_of_its_room_is_used_without_counting(path: Path) -> None:
    """By pages: those are full when it is full, and none of them is looked at."""
    store = SqliteReplayStore(path, LARGE)
    used, limit = store.occupied()
    assert (limit, used < LARGE / 100) == (LARGE, True)

    half = LARGE // 2
    store.claim([scattered(number) for number in range(half)], A, SIGNED, NOW)
    seen: list[str] = []
    store._database.connection().set_trace_callback(seen.append)

    used, _ = store.occupied()

    assert 0.7 * half < used < 1.3 * half
    assert not [statement for statement in seen if "FROM" in statement]
    with pytest.raises(StoreError, match="full"):
        store.claim([scattered(n) for n in range(half, 3 * LARGE)], A, SIGNED, NOW)
    store.clear()
    assert store.occupied()[0] < LARGE / 100


def test_there_is_room_again_when_keys_are_due(path: Path) -> None:
    clock = Clock()
    with closing(
        SqliteReplayStore(path, SMALL, RETENTION, monotonic=clock.monotonic)
    ) as store:
        filled = fill(store)
        later = clock.pass_to(NOW + RETENTION)

        for number in range(filled, filled + SMALL):
            assert store.claim([key(number)], A, later, later)


def test_a_night_of_keys_is_forgotten_in_small_parts(path: Path) -> None:
    clock = Clock()
    with closing(
        SqliteReplayStore(path, retention=RETENTION, monotonic=clock.monotonic)
    ) as store:
        for number in range(1_000):
            store.claim([key(number)], A, SIGNED, NOW)
        clock.offset += 2
        store.claim([key(1_000)], A, SIGNED, NOW)  # nothing is due; it counts anew
        later = clock.pass_to(NOW + RETENTION)
        store.claim([key(2_000)], A, later, later)
        assert store.stats().keys == 1_001 + 1 - 512

        for number in range(300):
            store.claim([key(3_000 + number)], A, later, later)
        assert store.stats().keys == 1_001 + 1 - 512 + 300, "not with each message"

        clock.offset += 2
        store.claim([key(4_000)], A, later, later)
        assert store.stats().keys == 302


def test_what_comes_faster_is_forgotten_faster(path: Path) -> None:
    """Or a file would fill under a load that it has room for."""
    clock = Clock()
    with closing(
        SqliteReplayStore(path, retention=RETENTION, monotonic=clock.monotonic)
    ) as store:
        for number in range(2_000):
            store.claim([key(number)], A, SIGNED, NOW)
        later = clock.pass_to(NOW + RETENTION)
        store.claim([key(9_000)], A, later, later)

        assert store.stats().keys == 1


def test_a_smaller_limit_keeps_what_is_there(path: Path) -> None:
    with closing(SqliteReplayStore(path, 10 * SMALL)) as store:
        for number in range(10 * SMALL):
            store.claim([key(number)], A, SIGNED, NOW)

    with closing(SqliteReplayStore(path, SMALL)) as store:
        assert not store.claim([key(0)], B, SIGNED, NOW)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("no-such-folder/replay.sqlite", id="folder-missing"),
        pytest.param(".", id="folder"),
        pytest.param("text/replay.sqlite", id="below-a-file"),
    ],
)
def test_a_path_that_cannot_be_used_fails_at_once(tmp_path: Path, name: str) -> None:
    (tmp_path / "text").write_text("a file")

    with pytest.raises(StoreError, match="replay store") as caught:
        SqliteReplayStore(tmp_path / name)

    assert str(tmp_path / name) in str(caught.value)


# Others at the same file


def test_a_writer_that_stays_too_long_is_not_waited_for(path: Path) -> None:
    with (
        closing(SqliteReplayStore(path, seconds=0.1)) as store,
        closing(sqlite3.connect(path, isolation_level=None)) as other,
    ):
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="locked"):
            store.claim([key(1)], A, SIGNED, NOW)
        other.execute("ROLLBACK")

        assert store.claim([key(1)], B, SIGNED, NOW)


def test_a_writer_that_goes_is_waited_for(path: Path) -> None:
    with (
        closing(SqliteReplayStore(path, seconds=30)) as store,
        closing(sqlite3.connect(path, isolation_level=None)) as other,
        ThreadPoolExecutor(1) as pool,
    ):
        other.execute("BEGIN IMMEDIATE")
        other.execute("INSERT INTO uses VALUES (?, ?, ?)", (key(1), A, 4_000_000_000))

        def claim() -> bool:
            with closing(store):
                return store.claim([key(1)], B, SIGNED, NOW)

        waiting = pool.submit(claim)
        with pytest.raises(TimeoutError):
            waiting.result(0.1)
        other.execute("COMMIT")

        assert not waiting.result(30)


def test_a_file_that_may_only_be_read_is_no_store(path: Path) -> None:
    with closing(SqliteReplayStore(path)) as store:
        connection = store._database.connection()
        connection.execute("PRAGMA query_only = 1")

        with pytest.raises(StoreError, match="readonly"):
            store.claim([key(1)], A, SIGNED, NOW)

        connection.execute("PRAGMA query_only = 0")
        assert store.claim([key(1)], B, SIGNED, NOW)


def test_a_forked_process_opens_its_own_connection(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite's locks belong to the process that took them."""
    with closing(SqliteReplayStore(path)) as store:
        store.claim([key(1)], A, SIGNED, NOW)
        parents = store._database.connection()
        assert store._database.connection() is parents

        monkeypatch.setattr(os, "getpid", lambda: 1)

        assert store._database.connection() is not parents
        assert not store.claim([key(1)], B, SIGNED, NOW)
        parents.close()


def test_no_connection_is_open_before_the_first_claim(path: Path) -> None:
    """The store is made before the workers are forked."""
    store = SqliteReplayStore(path)

    assert getattr(store._database._local, "connection", None) is None
