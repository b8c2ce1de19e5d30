"""Revocation lists are fetched once, and renewed beside the messages."""

import gc
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from threading import Barrier, BoundedSemaphore, Event, Thread
from weakref import ref

import pytest

from stirmilter.errors import FetchError
from tests.stir.crls import HOUR
from tests.stores.crl.web import CA, DAY, URL, Web, lists, only, urls


def hold(inside: Event, released: Event) -> Callable[[], object]:
    """Say that a fetch has begun, and hold it up."""

    def hook() -> None:
        inside.set()
        released.wait(30)

    return hook


# The first time


def test_a_list_is_fetched_once(web: Web) -> None:
    store = web.store()

    found = [only(store, URL) for _ in range(3)]

    assert found[0] is found[1] is found[2]
    assert found[0].entries == 1
    assert web.asked == [(URL, True)]


def test_many_threads_that_need_a_list_have_it_fetched_once(web: Web) -> None:
    store, barrier, released = web.store(), Barrier(4), Event()
    web.hook = lambda: released.wait(30)

    def find() -> object:
        barrier.wait()
        return only(store, URL)

    with ThreadPoolExecutor(4) as pool:
        futures = [pool.submit(find) for _ in range(4)]
        released.set()
        found = {id(future.result()) for future in futures}

    assert len(found) == 1
    assert len(web.asked) == 1


def test_a_failure_is_remembered_for_a_moment(web: Web) -> None:
    web.pages.clear()
    store = web.store(failure_seconds=30.0)

    for _ in range(3):
        with pytest.raises(FetchError, match="nothing at"):
            store.find(URL)
    assert len(web.asked) == 1

    web.later(timedelta(seconds=31))
    web.pages[URL] = lists(1)
    assert only(store, URL).entries == 1


def test_what_is_no_list_is_a_failure(web: Web) -> None:
    web.pages[URL] = b"<html>"

    with pytest.raises(FetchError, match="not a revocation list"):
        web.store().find(URL)


def test_only_so_many_threads_wait(web: Web) -> None:
    store, inside, released = web.store(concurrency=1), Event(), Event()
    web.hook = hold(inside, released)

    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(store.find, URL)
        assert inside.wait(30)
        with pytest.raises(FetchError, match="too many revocation lists"):
            store.find("https://crl.example/2.crl")
        released.set()
        assert first.result()[0].entries == 1


def test_only_so_many_messages_wait_and_those_with_their_list_at_hand_do_not(
    web: Web,
) -> None:
    places, released = BoundedSemaphore(1), Event()
    store = web.store(places=places)
    one, two = urls(web, 1, 1)
    store.find(one)
    web.hook = lambda: released.wait(30)

    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(store.find, two)
        while places._value:  # till that one waits
            time.sleep(0.01)
        for url in (two, URL):
            with pytest.raises(FetchError, match="too many messages wait"):
                store.find(url)
        assert only(store, one).entries == 1
        released.set()
        first.result()


def test_who_does_not_wait_to_the_end_leaves_the_fetch_to_the_next(web: Web) -> None:
    store, inside, released = web.store(), Event(), Event()
    web.hook = hold(inside, released)

    for _ in range(3):
        with pytest.raises(FetchError, match="not here in time"):
            store.find(URL, 0.0)
    assert inside.wait(30)
    released.set()

    assert only(store, URL).entries == 1
    assert len(web.asked) == 1


def test_lists_are_fetched_at_the_same_time(web: Web) -> None:
    together = Barrier(3)
    places = urls(web, 1, 1, 1)
    store = web.store()
    web.hook = lambda: together.wait(30)

    store.begin(places)

    assert [only(store, place).entries for place in places] == [1, 1, 1]
    store.begin(places)
    assert len(web.asked) == 3


def test_what_failed_a_moment_ago_is_not_begun_again(web: Web) -> None:
    web.pages.clear()
    store = web.store()
    with pytest.raises(FetchError, match="nothing at"):
        store.find(URL)

    store.begin([URL])
    with pytest.raises(FetchError, match="nothing at"):
        store.find(URL)

    assert len(web.asked) == 1


class Thing:
    """What a function has in hand; somebody watches whether it is let go of."""


def test_a_failure_that_is_remembered_holds_nothing_of_how_it_came_about(
    web: Web,
) -> None:
    web.pages.clear()
    seen: list[ref[Thing]] = []

    def hook() -> None:
        thing = Thing()
        seen.append(ref(thing))
        raise FetchError("nothing at all") from OSError(thing)

    web.hook = hook
    store = web.store()

    def ask() -> None:
        thing = Thing()
        seen.append(ref(thing))
        with suppress(FetchError):
            store.find(URL)

    gc.disable()
    try:
        for _ in range(3):
            ask()
        until_alone()
        left = [one() for one in seen]
    finally:
        gc.enable()

    assert left == [None] * 4, "three asked, and one looked"


def until_alone() -> None:
    """Wait for the threads that fetch: they end a moment after they have told."""
    for thread in threading.enumerate():
        if thread.name == "revocation lists":
            thread.join(5)


def test_a_system_that_gives_no_thread_is_a_failure(
    web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    def start(_: Thread) -> None:
        raise RuntimeError("can't start new thread")

    store = web.store()
    with monkeypatch.context() as patch:
        patch.setattr(Thread, "start", start)
        with pytest.raises(FetchError, match="can't start new thread"):
            store.find(URL)

    assert only(store, URL).entries == 1


# Renewal


def test_nothing_is_due_while_a_list_is_new(web: Web) -> None:
    store = web.store()
    store.find(URL)

    assert store.refresh() == []
    assert len(web.asked) == 1


def test_a_list_is_asked_for_again_after_a_while(web: Web) -> None:
    store = web.store(refresh_seconds=3600.0)
    store.find(URL)
    web.pages[URL] = lists(2, begin=timedelta(0))

    web.later(HOUR)

    assert store.refresh() == []
    assert only(store, URL).entries == 2


def test_a_list_is_asked_for_before_it_ends(web: Web) -> None:
    """A tenth of its time before: 24 hours and one, so 2.5 hours."""
    store = web.store(refresh_seconds=DAY.total_seconds() * 9)
    store.find(URL)

    web.later(timedelta(hours=21))
    store.refresh()
    assert len(web.asked) == 1
    web.later(timedelta(hours=1))
    store.refresh()
    assert len(web.asked) == 2


def test_the_old_list_is_used_while_the_next_one_comes(web: Web) -> None:
    store = web.store()
    old = only(store, URL)
    inside, released = Event(), Event()
    web.hook = hold(inside, released)
    web.pages[URL] = lists(2, begin=timedelta(0))
    web.later(2 * HOUR)

    with ThreadPoolExecutor(1) as pool:
        renewal = pool.submit(store.refresh)
        assert inside.wait(30)
        assert only(store, URL) is old
        released.set()
        assert renewal.result() == []
    assert only(store, URL).entries == 2


def test_the_old_list_stays_when_the_next_one_cannot_be_had(web: Web) -> None:
    store = web.store(failure_seconds=30.0)
    old = only(store, URL)
    del web.pages[URL]
    web.later(2 * HOUR)

    assert store.refresh() == [f"{URL}: nothing at {URL}"]
    assert store.refresh() == []  # the failure is remembered
    assert only(store, URL) is old
    web.later(timedelta(seconds=31))
    assert len(store.refresh()) == 1
    assert only(store, URL) is old


def test_an_older_list_does_not_take_the_place_of_a_newer_one(web: Web) -> None:
    store = web.store()
    old = only(store, URL)
    store.prove(URL, old, CA.certificate)
    web.pages[URL] = lists(0, begin=-2 * HOUR)
    web.later(2 * HOUR)

    assert store.refresh() == [f"{URL}: an older list than the one that is known"]
    assert only(store, URL) is old


def test_a_list_from_the_future_does_not_keep_the_next_one_out(web: Web) -> None:
    web.pages[URL] = lists(0, begin=9 * HOUR)
    store = web.store()
    store.prove(URL, only(store, URL), CA.certificate)
    web.pages[URL] = lists(1)
    web.later(2 * HOUR)

    assert store.refresh() == []
    assert only(store, URL).entries == 1


def test_a_list_that_has_expired_is_not_asked_for_at_every_turn(web: Web) -> None:
    web.pages[URL] = lists(1, begin=-DAY, end=-HOUR)
    store = web.store(failure_seconds=30.0)
    store.find(URL)

    for _ in range(3):
        store.refresh()

    assert len(web.asked) == 1


def test_the_generation_changes_with_a_list_and_not_with_a_look(web: Web) -> None:
    store = web.store()
    store.find(URL)
    first = store.generation

    web.later(2 * HOUR)
    store.refresh()
    assert store.generation == first
    web.pages[URL] = lists(2, begin=timedelta(0))
    web.later(2 * HOUR)
    store.refresh()
    assert store.generation != first


def test_ages_are_told_by_place(web: Web) -> None:
    store = web.store()
    assert store.ages() == {}
    store.find(URL)

    web.later(HOUR)

    assert store.ages() == {URL: 7200.0}
