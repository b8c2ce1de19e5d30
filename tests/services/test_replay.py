from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from threading import Barrier
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stirmilter.events import Claimed
from stirmilter.haste import TakesLong, haste
from stirmilter.services import (
    ReplayStore,
    Verification,
    VerificationPolicy,
    VerificationService,
)
from stirmilter.stir.result import Reason
from stirmilter.stores.replay import MemoryReplayStore
from tests.laboratory import BOB, BODY, CAROL, NOW, message
from tests.services.revoked import Kept
from tests.services.world import DAY, MINUTE, SECOND, World
from tests.stir.tokens import IAT, twin


def deliver(
    service: VerificationService,
    value: str,
    delivery: str,
    *dest: str,
    at: datetime = NOW,
    let: bool = True,
) -> Reason:
    there = message(dest=dest or (BOB,), delivery=delivery)
    return service.verify(there, [value], at, admits=lambda _: let).result.reason


@pytest.mark.conformance("V-09")
def test_twin_signature_is_a_replay(world: World) -> None:
    service, value = world.verifier(), world.token("one")

    assert deliver(service, value, "first") is Reason.VERIFIED
    assert deliver(service, twin(value), "second") is Reason.REPLAYED
    assert deliver(service, twin(value), "first") is Reason.VERIFIED


@pytest.mark.conformance("V-10")
def test_each_recipient_is_delivered_to_once(world: World) -> None:
    """One message split over transactions is no replay (V-10)."""
    service = world.verifier()
    value = world.token("one", payload={"dest": {"tn": [BOB, CAROL]}})

    assert deliver(service, value, "first", BOB) is Reason.VERIFIED
    assert deliver(service, value, "second", CAROL) is Reason.VERIFIED
    assert deliver(service, value, "third", BOB, CAROL) is Reason.REPLAYED
    assert deliver(service, value, "third", CAROL) is Reason.REPLAYED
    assert deliver(service, value, "first", BOB) is Reason.VERIFIED


def test_another_token_for_the_same_message_is_no_replay(world: World) -> None:
    service = world.verifier()

    assert deliver(service, world.token("one"), "first") is Reason.VERIFIED
    later = world.token("one", payload={"iat": IAT + 1})
    assert deliver(service, later, "second") is Reason.VERIFIED


@pytest.mark.parametrize(
    ("name", "there"),
    [
        pytest.param("one", {"body": b"x"}, id="body-altered"),
        pytest.param("one", {"dest": (BOB, CAROL)}, id="dest-partial"),
        pytest.param("one", {"others": 1}, id="not-only-numbers"),
    ],
)
def test_only_a_token_that_passes_uses_up_its_key(
    world: World, name: str, there: dict[str, Any]
) -> None:
    service, value = world.verifier(), world.token(name)

    failed = service.verify(message(delivery="first", **there), [value], NOW)

    assert not failed.result.passed
    assert deliver(service, value, "second") is Reason.VERIFIED


@pytest.mark.conformance("V-09")
def test_replay_is_known_as_long_as_the_token_is_fresh(world: World) -> None:
    service, value = world.verifier(), world.token("one")

    assert deliver(service, value, "first") is Reason.VERIFIED
    assert deliver(service, value, "second", at=NOW + DAY) is Reason.REPLAYED
    assert deliver(service, value, "third", at=NOW + DAY + SECOND) is Reason.STALE


@pytest.mark.conformance("V-09")
def test_replay_of_a_token_from_a_fast_clock_is_known_as_long(world: World) -> None:
    service, value = world.verifier(), world.token("one", payload={"iat": IAT + 60})

    assert deliver(service, value, "first") is Reason.VERIFIED
    assert deliver(service, value, "second", at=NOW + MINUTE + DAY) is Reason.REPLAYED


def test_store_that_is_full_is_one_that_cannot_answer(world: World) -> None:
    service = world.verifier(replays=MemoryReplayStore(limit=1))

    assert deliver(service, world.token("one"), "first") is Reason.VERIFIED
    later = world.token("one", payload={"iat": IAT + 1})
    assert deliver(service, later, "second") is Reason.REPLAY_UNKNOWN


def test_store_sees_neither_token_nor_number_and_learns_the_time(world: World) -> None:
    asked: list[tuple[Sequence[bytes], bytes, datetime, datetime]] = []

    class Recorder(MemoryReplayStore):
        def claim(
            self,
            keys: Sequence[bytes],
            holder: bytes,
            signed_at: datetime,
            now: datetime,
            *,
            keep: bool = True,
        ) -> bool:
            assert keep
            asked.append((keys, holder, signed_at, now))
            return True

    value = world.token("one", payload={"dest": {"tn": [BOB, CAROL]}})
    replays: ReplayStore = Recorder()
    service = world.verifier(replays=replays)
    deliver(service, value, "first", BOB, CAROL, at=NOW + SECOND)
    deliver(service, value, "second", CAROL, BOB, at=NOW + SECOND)

    [(keys, holder, signed_at, now), again] = asked
    assert (signed_at, now) == (datetime.fromtimestamp(IAT, UTC), NOW + SECOND)
    assert [len(key) for key in (*keys, holder)] == [16, 16, 16]
    assert len(set(keys)) == 2
    assert again[0] == keys, "whatever order the recipients come in"
    assert again[1] != holder


def test_what_a_failure_means_is_the_policys(world: World) -> None:
    """A store in trouble takes no pass from a good token, if the operator says so."""
    said: list[str] = []
    service = world.verifier(
        replays=MemoryReplayStore(limit=1),
        policy={"replay_failure": "pass"},
        trouble=said.append,
    )

    assert deliver(service, world.token("one"), "first") is Reason.VERIFIED
    assert not said
    later = world.token("one", payload={"iat": IAT + 1})
    found = service.verify(message(delivery="second"), [later], NOW).result

    assert found.reason is Reason.VERIFIED
    assert found.notes == ("not looked for a replay",)
    [text] = said
    assert text.startswith("not looked for a replay: replay store: full, 1 live keys")


def test_a_failing_store_never_hides_what_is_wrong(world: World) -> None:
    service = world.verifier(
        replays=MemoryReplayStore(limit=1), policy={"replay_failure": "pass"}
    )
    value = world.token("one")

    assert deliver(service, value, "first") is Reason.VERIFIED
    assert deliver(service, value, "second") is Reason.REPLAYED


def test_each_question_to_the_store_is_told_with_its_answer(world: World) -> None:
    told: list[Claimed] = []
    service = world.verifier(replays=MemoryReplayStore(limit=2), claimed=told.append)

    value = world.token("one")
    deliver(service, value, "first")
    deliver(service, value, "second")
    for later in (1, 2):
        token = world.token("one", payload={"iat": IAT + later})
        deliver(service, token, "another")
    deliver(service, world.token("one", payload={"iat": 1}), "stale: nobody is asked")

    assert [one.outcome for one in told] == [
        "granted",
        "replayed",
        "granted",
        "unknown",
    ]
    assert all(one.seconds >= 0 for one in told)


# What is not let through uses nothing up


@pytest.mark.conformance("V-22")
def test_a_copy_that_is_not_let_through_uses_nothing_up(world: World) -> None:
    service, value = world.verifier(), world.token("one")

    assert deliver(service, value, "first", let=False) is Reason.VERIFIED
    assert deliver(service, value, "second", let=False) is Reason.VERIFIED
    assert deliver(service, value, "third") is Reason.VERIFIED
    assert deliver(service, value, "second") is Reason.REPLAYED


@pytest.mark.conformance("V-22")
def test_a_copy_that_is_not_let_through_is_told_to_be_a_replay(world: World) -> None:
    service, value = world.verifier(), world.token("one")

    assert deliver(service, value, "first") is Reason.VERIFIED
    assert deliver(service, value, "second", let=False) is Reason.REPLAYED
    assert deliver(service, value, "first", let=False) is Reason.VERIFIED


def test_whether_it_is_let_through_is_asked_of_a_pass_alone(world: World) -> None:
    asked: list[Reason] = []
    service = world.verifier()

    def admits(found: Verification) -> bool:
        asked.append(found.result.reason)
        return True

    for body in (b"x", BODY):
        there = message(body=body)
        service.verify(there, [world.token("one")], NOW, admits=admits)

    assert asked == [Reason.VERIFIED]


def test_what_passes_after_all_was_used_up(world: World) -> None:
    """Two tokens are refused together; one is a replay, and the other let through."""
    service = world.verifier()
    stolen = world.token("one")
    other = world.token("one", payload={"iat": IAT + 1})
    assert deliver(service, stolen, "first") is Reason.VERIFIED

    def admits(found: Verification) -> bool:
        return sum(one.passed for one in found.passports) < 2

    both = service.verify(message(delivery="b"), [stolen, other], NOW, admits=admits)

    reasons = [one.reason for one in both.passports]
    assert reasons == [Reason.REPLAYED, Reason.VERIFIED]
    assert admits(both)
    assert deliver(service, other, "third") is Reason.REPLAYED


def test_no_token_is_used_up_in_haste_before_another_that_may_wait(
    world: World,
) -> None:
    store = MemoryReplayStore()
    service = VerificationService(
        repository=Kept(world.folder),
        anchors=world.trusted,
        replays=store,
        policy=VerificationPolicy(),
    )
    values = [world.token("one", payload={"iat": IAT + n}) for n in range(2)]
    assert service.verify(message(), values, NOW, admits=lambda _: False).result.passed

    with pytest.raises(TakesLong), haste():
        service.verify(message(), values, NOW)

    assert store.stats().keys == 0
    with haste():
        assert service.verify(message(), values[:1], NOW).result.passed


copies = st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), max_size=12)


@given(history=copies)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@pytest.mark.conformance("V-22")
def test_the_first_that_is_let_through_is_the_only_one(
    world: World, history: list[tuple[str, bool]]
) -> None:
    service, value = world.verifier(), world.token("one")
    first = ""
    for delivery, let in history:
        good = first in ("", delivery)
        expected = Reason.VERIFIED if good else Reason.REPLAYED
        assert deliver(service, value, delivery, let=let) is expected
        if good and let:
            first = delivery


def test_of_copies_that_come_at_once_one_passes_whatever_is_refused(
    world: World,
) -> None:
    """Those that are refused neither pass nor keep the one from it."""
    start = Barrier(4, timeout=30)
    service = world.verifier()
    values = [world.token("one", payload={"iat": IAT + n}) for n in range(25)]

    def race(name: str) -> list[bool]:
        let, passed = name in "ab", []
        for value in values:
            start.wait()
            reason = deliver(service, value, name, let=let)
            passed.append(let and reason is Reason.VERIFIED)
        return passed

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(race, "abcd"))

    assert [sum(one) for one in zip(*results, strict=True)] == [1] * len(values)
