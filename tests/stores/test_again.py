"""Asking again whether another chain stands at a URL: rarely, and at nobody's cost."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from stirmilter.errors import FetchError
from stirmilter.haste import TakesLong, haste
from stirmilter.stir import credential
from stirmilter.stir.result import Unverified
from stirmilter.stores.again import Again, Turns
from stirmilter.stores.certificates import CertificateStore, Chain
from stirmilter.stores.documents import DocumentStore, Tier
from stirmilter.stores.tiers import SqliteTier
from stirmilter.testca import TestCA
from tests.laboratory import NOW, anchors
from tests.stores.webs import Clock, SlowWeb, Web

A, B, C, D = (f"https://certs.example/{name}.pem" for name in "abcd")
INTERVAL = 60.0
LONG = 10.0
"""Seconds that nobody waits for in the end."""


@dataclass
class Place:
    """A store, the web behind it, what asks again, and one clock for all of them."""

    ca: TestCA
    slow: bool = False
    tier: Tier | None = None
    limits: dict[str, Any] = field(default_factory=dict)
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        self.old, self.new = self.pem("one"), self.pem("range")
        self.slow_web = SlowWeb(self.old)
        self.slow_web.release.set()
        self.web: Web = self.slow_web if self.slow else Web(self.old)
        trusted = anchors(self.ca)

        def anchored(chain: Chain) -> bool:
            with suppress(Unverified):
                credential.find_path(chain, trusted, NOW)
                return True
            return False

        documents = DocumentStore(self.web.get, self.tier, clock=self.clock)
        self.store = CertificateStore(documents, anchored=anchored)
        self.again = Again(self.store, INTERVAL, clock=self.clock, **self.limits)

    def pem(self, name: str) -> bytes:
        return self.ca.files(name).chain.read_bytes()

    def kept(self, url: str = A) -> bytes:
        """Return what the store has, as octets, without asking."""
        chain = self.store.chain(url, wait=False)
        [name] = [
            name
            for name in ("one", "range", "untrusted", "spc")
            if credential.load_chain(self.pem(name)) == chain
        ]
        return self.pem(name)

    def old_since(self, *urls: str, seconds: float = INTERVAL) -> None:
        """Have chains at hand that were fetched so long ago."""
        for url in urls:
            self.store.chain(url)
        self.clock.now += seconds
        self.slow_web.asked_again.clear()
        self.web.fetched.clear()
        self.web.validators.clear()


@pytest.fixture
def place(ca: TestCA) -> Place:
    return Place(ca)


def test_another_chain_takes_the_place_of_the_old(place: Place) -> None:
    place.web.etag = '"1"'
    place.old_since(A)
    place.web.body, place.web.etag = place.new, '"2"'

    place.again(A, LONG)

    assert place.kept() == place.new
    assert place.web.validators == ['"1"'], "it is asked whether it has changed"


def test_a_chain_that_is_confirmed_stays(place: Place) -> None:
    place.web.etag = '"1"'
    place.old_since(A)
    chain = place.store.chain(A)

    place.again(A, LONG)

    assert place.store.chain(A) is chain
    assert place.web.fetched == [A]


@pytest.mark.parametrize(
    ("seconds", "asked"),
    [
        pytest.param(0.0, 0, id="at-once"),
        pytest.param(59.9, 0, id="a-moment-ago"),
        pytest.param(60.0, 1, id="an-interval-ago"),
        pytest.param(-10.0, 1, id="when-the-clock-was-set-back"),
    ],
)
def test_a_chain_that_was_fetched_just_now_is_not_asked_for(
    place: Place, seconds: float, asked: int
) -> None:
    place.old_since(A, seconds=seconds)

    place.again(A, LONG)

    assert len(place.web.fetched) == asked


def test_a_chain_that_nobody_has_is_not_asked_for(place: Place) -> None:
    place.again(A, LONG)

    assert place.web.fetched == []


def unanswered(place: Place) -> None:
    place.web.broken[A] = FetchError("no answer")


def refused(place: Place) -> None:
    place.web.broken[A] = FetchError("not public", temporary=False)


def rubbish(place: Place) -> None:
    place.web.body = b"<html>not found</html>"


def untrusted(place: Place) -> None:
    place.web.body = place.pem("untrusted")


@pytest.mark.parametrize("fail", [unanswered, refused, rubbish, untrusted])
def test_what_brings_no_chain_changes_nothing_and_is_not_repeated(
    place: Place, fail: Callable[[Place], None]
) -> None:
    place.old_since(A)
    fail(place)

    for _ in range(5):
        place.again(A, LONG)
    assert place.web.fetched == [A]
    assert place.kept() == place.old
    with haste():
        place.again(A, LONG)  # not even a thread is begun

    place.web.broken.clear()
    place.web.body = place.new
    place.clock.now += INTERVAL - 1
    place.again(A, LONG)
    assert place.kept() == place.old
    place.clock.now += 1
    place.again(A, LONG)
    assert place.kept() == place.new


def test_a_chain_without_an_anchor_is_shared_with_nobody(
    ca: TestCA, tmp_path: Path
) -> None:
    tier = SqliteTier(tmp_path / "certificates.sqlite")
    place = Place(ca, tier=tier)
    place.old_since(A)
    untrusted(place)
    place.again(A, LONG)
    assert Place(ca, tier=tier, clock=place.clock).kept() == place.old

    place.clock.now += INTERVAL
    place.web.body = place.new
    place.again(A, LONG)
    assert Place(ca, tier=tier, clock=place.clock).kept() == place.new


def test_when_a_chain_has_grown_old_its_server_has_the_last_word(place: Place) -> None:
    """As ever: what is served then is kept, whoever vouches for it."""
    place.old_since(A, seconds=86_400)
    untrusted(place)

    place.store.chain(A)

    assert place.kept() == place.pem("untrusted")


def test_a_burst_costs_one_request_and_all_of_it_sees_the_answer(ca: TestCA) -> None:
    place = Place(ca, slow=True, limits={"waiting": 16})
    place.old_since(A)
    place.web.body = place.new
    place.slow_web.release.clear()

    def ask(_: int) -> bytes:
        place.again(A, LONG)
        return place.kept()

    with ThreadPoolExecutor(16) as threads:
        found = [threads.submit(ask, number) for number in range(16)]
        assert place.slow_web.asked_again.wait(LONG)
        place.slow_web.release.set()
        seen = {one.result(LONG) for one in found}

    assert seen == {place.new}
    assert place.web.fetched == [A]
    place.clock.now += INTERVAL - 1
    place.again(A, LONG)
    assert place.web.fetched == [A]


def test_a_burst_at_a_server_that_fails_costs_one_request(place: Place) -> None:
    place.old_since(A)
    unanswered(place)

    with ThreadPoolExecutor(16) as threads:
        list(threads.map(lambda _: place.again(A, LONG), range(200)))

    assert place.web.fetched == [A]


def test_each_url_has_its_own_interval(place: Place) -> None:
    place.old_since(A, B)

    for url in (A, B, A, B):
        place.again(url, LONG)

    assert place.web.fetched == [A, B]


def test_who_cannot_wait_goes_on_with_the_old_chain(ca: TestCA) -> None:
    """The answer is there for the next message."""
    place = Place(ca, slow=True)
    place.old_since(A)
    place.web.body = place.new
    place.slow_web.release.clear()

    place.again(A, 0.0)
    assert place.kept() == place.old

    place.slow_web.release.set()
    place.again(A, LONG)
    assert place.kept() == place.new
    assert place.web.fetched == [A]


def test_only_so_many_wait_and_are_under_way(ca: TestCA) -> None:
    """Servers that hang cannot hold up every thread that judges."""
    place = Place(ca, slow=True, limits={"waiting": 1})
    place.old_since(A, B)
    place.slow_web.release.clear()
    places = place.again._fetches._places
    free = places._value

    with ThreadPoolExecutor(1) as thread:
        first = thread.submit(place.again, A, LONG)
        while places._value == free:
            time.sleep(0.001)  # until it waits
        place.again(A, LONG)
        place.again(B, LONG)
        hanging = not first.done()
        place.slow_web.release.set()
        first.result(LONG)

    assert hanging
    assert place.web.fetched == [A]
    place.again(B, LONG)
    assert place.web.fetched == [A, B], "who found no place has had no turn"


def test_who_is_in_haste_does_not_wait_and_leaves_the_turn(place: Place) -> None:
    place.old_since(A)

    with pytest.raises(TakesLong), haste():
        place.again(A, LONG)
    assert place.web.fetched == []

    place.again(A, LONG)
    assert place.web.fetched == [A]
    with haste():
        place.again(A, LONG)


def test_who_is_in_haste_does_not_wait_for_somebody_elses_question(ca: TestCA) -> None:
    place = Place(ca, slow=True)
    place.old_since(A)
    place.slow_web.release.clear()
    place.again(A, 0.0)
    assert place.slow_web.asked_again.wait(LONG)

    with pytest.raises(TakesLong), haste():
        place.again(A, LONG)
    place.slow_web.release.set()


def test_only_so_many_urls_have_a_turn_in_an_interval(ca: TestCA) -> None:
    """And none of them loses it to whoever has more URLs than that."""
    place = Place(ca, limits={"entries": 2})
    place.old_since(A, B, C, D)

    for url in (A, B, C, D, A, B):
        place.again(url, LONG)
    assert place.web.fetched == [A, B]
    assert len(place.again._turns) == 2

    place.clock.now += INTERVAL
    place.again(C, LONG)
    assert place.web.fetched == [A, B, C]
    assert len(place.again._turns) == 1


def test_turns_end_one_after_the_other() -> None:
    clock = Clock()
    turns = Turns(10.0, 3, clock)

    assert turns.free("a")
    assert turns.take("a")
    assert not turns.free("a")
    clock.now += 5
    assert turns.take("b")
    clock.now += 5
    assert turns.free("a")
    assert not turns.take("b")
    assert turns.take("a")
    clock.now += 5
    assert not turns.take("a")
    assert turns.take("\udc80"), "a URL of odd characters is a URL too"
