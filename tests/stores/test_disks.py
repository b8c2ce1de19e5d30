"""Real disks that are full, or take no writes: what the stores in files do then."""

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from stirmilter.errors import StoreError
from stirmilter.stores.documents import DocumentStore, Kind
from stirmilter.stores.replay import SqliteReplayStore
from stirmilter.stores.tiers import SqliteTier
from tests.laboratory import NOW
from tests.stores.disks import Disk, mounted
from tests.stores.webs import Clock, Web

A, B, C = (f"https://certs.example/{name}" for name in "abc")
ONE, OTHER = b"1" * 16, b"2" * 16
KIND = Kind(name="certificate", octets=20_000, check=len)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    with mounted(tmp_path / "disk") as found:
        yield found


@pytest.fixture
def web() -> Web:
    return Web(b"good" * 4_000)


@pytest.fixture
def told() -> list[str]:
    return []


class Shared:
    """Two workers that share a file on the disk."""

    def __init__(self, disk: Disk, web: Web, told: list[str]) -> None:
        self.clock = Clock()
        self.tier = SqliteTier(disk.folder / "db", seconds=0.1)
        self.first, self.second = (
            DocumentStore(web.get, self.tier, clock=self.clock, observe=told.append)
            for _ in range(2)
        )


@pytest.fixture
def shared(disk: Disk, web: Web, told: list[str]) -> Shared:
    return Shared(disk, web, told)


def test_documents_are_had_though_the_disk_is_full(
    disk: Disk, shared: Shared, web: Web, told: list[str]
) -> None:
    shared.first.get(A, KIND)
    disk.fill()

    assert shared.first.get(B, KIND) == web.body
    shared.clock.now += 1
    assert shared.second.get(A, KIND) == web.body, "what is there can be read"
    assert web.fetched == [A, B]
    [line] = told
    assert "full" in line
    assert line.endswith("; doing without")

    disk.clear()
    shared.clock.now += 1
    shared.first.get(C, KIND)
    shared.second.get(C, KIND)
    assert web.fetched == [A, B, C]


def test_documents_are_had_though_the_disk_takes_no_writes(
    disk: Disk, shared: Shared, web: Web, told: list[str]
) -> None:
    shared.first.get(A, KIND)
    shared.tier._database().close()

    with disk.read_only():
        for store in (shared.first, shared.second):
            assert store.get(B, KIND) == web.body
        shared.tier._database().close()
    assert web.fetched == [A, B, B]
    assert len(told) >= 1

    shared.clock.now += 1
    shared.second.get(A, KIND)
    assert web.fetched == [A, B, B], "it is used again, and nothing is lost"


def store_on(disk: Disk) -> SqliteReplayStore:
    return SqliteReplayStore(
        disk.folder / "r", retention=timedelta(hours=1), seconds=0.1
    )


def claimed(store: SqliteReplayStore, number: int, holder: bytes = ONE) -> bool:
    return store.claim([number.to_bytes(16, "big")], holder, NOW, NOW)


def claim_on(store: SqliteReplayStore) -> None:
    """Claim until nothing fits in any more: a file that is open has a few pages."""
    for number in range(2, 1_000):
        claimed(store, number)


@pytest.mark.conformance("V-09")
def test_no_replay_passes_while_the_disk_is_full(disk: Disk) -> None:
    with closing(store_on(disk)) as store:
        assert claimed(store, 1)
        disk.fill()
        with pytest.raises(StoreError, match=r"full \(replay.limit, or the disk\)"):
            claim_on(store)

        assert not claimed(store, 1, OTHER)
        disk.clear()

        assert claimed(store, 9_999)
        assert not claimed(store, 1, OTHER)


@pytest.mark.conformance("V-09")
def test_no_replay_passes_while_the_disk_takes_no_writes(disk: Disk) -> None:
    with closing(store_on(disk)) as store:
        assert claimed(store, 1)
        store.close()

        with disk.read_only():
            for number in (1, 2):
                with pytest.raises(StoreError, match="replay store"):
                    claimed(store, number, OTHER)
            with pytest.raises(StoreError, match="must be able to write there"):
                store_on(disk)
            store.close()

        assert claimed(store, 2)
        assert not claimed(store, 1, OTHER)
    assert not list(disk.folder.glob("*.broken-*")), "there was nothing wrong with it"
