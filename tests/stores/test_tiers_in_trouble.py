"""What is shared is locked, read-only, full, broken or gone: documents are had still.

Each time the network and the memory do without it, and one line says so.
"""

import socket
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from stirmilter.stores.documents import DocumentStore, Kind, Tier
from stirmilter.stores.redis import RedisServer
from stirmilter.stores.tiers import RedisTier, SqliteTier
from tests.redis_server import RedisServerProcess, patient
from tests.stores.webs import Clock, Web

A, B, C = (f"https://certs.example/{name}" for name in "abc")
GARBAGE = b"this was a database once" * 400
KIND = Kind(name="certificate", octets=100, check=len)


@pytest.fixture
def told() -> list[str]:
    return []


Make = Callable[[Tier], DocumentStore]


@pytest.fixture
def make(web: Web, clock: Clock, told: list[str]) -> Make:
    def make(tier: Tier) -> DocumentStore:
        return DocumentStore(web.get, tier, clock=clock, observe=told.append)

    return make


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keep everybody else from writing, and from reading what is not in the log."""
    SqliteTier(path).save("k", b"x", 0.0, 1.0)
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    yield
    holder.execute("ROLLBACK")
    holder.close()


@contextmanager
def in_no_folder(path: Path) -> Iterator[None]:
    path.parent.rmdir()
    yield


def sqlite(path: Path) -> SqliteTier:
    return SqliteTier(path, seconds=0.05)


@pytest.mark.parametrize("trouble", [locked, in_no_folder])
def test_a_file_that_cannot_be_used_is_done_without(
    make: Make,
    web: Web,
    told: list[str],
    tmp_path: Path,
    trouble: Callable[..., object],
) -> None:
    folder = tmp_path / "shared"
    folder.mkdir()
    store = make(sqlite(folder / "db"))

    with trouble(folder / "db"):  # type: ignore[attr-defined]
        for _ in range(3):
            for url in (A, B):
                assert store.get(url, KIND) == b"good"

    assert web.fetched == [A, B]
    [line] = told
    assert line.startswith(f"certificate store: {folder}/db: ")
    assert line.endswith("; doing without")


def test_a_file_is_used_again_when_it_can_be(
    make: Make, web: Web, clock: Clock, tmp_path: Path
) -> None:
    one, two = (make(sqlite(tmp_path / "db")) for _ in range(2))
    with locked(tmp_path / "db"):
        one.get(A, KIND)
    clock.now += 1

    one.get(B, KIND)
    two.get(B, KIND)

    assert web.fetched == [A, B]


class ReadOnly(SqliteTier):
    """A file on a file system that has turned read-only, as one does after a fault."""

    def save(self, key: str, record: bytes, now: float, until: float) -> None:
        self._database().connection().execute("PRAGMA query_only = ON")
        super().save(key, record, now, until)


def test_a_file_that_turns_read_only_is_done_without(
    make: Make, web: Web, told: list[str], tmp_path: Path
) -> None:
    store = make(ReadOnly(tmp_path / "db"))

    for _ in range(2):
        assert store.get(A, KIND) == b"good"

    assert web.fetched == [A]
    assert "readonly" in told[0]


class Full(SqliteTier):
    """A file on a disk that has become full."""

    def save(self, key: str, record: bytes, now: float, until: float) -> None:
        connection = self._database().connection()
        [[pages]] = connection.execute("PRAGMA page_count")
        connection.execute(f"PRAGMA max_page_count = {pages}")
        super().save(key, record, now, until)


def test_a_file_that_is_full_is_done_without(
    clock: Clock, told: list[str], tmp_path: Path
) -> None:
    web = Web(b"good" * 5_000)
    kind = Kind(name="certificate", octets=100_000, check=len)
    tier = Full(tmp_path / "db")
    store = DocumentStore(web.get, tier, clock=clock, observe=told.append)

    for _ in range(2):
        assert store.get(A, kind) == web.body

    assert web.fetched == [A]
    assert "full" in told[0]
    assert tier.load("anything", 100, clock.now) is None, (
        "what is there can be read still"
    )


def test_a_use_that_cannot_be_noted_does_not_keep_a_record_away(
    web: Web, clock: Clock, told: list[str], tmp_path: Path
) -> None:
    """A back-up holds the lock: nobody waits for it to say what he has read."""
    tier = SqliteTier(tmp_path / "db", seconds=60)
    DocumentStore(web.get, tier, clock=clock).get(A, KIND)
    clock.now += 60
    second = DocumentStore(web.get, tier, clock=clock, observe=told.append)

    def load() -> tuple[bytes, int]:
        found = second.get(A, KIND)
        connection = tier._database().connection()
        return found, connection.execute("PRAGMA busy_timeout").fetchone()[0]

    with (
        closing(sqlite3.connect(tmp_path / "db", isolation_level=None)) as other,
        ThreadPoolExecutor(1) as pool,
    ):
        other.execute("BEGIN IMMEDIATE")
        try:
            found, patience = pool.submit(load).result(30)
        finally:
            other.execute("ROLLBACK")

    assert (found, patience) == (b"good", 60_000), "whoever writes waits as before"
    assert web.fetched == [A]
    assert told == []


@pytest.mark.parametrize("opened", [False, True], ids=["at-the-start", "at-work"])
def test_a_broken_file_is_set_aside_and_begun_anew(
    make: Make, web: Web, clock: Clock, tmp_path: Path, *, opened: bool
) -> None:
    path, rebuilt = tmp_path / "db", list[Path]()
    tier = SqliteTier(path, rebuilt=rebuilt.append)
    store = make(tier)
    if opened:
        store.get(A, KIND)
        tier._database().close()
        for file in tmp_path.glob("db-*"):
            file.unlink()
    path.write_bytes(GARBAGE)

    for url in (A, B, C):
        clock.now += 1
        assert store.get(url, KIND) == b"good"

    [aside] = rebuilt
    assert aside.read_bytes() == GARBAGE
    clock.now += 1
    make(SqliteTier(path)).get(C, KIND)
    assert web.fetched == [A, B, C]


def test_redis_that_is_killed_and_started_again_costs_no_document(
    make: Make, web: Web, clock: Clock, told: list[str], tmp_path: Path
) -> None:
    with RedisServerProcess(tmp_path) as server:
        one, two = (
            make(RedisTier(patient("certificate store", server.url, pause=0)))
            for _ in range(2)
        )
        one.get(A, KIND)
        server.kill()

        assert two.get(A, KIND) == two.get(A, KIND) == b"good"
        assert web.fetched == [A, A]

        server.start()
        clock.now += 1
        two.get(B, KIND)
        one.get(B, KIND)

    assert web.fetched == [A, A, B]
    [line] = told
    assert line.startswith("certificate store: unix://")


def test_redis_that_accepts_and_says_nothing_is_done_without(
    make: Make, web: Web, told: list[str], tmp_path: Path
) -> None:
    path = tmp_path / "silent.sock"
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(path))
        silent.listen()
        server = RedisServer("certificate store", f"unix://{path}", seconds=0.05)
        store = make(RedisTier(server))

        assert store.get(A, KIND) == b"good"

    assert web.fetched == [A]
    assert len(told) == 1


def test_redis_that_is_full_is_done_without(
    make: Make, web: Web, told: list[str], tmp_path: Path
) -> None:
    with RedisServerProcess(tmp_path, "--maxmemory", "1mb") as server:
        client = server.client()
        client.config_set("maxmemory", 1)
        store = make(RedisTier(patient("certificate store", server.url)))

        assert store.get(A, KIND) == b"good"

    assert web.fetched == [A]
    assert "maxmemory" in told[0]


def test_redis_that_holds_something_else_there_is_done_without(
    make: Make, web: Web, redis_server: RedisServerProcess
) -> None:
    tier = RedisTier(patient("certificate store", redis_server.url))
    client = redis_server.client()
    client.flushall()
    store = make(tier)
    store.get(A, KIND)
    [name] = client.keys()
    client.delete(name)
    client.lpush(name, "a list")

    assert make(tier).get(A, KIND) == b"good"

    assert web.fetched == [A, A]


def test_the_log_is_told_once_a_minute(
    make: Make, clock: Clock, told: list[str], tmp_path: Path
) -> None:
    store = make(SqliteTier(tmp_path / "none" / "db"))

    for number in range(120):
        store.get(f"{A}/{number}", KIND)
        clock.now += 1

    assert len(told) == 2


def test_a_tier_that_failed_is_left_alone_for_a_moment(
    make: Make, clock: Clock, tmp_path: Path
) -> None:
    class Counted(SqliteTier):
        asked = 0

        def load(self, key: str, octets: int, now: float) -> bytes | None:
            self.asked += 1
            return super().load(key, octets, now)

    tier = Counted(tmp_path / "none" / "db")
    store = make(tier)

    for number in range(10):
        store.get(f"{A}/{number}", KIND)
    assert tier.asked == 1

    clock.now += 1
    store.get(B, KIND)
    assert tier.asked == 2
