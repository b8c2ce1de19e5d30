import os
import sys
import tracemalloc
from datetime import timedelta

import pytest

from stirmilter.errors import StoreError
from stirmilter.stores.replay import MemoryReplayStore
from tests.laboratory import NOW
from tests.stores.replay.conftest import SIGNED, SMALL, A, B, key


def test_it_holds_exactly_its_limit() -> None:
    store = MemoryReplayStore(SMALL)
    for number in range(SMALL):
        assert store.claim([key(number)], A, SIGNED, NOW)

    with pytest.raises(StoreError, match=r"full, 200 live keys \(replay.limit\)"):
        store.claim([key(SMALL)], A, SIGNED, NOW)

    assert not store.claim([key(0)], B, SIGNED, NOW)
    assert store.claim([key(0), key(SMALL - 1)], A, SIGNED, NOW)


def test_it_tells_how_much_of_its_room_is_used() -> None:
    store = MemoryReplayStore(SMALL)
    store.claim([key(0), key(1)], A, SIGNED, NOW)

    assert store.occupied() == (2, SMALL)


def test_what_has_no_room_is_not_recorded_in_part() -> None:
    store = MemoryReplayStore(3)
    store.claim([key(0), key(1)], A, SIGNED, NOW)

    with pytest.raises(StoreError):
        store.claim([key(2), key(3)], A, SIGNED, NOW)

    assert store.claim([key(3)], B, SIGNED, NOW)


def test_there_is_room_again_when_keys_are_due() -> None:
    seconds = [0.0]
    store = MemoryReplayStore(1, timedelta(hours=1), monotonic=lambda: seconds[0])
    store.claim([key(0)], A, SIGNED, NOW)
    seconds[0] = 3600.0
    later = NOW + timedelta(hours=1)

    assert store.claim([key(1)], A, later, later)


def test_a_key_costs_less_than_two_hundred_octets() -> None:
    """Also when every one has a holder of its own, and comes in another second."""
    keys = [key(number) for number in range(100_000)]
    names = [b"%016d" % number for number in range(100_000)]
    own = sum(map(sys.getsizeof, keys)) + sum(map(sys.getsizeof, names))
    tracemalloc.start()
    try:
        store = MemoryReplayStore()
        for number, (one, name) in enumerate(zip(keys, names, strict=True)):
            store.claim([one], name, SIGNED + timedelta(seconds=number // 12), NOW)
        spent, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert (spent + own) / len(keys) < 200


@pytest.mark.conformance("V-09")
def test_a_process_that_takes_the_place_of_another_knows_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A worker that was killed has taken along what it knew."""
    seconds = [0.0]
    now = [NOW]
    store = MemoryReplayStore(since=lambda: now[0], monotonic=lambda: seconds[0])
    assert list(store.look()) == []
    assert store.claim([key(1)], A, NOW, NOW)

    monkeypatch.setattr(os, "getpid", lambda: 4_000_000)
    seconds[0], now[0] = 60.0, NOW + timedelta(minutes=1)
    store.clear()

    for signed_at in (NOW, now[0], now[0] + timedelta(minutes=1)):
        with pytest.raises(StoreError, match="knows nothing of tokens signed before"):
            store.claim([key(2)], B, signed_at, now[0])
    assert store.claim([key(2)], B, now[0] + timedelta(seconds=61), now[0])
