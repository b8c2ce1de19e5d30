"""Numbers asked of somebody else's SQLite file."""

import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest

from stirmilter.errors import StoreError
from stirmilter.stores.numbers import NumberTable

HERS, HIS = "12025550123", "13125550100"


def write(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "hlr.sqlite"
    write(
        path,
        "CREATE TABLE subscriber (msisdn TEXT PRIMARY KEY, name TEXT)",
        f"INSERT INTO subscriber VALUES ('+{HERS}', 'x'), ('*123', 'y')",  # noqa: S608
    )
    return path


def table(path: Path, where: str = "subscriber.msisdn") -> NumberTable:
    return NumberTable.parse(f"sqlite:{path.name}?{where}", path.parent, 0.1)


@pytest.mark.parametrize(
    ("tn", "inside"), [(HERS, True), ("*123", True), (HIS, False), ("x", False)]
)
def test_a_number_is_found_with_its_plus(file: Path, tn: str, inside: bool) -> None:
    assert (tn in table(file)) is inside


@pytest.mark.parametrize("kind", ["TEXT", "INTEGER", ""])
def test_a_number_is_found_without_its_plus(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "n.sqlite"
    write(
        path,
        f"CREATE TABLE t (n {kind}, CHECK (n IS NOT NULL))",
        "CREATE INDEX t_n ON t (n)",
        f"INSERT INTO t VALUES ('{HERS}')",  # noqa: S608
    )

    assert HERS in table(path, "t.n")
    assert HIS not in table(path, "t.n")


def test_a_change_counts_at_once(file: Path) -> None:
    numbers = table(file)
    assert HIS not in numbers

    write(file, f"INSERT INTO subscriber VALUES ('{HIS}', '')")  # noqa: S608
    assert HIS in numbers

    write(file, "DELETE FROM subscriber")
    assert HERS not in numbers


def test_a_file_that_is_replaced_is_read_anew(file: Path, tmp_path: Path) -> None:
    numbers = table(file)
    assert HERS in numbers
    other = tmp_path / "new.sqlite"
    write(
        other,
        "CREATE TABLE subscriber (msisdn TEXT PRIMARY KEY)",
        f"INSERT INTO subscriber VALUES ('{HIS}')",  # noqa: S608
    )

    other.rename(file)

    assert (HERS in numbers, HIS in numbers) == (False, True)


def test_threads_do_not_wait_for_each_other(file: Path) -> None:
    numbers = table(file)
    assert HERS in numbers
    found: list[bool] = []

    threads = [
        threading.Thread(target=lambda: found.append(HERS in numbers)) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert found == [True] * 8


def test_a_file_that_is_gone_is_an_error_and_no_answer(file: Path) -> None:
    numbers = table(file)
    assert HERS in numbers

    file.unlink()

    with pytest.raises(StoreError, match="No such file"):
        HERS in numbers  # noqa: B015
    assert not file.exists()


def test_a_file_that_is_locked_is_an_error_after_a_while(file: Path) -> None:
    numbers = table(file)
    with closing(sqlite3.connect(file, isolation_level=None)) as writer:
        writer.execute("BEGIN EXCLUSIVE")

        with pytest.raises(StoreError, match="locked"):
            HERS in numbers  # noqa: B015

    assert HERS in numbers


def test_a_broken_file_is_an_error_and_no_answer(file: Path) -> None:
    numbers = table(file)
    file.write_bytes(b"no database" * 1000)

    with pytest.raises(StoreError, match="not a database"):
        HERS in numbers  # noqa: B015


@pytest.mark.parametrize(
    ("where", "told"),
    [
        ("nothing.msisdn", "no such table: nothing"),
        ("subscriber.nothing", "no such column: subscriber.nothing"),
        (
            "subscriber.name",
            "no index on name: CREATE INDEX subscriber_name ON subscriber (name)",
        ),
    ],
)
def test_what_cannot_be_asked_is_told_at_once(
    file: Path, where: str, told: str
) -> None:
    with pytest.raises(StoreError) as error:
        table(file, where)

    assert str(error.value) == f"{file}: {told}"


@pytest.mark.parametrize(
    "source",
    [
        "sqlite:",
        "sqlite:n.sqlite",
        "sqlite:n.sqlite?t",
        "sqlite:?t.n",
        'sqlite:n.sqlite?t.n"; DROP TABLE t',
        "sqlite:n.sqlite?t.n.m",
    ],
)
def test_a_source_is_written_in_one_way(source: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"expected sqlite:/path\?table\.column"):
        NumberTable.parse(source, tmp_path, 1.0)


def test_the_file_is_somebody_elses(file: Path) -> None:
    connection = table(file)._connection()

    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        connection.execute("DELETE FROM subscriber")
