"""What chains of ``div`` tokens may cost, how often they pass, and when never."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import product
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stirmilter.services import Verification
from stirmilter.stir.result import Reason
from tests.laboratory import BOB, CAROL, NOW, X5U, message
from tests.services.forwarders import (
    DAVE,
    ERIN,
    EVE,
    MSG,
    NAMES,
    TO_CAROL,
    TO_DAVE,
    Link,
    by,
    judge,
    reasons,
    with_forwarders,
)
from tests.services.world import DAY, HOUR, SECOND, World
from tests.stir.tokens import MSGI

GOOD: Final = Reason.VERIFIED
UNUSED: Final = Reason.UNSUPPORTED_PPT
NOBODY: Final = Reason.DEST_MISMATCH
LINE: Final = [BOB, CAROL, DAVE, ERIN, "13125550104"]


@pytest.fixture(scope="module")
def there(world: World, tmp_path_factory: pytest.TempPathFactory) -> World:
    return with_forwarders(world, tmp_path_factory.mktemp("forwarders"))


@pytest.mark.parametrize(
    ("hops", "limit", "reason"),
    [
        pytest.param(4, 4, GOOD, id="as-long-as-allowed"),
        pytest.param(4, 3, NOBODY, id="longer-than-allowed"),
        pytest.param(1, 1, GOOD, id="one-of-one"),
        pytest.param(2, 1, NOBODY, id="two-of-one"),
        pytest.param(1, 0, NOBODY, id="none-is-believed"),
        pytest.param(0, 0, GOOD, id="none-is-needed"),
    ],
)
def test_length_of_a_chain_is_limited(
    there: World, hops: int, limit: int, reason: Reason
) -> None:
    links = [by(LINE[n], LINE[n + 1]) for n in range(hops)]

    found, fetched = judge(there, [MSG, *links], LINE[hops], diversions=limit, x5u=9)

    assert found.result.reason is reason
    assert bool(fetched) is (reason is GOOD), "a chain too long costs nothing"


def test_a_chain_too_long_for_one_recipient_serves_the_others(there: World) -> None:
    links = [MSG, TO_CAROL, TO_DAVE]

    found, _ = judge(there, links, CAROL, DAVE, diversions=1)

    assert found.result.reason is Reason.DEST_PARTIAL
    assert reasons(found)[1:] == [GOOD, UNUSED]


@pytest.mark.conformance("V-09")
def test_a_diverted_message_passes_once(there: World) -> None:
    """Delivered to Bob, diverted to Carol, tried again, and then replayed to her."""
    service = there.verifier()
    plain, link = MSG.write(there), TO_CAROL.write(there)

    def deliver(to: str, delivery: str, *values: str) -> Verification:
        return service.verify(message(dest=(to,), delivery=delivery), values, NOW)

    assert deliver(BOB, "direct", plain).result.passed
    assert deliver(CAROL, "diverted", plain, link).result.passed
    assert deliver(CAROL, "diverted", link, plain).result.passed
    replayed = deliver(CAROL, "replayed", plain, TO_CAROL.write(there))
    assert reasons(replayed) == [Reason.REPLAYED, GOOD]
    assert replayed.result.reason is Reason.REPLAYED


def test_links_that_are_not_needed_cost_nothing(there: World) -> None:
    found, fetched = judge(there, [MSG, TO_CAROL], BOB)

    assert reasons(found) == [GOOD, UNUSED]
    assert found.result.diversions == 0
    assert fetched == ["one.pem"]


def test_a_link_is_judged_once_for_all_messages_tokens(there: World) -> None:
    found, fetched = judge(there, [MSG, MSG, TO_CAROL], CAROL)

    assert reasons(found) == [GOOD, GOOD, GOOD]
    assert fetched == ["one.pem", "bob.pem", "one.pem"]


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        pytest.param(3, [GOOD, GOOD, GOOD], id="enough"),
        pytest.param(2, [NOBODY, GOOD, Reason.TOO_MANY_PASSPORTS], id="one-too-many"),
    ],
)
def test_links_count_among_the_urls_of_a_message(
    there: World, limit: int, expected: list[Reason]
) -> None:
    found, fetched = judge(there, [MSG, TO_CAROL, TO_DAVE], DAVE, x5u=limit)

    assert reasons(found) == expected
    assert len(fetched) == limit


@pytest.mark.conformance("V-20")
@pytest.mark.parametrize("age", [HOUR, DAY], ids=["an-hour", "a-day"])
def test_a_chain_is_good_as_long_as_every_token_is_fresh(
    there: World,
    age: timedelta,
) -> None:
    values = [MSG.write(there), TO_CAROL.write(there)]
    service = there.verifier()
    late = service.verify(message(dest=(CAROL,)), values, NOW + DAY + SECOND)

    assert service.verify(message(dest=(CAROL,)), values, NOW + age).result.passed
    assert late.result.reason is Reason.STALE


@pytest.mark.conformance("M-02")
def test_a_diversion_asks_for_no_digest(there: World) -> None:
    link = replace(TO_CAROL, payload={"msgi": MSGI}).write(there)

    assert there.verifier().algorithms([link]) == set()


@dataclass(frozen=True)
class Arrow:
    """A link from one to another, and what is wrong with it."""

    source: str
    to: str
    fault: str = ""

    def link(self) -> Link:
        """Make the token that it stands for."""
        link = by(self.source, self.to)
        if self.fault == "orig":
            return replace(link, payload={"orig": {"tn": EVE}})
        if self.fault == "key":
            return replace(
                link, signer="one", header={"x5u": f"{X5U}{link.signer}.pem"}
            )
        return replace(link, signer="one") if self.fault == "authority" else link


ARROWS: Final = [
    Arrow(source, to, fault)
    for source, to in product(NAMES, NAMES)
    for fault in ("", "orig", "key", "authority")
    if source != to
]


def vouched_for(arrows: Collection[Arrow]) -> set[str]:
    """Name whom good arrows alone lead to from Bob, by the plainest search there is."""
    found = {BOB}
    while more := {a.to for a in arrows if not a.fault and a.source in found} - found:
        found |= more
    return found


@pytest.mark.conformance("V-13", "V-20")
@given(
    st.lists(st.sampled_from(ARROWS), max_size=6, unique=True),
    st.sets(st.sampled_from(list(NAMES)), min_size=1),
)
def test_a_message_passes_exactly_when_good_links_lead_to_every_recipient(
    there: World, arrows: list[Arrow], dest: set[str]
) -> None:
    links = [MSG, *(arrow.link() for arrow in arrows)]

    found, _ = judge(there, links, *dest, x5u=9)

    assert found.result.passed == (dest <= vouched_for(arrows))
    assert not any(
        result.passed
        for arrow, result in zip(arrows, found.passports[1:], strict=True)
        if arrow.fault
    )
