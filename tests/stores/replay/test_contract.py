"""What every replay store does: whoever is first has the key, whoever asks."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stirmilter.errors import StoreError
from stirmilter.services import ReplayStore
from stirmilter.stores.replay import Entry, MemoryReplayStore, SqliteReplayStore
from tests.laboratory import NOW
from tests.stores.replay.conftest import END, SIGNED, A, B, Maker, holder, key

SECOND = timedelta(seconds=1)


def claim(store: ReplayStore, name: bytes, *numbers: int, keep: bool = True) -> bool:
    return store.claim([key(n) for n in numbers], name, SIGNED, NOW, keep=keep)


def test_the_first_holder_has_the_key(store: ReplayStore) -> None:
    names = (A, B, A, holder("c"))

    assert [claim(store, name, 1) for name in names] == [True, False, True, False]


def test_each_key_has_its_own_holder(store: ReplayStore) -> None:
    assert claim(store, A, 1)
    assert claim(store, B, 2)
    assert not claim(store, A, 2)


def test_keys_and_holders_may_hold_any_octets(store: ReplayStore) -> None:
    odd = [b"\0" * 16, b"\xff" * 16, b"*?[]\\\r\n'\"" + b" " * 7]

    assert store.claim(odd, odd[0], SIGNED, NOW)
    assert store.claim(odd, odd[0], SIGNED, NOW)
    assert not store.claim(odd[1:], odd[1], SIGNED, NOW)


def test_a_claim_takes_all_keys_or_none(store: ReplayStore) -> None:
    assert claim(store, A, 2)

    assert not claim(store, B, 1, 2, 3)

    assert claim(store, holder("c"), 1, 3)


def test_a_key_that_is_named_twice_is_one(store: ReplayStore) -> None:
    assert claim(store, A, 1, 1, 2)
    assert claim(store, A, 2, 1)


def test_no_keys_are_granted(store: ReplayStore) -> None:
    assert claim(store, A)


def test_a_retry_adds_what_is_new(store: ReplayStore) -> None:
    """A client that was answered 4xx for one recipient comes again for two."""
    assert claim(store, A, 1)
    assert claim(store, A, 1, 2)
    assert not claim(store, B, 2)


def test_who_only_asks_hears_what_a_claim_would_and_takes_nothing(
    maker: Maker,
) -> None:
    store = maker()
    claim(store, A, 1)
    [before] = store.entries()

    assert claim(store, B, 2, keep=False)
    assert claim(store, A, 1, 2, keep=False)
    assert not claim(store, B, 1, 2, keep=False)

    [after] = store.entries()
    assert (after.key, after.holder) == (before.key, before.holder)
    assert claim(store, B, 2)
    assert not claim(store, A, 2, keep=False)


@pytest.mark.parametrize("early", [SECOND, timedelta(minutes=30)])
def test_a_key_is_kept_while_its_token_is_fresh(maker: Maker, early: timedelta) -> None:
    store = maker()
    claim(store, A, 1)

    at = maker.clock.pass_to(END - early)

    assert not store.claim([key(1)], B, SIGNED, at)


@pytest.mark.parametrize("maker", ["memory", "sqlite"], indirect=True)
@pytest.mark.parametrize("late", [2 * SECOND, timedelta(days=9)])
def test_a_key_is_forgotten_soon_after(maker: Maker, late: timedelta) -> None:
    """A Redis server has its own clock; see there."""
    store = maker()
    claim(store, A, 1)
    at = maker.clock.pass_to(END + late)

    store.claim([key(2)], A, at, at)

    assert [entry.key for entry in store.entries()] == [key(2)]


def test_a_retry_does_not_lengthen_a_key(maker: Maker) -> None:
    store = maker()
    claim(store, A, 1)
    [before] = store.entries()
    claim(store, A, 1)

    [after] = store.entries()
    assert abs(after.until - before.until) < SECOND


def test_of_threads_that_race_one_wins(maker: Maker) -> None:
    """Whoever only asks beside them costs nobody the key."""
    keys = range(50)
    start = Barrier(6, timeout=30)
    store = maker()

    def race(name: str) -> list[bool]:
        won = []
        for number in keys:
            start.wait()
            keep = name in "abcd"
            won.append(claim(store, holder(name), number, keep=keep))
        if isinstance(store, SqliteReplayStore):
            store.close()
        return won

    with ThreadPoolExecutor(6) as pool:
        results = list(pool.map(race, "abcdef"))

    assert [sum(won) for won in zip(*results[:4], strict=True)] == [1] * len(keys)


def test_entries_are_what_was_claimed(maker: Maker) -> None:
    store = maker()
    claim(store, A, 1, 2)
    claim(store, B, 3)

    found = {entry.key: entry for entry in store.entries()}

    assert {k: e.holder for k, e in found.items()} == {key(1): A, key(2): A, key(3): B}
    assert all(isinstance(entry, Entry) for entry in found.values())
    if maker.kind != "redis":
        assert all(END <= one.until <= END + 2 * SECOND for one in found.values())
    assert store.stats().keys == 3


def test_what_is_cleared_may_be_claimed_again(maker: Maker) -> None:
    store = maker()
    claim(store, A, 1, 2, 3)

    assert store.clear([key(1), key(9)]) == 1
    assert claim(store, B, 1)
    assert not claim(store, B, 2)
    assert store.clear() == 3
    assert store.clear() == 0
    assert store.stats().keys == 0
    assert claim(store, B, 2)


def test_memory_forgets_what_was_cleared_and_claimed_again_in_its_time() -> None:
    """A key that is cleared must not take a later claim of it along when it is due."""
    now = [0.0]
    store = MemoryReplayStore(10, timedelta(hours=1), monotonic=lambda: now[0])
    claim(store, A, 1)
    store.clear([key(1)])
    later = NOW + timedelta(minutes=50)
    store.claim([key(1)], B, later, later)
    now[0] = 3700.0

    assert not store.claim([key(1)], A, later, NOW + timedelta(seconds=3700))


# A store that is younger than the token


@pytest.mark.parametrize("keep", [True, False], ids=["claims", "asks"])
def test_a_new_store_knows_nothing_of_older_tokens(maker: Maker, keep: bool) -> None:
    store = maker(since=NOW)

    with pytest.raises(StoreError, match="knows nothing of tokens signed before 2026"):
        store.claim([key(1)], A, NOW - 2 * SECOND, NOW, keep=keep)

    assert store.claim([key(1)], B, NOW - SECOND / 2, NOW), "what it refused is free"
    assert store.claim([key(2)], B, NOW + SECOND, NOW)


def test_what_it_did_see_it_knows_of_older_tokens_too(maker: Maker) -> None:
    store = maker(since=NOW)
    store.claim([key(1)], A, NOW, NOW)

    assert store.claim([key(1)], A, NOW - 9 * SECOND, NOW)
    assert not store.claim([key(1)], B, NOW - 9 * SECOND, NOW)


def test_none_of_the_keys_of_an_older_token_is_taken(maker: Maker) -> None:
    store = maker(since=NOW)
    store.claim([key(1)], A, NOW, NOW)

    with pytest.raises(StoreError):
        store.claim([key(1), key(2)], A, NOW - 9 * SECOND, NOW)

    assert store.claim([key(2)], B, NOW, NOW)


@pytest.mark.parametrize("maker", ["sqlite", "redis"], indirect=True)
def test_when_it_began_is_shared(maker: Maker) -> None:
    first, second = maker(since=NOW), maker(since=NOW + timedelta(hours=9))
    assert first.claim([key(1)], A, NOW, NOW)

    assert second.claim([key(2)], A, NOW, NOW)
    assert second.stats().since == NOW


# Any history, against a dictionary

claims = st.lists(
    st.tuples(
        st.lists(st.integers(0, 5), max_size=4),
        st.sampled_from("ab"),
        st.sampled_from(["claim", "ask", "clear"]),
    ),
    max_size=20,
)


@given(history=claims)
@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_it_does_what_a_dictionary_does(maker: Maker, history: list[Any]) -> None:
    store = maker()
    store.clear()
    model: dict[int, str] = {}
    for numbers, name, verb in history:
        keep = verb == "claim"
        if verb == "clear":
            store.clear([key(n) for n in numbers])
            for number in numbers:
                model.pop(number, None)
            continue
        good = all(model.get(n, name) == name for n in numbers)
        assert claim(store, holder(name), *numbers, keep=keep) == good
        if good and keep:
            model |= dict.fromkeys(numbers, name)
    assert {e.key: e.holder for e in store.entries()} == {
        key(number): holder(name) for number, name in model.items()
    }
