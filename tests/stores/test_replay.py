"""Replay stores: whoever is first has the key, whoever asks, and for how long."""

import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from datetime import timedelta
from pathlib import Path
from threading import Barrier

import pytest

from stirmilter.errors import StoreError
from stirmilter.services import ReplayStore
from stirmilter.stores.replay import MemoryReplayStore, SqliteReplayStore
from tests.laboratory import NOW

UNTIL = NOW + timedelta(hours=1)
SMALL = 200
"""A limit of keys that is soon reached, in a file too."""

MakeStore = Callable[[int], ReplayStore]


@pytest.fixture(params=["memory", "sqlite"])
def make_store(request: pytest.FixtureRequest, tmp_path: Path) -> MakeStore:
    def make(limit: int) -> ReplayStore:
        if request.param == "memory":
            return MemoryReplayStore(limit)
        sqlite = SqliteReplayStore(tmp_path / "replay.sqlite", limit)
        request.addfinalizer(sqlite.close)
        return sqlite

    return make


@pytest.fixture
def store(make_store: MakeStore) -> ReplayStore:
    return make_store(1_000_000)


def fill(store: ReplayStore) -> int:
    """Claim keys until there is no room, and return how many there was room for."""
    for number in range(100 * SMALL):
        try:
            store.claim(f"{number:064x}:12025550123", "x" * 32, UNTIL, NOW)
        except StoreError:
            return number
    raise AssertionError("the store never filled")


# The contract, for every store


def test_the_first_holder_has_the_key(store: ReplayStore) -> None:
    holders = [store.claim("key", name, UNTIL, NOW) for name in ("a", "b", "a", "c")]

    assert holders == ["a", "a", "a", "a"]


def test_each_key_has_its_own_holder(store: ReplayStore) -> None:
    holders = [store.claim(name, name, UNTIL, NOW) for name in ("a", "b", "A", "a ")]

    assert holders == ["a", "b", "A", "a "]


@pytest.mark.parametrize(
    ("at", "holder"),
    [
        pytest.param(UNTIL - timedelta(seconds=1), "a", id="not-yet"),
        pytest.param(UNTIL, "b", id="at-that-moment"),
        pytest.param(UNTIL + timedelta(days=9), "b", id="long-after"),
    ],
)
def test_a_key_is_free_again_when_it_expires(
    store: ReplayStore, at: object, holder: str
) -> None:
    store.claim("key", "a", UNTIL, NOW)

    assert store.claim("key", "b", UNTIL + timedelta(days=10), at) == holder  # type: ignore[arg-type]


def test_claiming_again_does_not_prolong(store: ReplayStore) -> None:
    store.claim("key", "a", UNTIL, NOW)
    store.claim("key", "a", UNTIL + timedelta(days=1), NOW)

    assert store.claim("key", "b", UNTIL + timedelta(days=2), UNTIL) == "b"


def test_keys_expire_in_the_order_of_their_times(store: ReplayStore) -> None:
    hours = [5, 1, 4, 2, 3]
    for hour in hours:
        store.claim(f"key{hour}", "a", NOW + timedelta(hours=hour), NOW)

    at = NOW + timedelta(hours=3)
    holders = {hour: store.claim(f"key{hour}", "b", UNTIL, at) for hour in hours}

    assert holders == {1: "b", 2: "b", 3: "b", 4: "a", 5: "a"}


def test_a_full_store_says_so_and_forgets_nothing(make_store: MakeStore) -> None:
    store = make_store(SMALL)

    room = fill(store)

    assert SMALL <= room <= 10 * SMALL
    with pytest.raises(StoreError, match="replay store"):
        store.claim("one more", "a", UNTIL, NOW)
    for number in (0, room // 2, room - 1):
        holder = store.claim(f"{number:064x}:12025550123", "b", UNTIL, NOW)
        assert holder == "x" * 32


def test_expired_keys_make_room(make_store: MakeStore) -> None:
    store = make_store(SMALL)
    fill(store)

    assert store.claim("one more", "a", UNTIL + timedelta(hours=1), UNTIL) == "a"
    assert store.claim("one more", "b", UNTIL, UNTIL) == "a"


def pause(*_: object) -> None:
    """Give every other thread its turn."""
    time.sleep(0.005)


class SlowKey(str):
    """A key whose look-up in memory takes its time."""

    __slots__ = ()

    def __hash__(self) -> int:
        pause()
        return super().__hash__()


def test_of_threads_that_race_one_wins(store: ReplayStore) -> None:
    """Slowed down at every step, so that whoever can come between two does."""
    threads, keys = 3, [SlowKey(f"key{number}") for number in range(10)]
    start = Barrier(threads, timeout=10)

    def race(name: str) -> list[str]:
        if isinstance(store, SqliteReplayStore):
            store._connection().set_trace_callback(pause)
        holders = []
        for key in keys:
            start.wait()
            holders.append(store.claim(key, name, UNTIL, NOW))
        if isinstance(store, SqliteReplayStore):
            store.close()
        return holders

    with ThreadPoolExecutor(threads) as pool:
        results = list(pool.map(race, [f"thread{n}" for n in range(threads)]))

    for holders in zip(*results, strict=True):
        assert len(set(holders)) == 1


# Memory


def test_memory_holds_exactly_its_limit() -> None:
    assert fill(MemoryReplayStore(SMALL)) == SMALL


# SQLite

CLAIMER = """
import sys
from datetime import datetime
from pathlib import Path
from stirmilter.stores.replay import SqliteReplayStore

path, name, until, now = sys.argv[1:]
store = SqliteReplayStore(Path(path), seconds=30)
print("ready", flush=True)
sys.stdin.readline()
for number in range(100):
    print(store.claim(f"key{number}", name, *map(datetime.fromisoformat, (until, now))))
store.close()
"""


def test_of_processes_that_race_one_wins(tmp_path: Path) -> None:
    path = tmp_path / "replay.sqlite"
    SqliteReplayStore(path)
    with ExitStack() as processes:
        racers = [
            processes.enter_context(
                subprocess.Popen(
                    [sys.executable, "-c", CLAIMER, path, name, str(UNTIL), str(NOW)],
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
        results = [racer.communicate(timeout=30)[0].split() for racer in racers]

    assert [racer.returncode for racer in racers] == [0, 0]
    assert results[0] == results[1]
    assert len(results[0]) == 100
    assert set(results[0]) <= {"a", "b"}


def test_a_claim_outlives_the_process(tmp_path: Path) -> None:
    path = tmp_path / "replay.sqlite"
    for _ in range(2):
        with closing(SqliteReplayStore(path)) as store:
            holder = store.claim("key", "a", UNTIL, NOW)

    with closing(SqliteReplayStore(path)) as store:
        assert store.claim("key", "b", UNTIL, NOW) == holder == "a"


def test_a_file_does_not_outgrow_its_limit(tmp_path: Path) -> None:
    path = tmp_path / "replay.sqlite"
    with closing(SqliteReplayStore(path, SMALL)) as store:
        fill(store)

    assert path.stat().st_size <= SMALL * 1024


def test_a_smaller_limit_keeps_what_is_there(tmp_path: Path) -> None:
    path = tmp_path / "replay.sqlite"
    with closing(SqliteReplayStore(path, 10 * SMALL)) as store:
        for number in range(5 * SMALL):
            store.claim(f"{number:064x}", "x" * 32, UNTIL, NOW)

    with closing(SqliteReplayStore(path, SMALL)) as store:
        assert store.claim(f"{0:064x}", "b", UNTIL, NOW) == "x" * 32


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("no-such-folder/replay.sqlite", id="folder-missing"),
        pytest.param(".", id="folder"),
        pytest.param("text", id="no-database"),
        pytest.param("text/replay.sqlite", id="below-a-file"),
    ],
)
def test_a_path_that_cannot_be_used_fails_at_once(tmp_path: Path, name: str) -> None:
    (tmp_path / "text").write_text("not a database " * 100)

    with pytest.raises(StoreError, match="replay store") as caught:
        SqliteReplayStore(tmp_path / name)

    assert str(tmp_path / name) in str(caught.value)


def test_a_file_that_is_spoilt_later_fails_when_asked(tmp_path: Path) -> None:
    path = tmp_path / "replay.sqlite"
    store = SqliteReplayStore(path)
    path.write_text("not a database " * 1000)

    with closing(store), pytest.raises(StoreError, match="replay store"):
        store.claim("key", "a", UNTIL, NOW)


def test_a_writer_that_stays_too_long_is_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "replay.sqlite"
    with (
        closing(SqliteReplayStore(path, seconds=0.1)) as store,
        closing(sqlite3.connect(path, isolation_level=None)) as other,
    ):
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="locked"):
            store.claim("key", "a", UNTIL, NOW)
        other.execute("ROLLBACK")

        assert store.claim("key", "b", UNTIL, NOW) == "b"


def test_a_writer_that_goes_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "replay.sqlite"
    with (
        closing(SqliteReplayStore(path, seconds=30)) as store,
        closing(sqlite3.connect(path, isolation_level=None)) as other,
        ThreadPoolExecutor(1) as pool,
    ):
        other.execute("BEGIN IMMEDIATE")
        other.execute("INSERT INTO claims VALUES ('key', 'a', ?)", [UNTIL.timestamp()])

        def claim() -> str:
            with closing(store):
                return store.claim("key", "b", UNTIL, NOW)

        waiting = pool.submit(claim)
        with pytest.raises(TimeoutError):
            waiting.result(0.1)
        other.execute("COMMIT")

        assert waiting.result(30) == "a"


def test_two_may_open_a_new_file_at_once(tmp_path: Path) -> None:
    """What one does at that moment, here by hand, the other has to wait for."""
    path = tmp_path / "replay.sqlite"
    with (
        closing(sqlite3.connect(path, isolation_level=None)) as other,
        ThreadPoolExecutor(1) as pool,
    ):
        other.execute("CREATE TABLE claims (key, holder, until)")
        other.execute("BEGIN IMMEDIATE")
        waiting = pool.submit(SqliteReplayStore, path, seconds=30)
        try:
            with pytest.raises(TimeoutError):
                waiting.result(0.1)
        finally:
            other.execute("COMMIT")

        waiting.result(30)


def test_a_forked_process_opens_its_own_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite's locks belong to the process that took them."""
    with closing(SqliteReplayStore(tmp_path / "replay.sqlite")) as store:
        store.claim("key", "a", UNTIL, NOW)
        parents = store._connection()
        assert store._connection() is parents

        monkeypatch.setattr(os, "getpid", lambda: 1)

        assert store._connection() is not parents
        assert store.claim("key", "b", UNTIL, NOW) == "a"
        parents.close()


def test_no_connection_is_open_before_the_first_claim(tmp_path: Path) -> None:
    """The store is made before the workers are forked."""
    store = SqliteReplayStore(tmp_path / "replay.sqlite")

    assert getattr(store._local, "connection", None) is None
