"""Revocation lists are fetched once, renewed beside the messages, and bounded."""

import gc
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from threading import Barrier, BoundedSemaphore, Event, Thread
from weakref import ref

import pytest
from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID

from stirmilter.errors import FetchError
from stirmilter.stir.revocation import RevocationList
from stirmilter.stores.crl import RevocationStore
from tests.laboratory import NOW
from tests.stir.certificates import issue, pem, usage
from tests.stir.crls import HOUR, authority, crl, point

CA = authority("ca")
DAY = timedelta(days=1)
URL = "https://crl.example/1.crl"


class Web:
    """Octets by URL, or an error; counts what was asked, under a clock of its own."""

    def __init__(self, **pages: bytes) -> None:
        self.pages = {f"https://crl.example/{n}.crl": p for n, p in pages.items()}
        self.asked: list[tuple[str, bool]] = []
        self.now = NOW.timestamp()
        self.hook: Callable[[], object] = lambda: None

    def get(self, url: str, revalidate: bool) -> bytes:
        self.asked.append((url, revalidate))
        self.hook()
        if url not in self.pages:
            raise FetchError(f"nothing at {url}")
        return self.pages[url]

    def store(self, **parts: object) -> RevocationStore:
        return RevocationStore(self.get, clock=lambda: self.now, **parts)  # type: ignore[arg-type]

    def later(self, ago: timedelta) -> None:
        self.now += ago.total_seconds()


def lists(number: int, *, begin: timedelta = -HOUR, end: timedelta = DAY) -> bytes:
    """A list with so many entries."""
    entries = [(serial, ()) for serial in range(1, number + 1)]
    return crl(CA, *entries, begin=NOW + begin, end=NOW + end)


def only(store: RevocationStore, place: str) -> RevocationList:
    """Return the list of a place that has one."""
    [found] = store.find(place)
    return found


def hold(inside: Event, released: Event) -> Callable[[], object]:
    """Say that a fetch has begun, and hold it up."""

    def hook() -> None:
        inside.set()
        released.wait(5)

    return hook


@pytest.fixture
def web() -> Web:
    web = Web()
    web.pages[URL] = lists(1)
    return web


# The first time


def test_a_list_is_fetched_once(web: Web) -> None:
    store = web.store()

    found = [only(store, URL) for _ in range(3)]

    assert found[0] is found[1] is found[2]
    assert found[0].entries == 1
    assert web.asked == [(URL, True)]


def test_many_threads_that_need_a_list_have_it_fetched_once(web: Web) -> None:
    store, barrier, released = web.store(), Barrier(4), Event()
    web.hook = lambda: released.wait(5)

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
        assert inside.wait(5)
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
    web.hook = lambda: released.wait(5)

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
    assert inside.wait(5)
    released.set()

    assert only(store, URL).entries == 1
    assert len(web.asked) == 1


def test_lists_are_fetched_at_the_same_time(web: Web) -> None:
    together = Barrier(3)
    places = urls(web, 1, 1, 1)
    store = web.store()
    web.hook = lambda: together.wait(5)

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
        if thread.name == "list":
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
        assert inside.wait(5)
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


# What somebody on the way puts in the place of a list

MALLORY = authority("ca")


def strange(number: int, begin: timedelta = timedelta(0)) -> bytes:
    entries = [(serial, ()) for serial in range(1, number + 1)]
    return crl(MALLORY, *entries, begin=NOW + begin, end=NOW + 9 * DAY)


def test_a_list_that_was_proved_goes_for_none_by_another_signer(web: Web) -> None:
    store = web.store(failure_seconds=30.0)
    old = only(store, URL)
    store.prove(URL, old, CA.certificate)
    web.pages[URL] = strange(0)
    web.later(2 * HOUR)

    problems = store.refresh()

    [problem] = problems
    assert problem.startswith(f"{URL}: not signed by whoever signed the list before")
    assert store.find(URL)[1:] == (old,)  # and the new one, for whoever it is good


def test_the_next_list_by_its_signer_takes_the_place_of_both(web: Web) -> None:
    store = web.store(failure_seconds=30.0)
    store.prove(URL, only(store, URL), CA.certificate)
    web.pages[URL] = strange(0, begin=HOUR)
    web.later(2 * HOUR)
    store.refresh()

    web.pages[URL] = lists(2, begin=timedelta(0))  # made before Mallory's
    web.later(timedelta(seconds=31))

    assert store.refresh() == []
    assert only(store, URL).entries == 2


def test_a_list_that_nobody_proved_keeps_no_older_one_out(web: Web) -> None:
    web.pages[URL] = strange(0)
    store = web.store()
    store.find(URL)

    web.pages[URL] = lists(3)
    web.later(2 * HOUR)

    assert store.refresh() == []
    assert only(store, URL).entries == 3


def test_the_same_list_with_a_spoilt_signature_is_another(web: Web) -> None:
    good = web.pages[URL]
    web.pages[URL] = good[:-1] + bytes([good[-1] ^ 1])
    store = web.store()
    store.find(URL)

    web.pages[URL] = good
    web.later(2 * HOUR)
    store.refresh()

    assert only(store, URL).signed_by(CA.certificate)


def test_a_list_is_proved_even_if_it_was_confirmed_meanwhile(web: Web) -> None:
    store = web.store()
    found = only(store, URL)
    web.later(2 * HOUR)
    store.refresh()

    store.prove(URL, found, CA.certificate)
    web.pages[URL] = strange(0)
    web.later(2 * HOUR)
    store.refresh()

    assert found in store.find(URL)


def test_what_another_list_was_proved_proves_nothing_of_this_one(web: Web) -> None:
    store = web.store()
    old = only(store, URL)
    web.pages[URL] = strange(0)
    web.later(2 * HOUR)
    store.refresh()

    store.prove(URL, old, CA.certificate)

    assert len(store.find(URL)) == 1


def test_a_place_has_lists_of_a_few_signers_and_forgets_none_before_its_end(
    web: Web,
) -> None:
    signers = [authority(f"ca {number}") for number in range(6)]
    store = web.store()
    for signer in signers:
        web.pages[URL] = crl(signer, begin=NOW - HOUR, end=NOW + 9 * DAY)
        web.later(2 * HOUR)
        store.find(URL)
        store.refresh()
        store.prove(URL, store.find(URL)[0], signer.certificate)

    kept = store.find(URL)
    assert len(kept) == 5
    for listed, signer in zip(kept[1:], signers, strict=False):
        assert listed.signed_by(signer.certificate)
    web.later(9 * DAY)
    web.pages[URL] = crl(signers[5], begin=NOW + 9 * DAY, end=NOW + 20 * DAY)
    store.refresh()
    store.prove(URL, store.find(URL)[0], signers[5].certificate)
    assert only(store, URL).signed_by(signers[5].certificate)


def test_what_nobody_vouches_for_drives_out_nothing(web: Web) -> None:
    one, two = urls(web, 2, 2)
    store = web.store(entries=6)
    for url in (two, one):
        store.prove(url, only(store, url), CA.certificate)
    web.pages[one] = strange(3)
    web.later(2 * HOUR)

    problems = store.refresh()

    assert f"{one}: more than 6 certificates in all lists" in problems
    assert set(store.ages()) == {one, two}


# The operator's own


def test_the_lists_of_the_operator_are_had_in_advance(web: Web) -> None:
    store = web.store(pinned=[URL])

    assert store.refresh() == []

    assert web.asked == [(URL, True)]
    assert only(store, URL).entries == 1


def test_a_file_is_read_at_once_and_again_when_it_changes(
    web: Web, tmp_path: Path
) -> None:
    path = tmp_path / "own.crl"
    path.write_bytes(lists(1))
    store = web.store(files=[path])
    assert only(store, str(path)).entries == 1

    store.refresh()
    first = store.generation
    path.write_bytes(lists(2))
    assert store.refresh() == []

    assert store.generation != first
    assert only(store, str(path)).entries == 2
    assert web.asked == []


def test_a_file_that_goes_or_breaks_leaves_the_list_that_was_read(
    web: Web, tmp_path: Path
) -> None:
    path = tmp_path / "own.crl"
    path.write_bytes(lists(1))
    store = web.store(files=[path], failure_seconds=1.0)

    path.write_bytes(b"garbage")
    assert "not a revocation list" in store.refresh()[0]
    web.later(timedelta(seconds=2))
    path.unlink()
    assert store.refresh() == [f"{path}: No such file or directory"]

    assert only(store, str(path)).entries == 1


def test_a_file_that_is_no_list_is_told_at_once(web: Web, tmp_path: Path) -> None:
    path = tmp_path / "own.crl"
    path.write_bytes(b"garbage")

    with pytest.raises(FetchError, match="not a revocation list"):
        web.store(files=[path])


# Bounds


def urls(web: Web, *entries: int) -> list[str]:
    """Publish lists with so many entries each."""
    found = []
    for place, number in enumerate(entries):
        url = f"https://crl.example/{place}.crl"
        web.pages[url] = lists(number)
        found.append(url)
    return found


def test_only_so_many_lists_are_kept(web: Web) -> None:
    store = web.store(lists=2)
    one, two, three = urls(web, 1, 1, 1)

    for url in (one, two, one, three):
        store.find(url)

    assert set(store.ages()) == {one, three}


def test_only_so_many_entries_are_kept(web: Web) -> None:
    store = web.store(entries=5)
    one, two, three = urls(web, 2, 2, 3)

    for url in (one, two, three):
        store.find(url)

    assert set(store.ages()) == {two, three}


def test_a_list_that_is_too_long_is_not_kept(web: Web) -> None:
    [url] = urls(web, 6)
    store = web.store(entries=5)

    with pytest.raises(FetchError, match="more than 5 entries"):
        store.find(url)

    assert store.ages() == {}


def test_the_lists_of_the_operator_are_never_forgotten(
    web: Web, tmp_path: Path
) -> None:
    one, two, three = urls(web, 2, 1, 3)
    path = tmp_path / "own.crl"
    path.write_bytes(lists(1))
    store = web.store(pinned=[one], files=[path], lists=1, entries=5)
    store.refresh()

    store.find(two)
    with pytest.raises(FetchError, match="more than 5 certificates in all lists"):
        store.find(three)

    assert {one, str(path)} <= set(store.ages())


def test_failures_are_bounded_as_well(web: Web) -> None:
    store = web.store(lists=3)

    for number in range(20):
        with pytest.raises(FetchError):
            store.find(f"https://crl.example/missing-{number}.crl")

    assert len(store._failed) <= 3


# The signer of an indirect list


def indirect(place: str) -> bytes:
    access = x509.AuthorityInformationAccess(
        [
            x509.AccessDescription(
                AuthorityInformationAccessOID.CA_ISSUERS,
                x509.UniformResourceIdentifier(place),
            )
        ]
    )
    return crl(CA, extensions=[point(indirect_crl=True), access], critical=False)


def test_the_certificates_that_lead_to_its_signer_come_with_an_indirect_list(
    web: Web,
) -> None:
    signer = issue("signer", use=usage("crl_sign"))
    web.pages["https://crl.example/signer.pem"] = pem(signer)
    web.pages[URL] = indirect("https://crl.example/signer.pem")

    assert only(web.store(), URL).helpers == (signer.certificate,)


@pytest.mark.parametrize("page", [None, b"garbage"])
def test_without_them_the_list_is_there_all_the_same(
    web: Web, page: bytes | None
) -> None:
    if page is not None:
        web.pages["https://crl.example/signer.pem"] = page
    web.pages[URL] = indirect("https://crl.example/signer.pem")

    assert only(web.store(), URL).helpers == ()
