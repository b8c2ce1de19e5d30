import hashlib
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from stirmilter.errors import StoreError
from stirmilter.stores.database import Database
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
        results = [racer.communicate(timeout=30)[0].split() for racer in racers]

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


# A file that breaks: said, rebuilt, and what it lost is not known


def spoil(path: Path) -> None:
    path.write_text("not a database " * 1000)


@pytest.fixture
def rebuilt() -> list[Path]:
    return []


Reopen = Callable[[], SqliteReplayStore]


@pytest.fixture
def reopen(path: Path, rebuilt: list[Path]) -> Reopen:
    return lambda: SqliteReplayStore(
        path,
        retention=RETENTION,
        since=lambda: NOW,
        skew=timedelta(seconds=60),
        rebuilt=rebuilt.append,
    )


def test_a_file_that_is_no_database_is_set_aside(
    path: Path, rebuilt: list[Path], reopen: Reopen
) -> None:
    spoil(path)

    with closing(reopen()) as store:
        assert store.claim([key(1)], A, NOW + timedelta(seconds=61), NOW)

    [aside] = rebuilt
    assert aside.name.startswith("replay.sqlite.broken-")
    assert aside.read_text().startswith("not a database")


@pytest.mark.conformance("V-09")
def test_no_replay_passes_over_a_file_that_broke(
    path: Path, rebuilt: list[Path], reopen: Reopen
) -> None:
    with closing(reopen()) as store:
        assert store.claim([key(1)], A, NOW, NOW)
    spoil(path)
    fast = NOW + timedelta(seconds=60)  # of a signer whose clock runs ahead
    with closing(reopen()) as store:
        for signed_at in (NOW, fast):
            with pytest.raises(StoreError, match="knows nothing of tokens signed"):
                store.claim([key(1)], B, signed_at, NOW)
    with closing(reopen()) as store:
        assert store.claim([key(2)], B, fast + timedelta(seconds=1), NOW)

    assert len(rebuilt) == 1


def test_a_file_that_breaks_in_use_fails_once(
    path: Path, rebuilt: list[Path], reopen: Reopen
) -> None:
    with closing(reopen()) as store:
        store.claim([key(1)], A, NOW, NOW)
        store.close()
        spoil(path)
        later = NOW + timedelta(seconds=61)
        for _ in range(2):
            try:
                good = store.claim([key(2)], A, later, NOW)
            except StoreError as error:
                assert "replay store" in str(error)  # noqa: PT017 - it may or may not
        assert good

    assert len(rebuilt) == 1


def test_a_sibling_goes_on_in_the_new_file(path: Path, reopen: Reopen) -> None:
    with closing(reopen()) as first, closing(reopen()) as second:
        first.claim([key(1)], A, NOW, NOW)
        second.claim([key(2)], A, NOW, NOW)
        path.unlink()
        assert first.claim([key(3)], A, NOW, NOW)

        assert not second.claim([key(3)], B, NOW, NOW)


def test_a_file_of_an_older_version_is_taken_over(path: Path, reopen: Reopen) -> None:
    """Its keys had another form; so nothing is known of the tokens before."""
    with closing(sqlite3.connect(path)) as old:
        old.execute(
            "CREATE TABLE claims (key TEXT PRIMARY KEY, holder TEXT, until REAL)"
        )
        old.execute("INSERT INTO claims VALUES ('k:12025550123', 'h', 1)")
        old.commit()

    with closing(reopen()) as store:
        with pytest.raises(StoreError, match="knows nothing"):
            store.claim([key(1)], A, NOW - timedelta(hours=1), NOW)
        assert store.claim([key(1)], A, NOW, NOW)


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


# What a file knows of itself


def standing(
    path: Path,
    now: datetime = NOW,
    boot: str = "one",
    monotonic: Callable[[], float] = time.monotonic,
) -> SqliteReplayStore:
    return SqliteReplayStore(
        path, retention=RETENTION, since=lambda: now, boot=boot, monotonic=monotonic
    )


MINUTE = timedelta(minutes=1)


@pytest.mark.conformance("V-09")
def test_a_machine_that_went_down_has_lost_something(path: Path) -> None:
    with closing(standing(path)) as store:
        store.claim([key(1)], A, NOW, NOW)
    later = NOW + 5 * MINUTE

    with closing(standing(path, later, boot="two")) as store:
        assert not store.claim([key(1)], B, NOW, later), "what is there is known"
        for signed_at in (NOW, later, later + MINUTE):
            with pytest.raises(StoreError, match="knows nothing of tokens signed"):
                store.claim([key(2)], A, signed_at, later)
    with closing(standing(path, later, boot="two")) as store:
        assert store.claim([key(2)], A, later + MINUTE + timedelta(seconds=1), later)


def test_a_machine_that_was_shut_down_has_not(path: Path) -> None:
    with closing(standing(path)) as store:
        store.claim([key(1)], A, NOW, NOW)
        store.rest()
    later = NOW + 5 * MINUTE

    with closing(standing(path, later, boot="two")) as store:
        assert store.claim([key(2)], A, NOW, later)
        assert not store.claim([key(1)], B, NOW, later)
    with (
        closing(standing(path, later, boot="three")) as store,
        pytest.raises(StoreError, match="knows nothing"),
    ):
        store.claim([key(3)], A, NOW, later)


def test_a_daemon_that_was_killed_has_lost_nothing(path: Path) -> None:
    """The kernel has what it wrote."""
    with closing(standing(path)) as store:
        store.claim([key(1)], A, NOW, NOW)

    with closing(standing(path, NOW + MINUTE)) as store:
        assert store.claim([key(2)], A, NOW, NOW + MINUTE)


def test_it_begins_when_it_is_opened_and_not_when_it_is_first_used(
    path: Path,
) -> None:
    now = [NOW]
    with closing(SqliteReplayStore(path, since=lambda: now[0])) as store:
        now[0] = NOW + 5 * MINUTE

        assert store.claim([key(1)], A, NOW, now[0])


def test_a_beginning_that_is_still_to_come_is_set_right(path: Path) -> None:
    """The clock was a year ahead when the file was made."""
    with closing(standing(path, NOW + timedelta(days=365))) as store:
        store.stats()

    with closing(standing(path)) as store:
        assert store.stats().since == NOW + MINUTE + timedelta(seconds=1)
        assert store.claim([key(1)], A, NOW + MINUTE + timedelta(seconds=1), NOW)


@pytest.mark.conformance("V-09")
def test_a_process_that_begins_under_a_wrong_clock_forgets_nothing(path: Path) -> None:
    clock = Clock()
    with closing(standing(path, monotonic=clock.monotonic)) as store:
        store.claim([key(1)], A, NOW, NOW)
    wrong = NOW + timedelta(days=2)
    with closing(standing(path, wrong, monotonic=clock.monotonic)) as store:
        for number in range(2, 5):
            clock.offset += 2
            assert store.claim([key(number)], A, wrong, wrong)
    with closing(standing(path, monotonic=clock.monotonic)) as store:
        assert not store.claim([key(1)], B, NOW, NOW)
        assert not store.claim([key(2)], B, wrong, NOW)


def test_replays_do_not_keep_what_is_due_from_being_forgotten(path: Path) -> None:
    clock = Clock()
    with closing(
        SqliteReplayStore(path, retention=RETENTION, monotonic=clock.monotonic)
    ) as store:
        for number in range(600):
            store.claim([key(number)], A, SIGNED, NOW)
        later = clock.pass_to(NOW + RETENTION)
        store.claim([key(900)], A, later, later)
        for _ in range(5):
            clock.offset += 2
            assert not store.claim([key(900)], B, later, later)

        assert store.stats().keys == 1


# Files that are of no use at the start


def test_a_file_that_is_damaged_inside_is_replaced_when_it_is_used(
    path: Path, rebuilt: list[Path], reopen: Reopen
) -> None:
    with closing(reopen()) as store:
        for number in range(2_000):
            store.claim([scattered(number)], A, NOW, NOW)
    octets = bytearray(path.read_bytes())
    octets[8_192:] = b"\xff" * (len(octets) - 8_192)
    path.write_bytes(octets)
    later = NOW + timedelta(seconds=61)

    with closing(reopen()) as store:
        reasons = []
        for number in range(5):
            try:
                store.claim([scattered(number)], B, later, NOW)
            except StoreError as error:
                reasons.append(str(error))
        assert store.claim([key(1)], B, later, NOW), "in a new file"

    assert len(rebuilt) == 1
    assert any("malformed" in reason for reason in reasons)


@pytest.mark.parametrize("statement", ["BEGIN IMMEDIATE", "BEGIN EXCLUSIVE"])
def test_a_file_that_is_locked_at_the_start_is_no_reason_not_to_start(
    path: Path, statement: str
) -> None:
    SqliteReplayStore(path)
    said: list[str] = []
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute(statement)
        with closing(SqliteReplayStore(path, seconds=0.1, trouble=said.append)) as made:
            with pytest.raises(StoreError, match="locked"):
                made.claim([key(1)], A, SIGNED, NOW)
            other.execute("ROLLBACK")

            assert made.claim([key(1)], A, SIGNED, NOW)

    [text] = said
    assert text.endswith("locked; going on without it until it can be written")


def test_a_full_disk_at_the_start_is_no_reason_not_to_start(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    SqliteReplayStore(path)
    said: list[str] = []

    def full(_: Database) -> sqlite3.Connection:
        error = sqlite3.OperationalError("database or disk is full")
        error.sqlite_errorcode = sqlite3.SQLITE_FULL
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(Database, "connection", full)
        made = SqliteReplayStore(path, trouble=said.append)
        with pytest.raises(StoreError, match="full"):
            made.claim([key(1)], A, SIGNED, NOW)

    with closing(made):
        assert made.claim([key(1)], A, SIGNED, NOW)
    assert len(said) == 1
