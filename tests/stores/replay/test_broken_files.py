"""Replay files that break, are locked or full: said, rebuilt, and gone on by policy."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from stirmilter.errors import StoreError
from stirmilter.stores.database import Database
from stirmilter.stores.replay import SqliteReplayStore
from tests.laboratory import NOW
from tests.stores.replay.conftest import RETENTION, SIGNED, A, B, key
from tests.stores.replay.test_sqlite import scattered


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "replay.sqlite"


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
