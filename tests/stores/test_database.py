"""SQLite files that are shared, and that break."""

import os
import sqlite3
from pathlib import Path

import pytest

from stirmilter.errors import StoreError
from stirmilter.stores.database import Database, DatabaseSettings

SCHEMA = "CREATE TABLE IF NOT EXISTS things (name TEXT PRIMARY KEY)"
GARBAGE = b"this was a database once" * 400


def database(path: Path, rebuilt: list[Path] | None = None) -> Database:
    return Database(
        "things",
        path,
        SCHEMA,
        DatabaseSettings(seconds=0.2),
        rebuilt=([] if rebuilt is None else rebuilt).append,
    )


def things(made: Database) -> list[str]:
    rows = made.connection().execute("SELECT name FROM things ORDER BY name")
    return [str(name) for (name,) in rows]


def add(made: Database, name: str) -> None:
    made.connection().execute("INSERT INTO things VALUES (?)", (name,))


def test_rows_survive_the_object(tmp_path: Path) -> None:
    first = database(tmp_path / "db")
    add(first, "kept")

    assert things(database(tmp_path / "db")) == ["kept"]


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"things: .*/none/db: .*folder must exist"):
        database(tmp_path / "none" / "db")


def test_another_writer_is_no_matter_of_folders(tmp_path: Path) -> None:
    other = sqlite3.connect(tmp_path / "db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")

    with pytest.raises(StoreError, match=r"db: database is locked$"):
        database(tmp_path / "db")

    other.close()


def test_garbage_is_set_aside_and_replaced(tmp_path: Path) -> None:
    (tmp_path / "db").write_bytes(GARBAGE)
    rebuilt: list[Path] = []

    made = database(tmp_path / "db", rebuilt)
    add(made, "new")

    assert things(made) == ["new"]
    [aside] = rebuilt
    assert aside.read_bytes() == GARBAGE
    assert aside.name.startswith("db.broken-")


def test_what_breaks_at_work_is_set_aside_once(tmp_path: Path) -> None:
    path, rebuilt = tmp_path / "db", list[Path]()
    one, two = database(path, rebuilt), database(path, rebuilt)
    add(one, "lost")
    one.close()
    path.write_bytes(GARBAGE)
    path.with_name("db-wal").unlink(missing_ok=True)

    said = []

    for made, name in ((one, "new"), (two, "newer")):
        try:
            add(made, name)
        except sqlite3.Error as error:
            said.append(str(made.failed(error)))
            add(made, name)

    assert len(rebuilt) == 1
    assert all(text.startswith(f"things: {path}: ") for text in said)
    assert things(one) == things(two) == ["new", "newer"]


def test_a_connection_to_a_file_set_aside_is_let_go(tmp_path: Path) -> None:
    path = tmp_path / "db"
    one = database(path)
    add(one, "old")
    path.rename(tmp_path / "moved")
    two = database(path)

    add(one, "here")

    assert things(two) == ["here"]


def test_a_fork_opens_its_own_connection(tmp_path: Path) -> None:
    made = database(tmp_path / "db")
    add(made, "parent")
    mine = made.connection()

    pid = os.fork()
    if pid == 0:
        own = made.connection() is not mine
        add(made, "child")
        os._exit(0 if own else 1)
    _, status = os.waitpid(pid, 0)

    assert status == 0
    assert made.connection() is mine
    assert things(made) == ["child", "parent"]


def test_a_full_file_says_so(tmp_path: Path) -> None:
    settings = DatabaseSettings(octets=1)
    made = Database("things", tmp_path / "db", SCHEMA, settings)

    def fill() -> None:
        for number in range(10_000):
            add(made, f"{number:0100}")

    with pytest.raises(sqlite3.OperationalError, match="full") as caught:
        fill()

    assert "full" in str(made.failed(caught.value))
    assert len(things(made)) > 10


def test_a_locked_file_is_waited_for_only_so_long(tmp_path: Path) -> None:
    made = database(tmp_path / "db")
    other = sqlite3.connect(tmp_path / "db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    with pytest.raises(sqlite3.OperationalError, match="locked"):
        add(made, "late")

    other.execute("ROLLBACK")
    other.close()
    add(made, "now")
    assert things(made) == ["now"]
