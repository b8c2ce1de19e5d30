"""What verification will need, told before there is a body."""

from dataclasses import replace
from itertools import permutations
from typing import Any, Final

import pytest

from stirmilter.services import Message
from stirmilter.stir.msgi import BodyDigests
from tests.laboratory import BOB, CAROL, NOW, X5U, message
from tests.services.forwarders import (
    DAVE,
    ERIN,
    MSG,
    TO_CAROL,
    TO_DAVE,
    Link,
    by,
    judge,
    with_forwarders,
)
from tests.services.test_diversion import NO_CHAIN
from tests.services.world import HOUR, World
from tests.stir.tokens import ABSENT, IAT, MSGI

ONE: Final = f"{X5U}one.pem"


@pytest.fixture(scope="module")
def there(world: World, tmp_path_factory: pytest.TempPathFactory) -> World:
    return with_forwarders(world, tmp_path_factory.mktemp("forwarders"))


def header_of(sent: Message) -> Message:
    """Take the body away, which is still to come."""
    return replace(sent, body=BodyDigests({}, 0))


def urls(
    world: World,
    values: list[str],
    sent: Message,
    policy: dict[str, Any] | None = None,
) -> tuple[str, ...]:
    return world.verifier(policy=policy or {}).needs(header_of(sent), values, NOW).urls


@pytest.mark.conformance("V-21")
@pytest.mark.parametrize(
    ("payload", "sent"),
    [
        pytest.param({"orig": {"tn": CAROL}}, {}, id="another-originator"),
        pytest.param({}, {"orig": None}, id="no-originator"),
        pytest.param({"dest": {"tn": [CAROL]}}, {}, id="another-recipient"),
        pytest.param({}, {"dest": ()}, id="no-recipient"),
        pytest.param({"iat": IAT - 86_401}, {}, id="too-old"),
        pytest.param({"iat": IAT + 86_401}, {}, id="far-ahead"),
        pytest.param({}, {"expires": NOW - HOUR}, id="expired"),
        pytest.param({"msgi": "sha256-x"}, {}, id="malformed"),
    ],
)
def test_a_token_that_does_not_fit_names_nothing_worth_fetching(
    world: World, payload: dict[str, object], sent: dict[str, Any]
) -> None:
    token = world.token("one", payload=payload)

    assert urls(world, [token], message(**sent)) == ()


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("rubbish", id="rubbish"),
        pytest.param("{token};info=<https://certs.example/x.pem>", id="other-mirror"),
        pytest.param("{shaken}", id="another-type"),
    ],
)
@pytest.mark.conformance("V-21")
def test_what_cannot_be_read_names_nothing(world: World, value: str) -> None:
    shaken = world.token("one", {"ppt": "shaken"})
    written = value.format(token=world.token("one"), shaken=shaken)

    assert urls(world, [written], message()) == ()


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param({}, id="good"),
        pytest.param({"msgi": MSGI[:-4] + "AAA="}, id="of-another-body"),
        pytest.param({"msgi": ABSENT}, id="of-no-body"),
        pytest.param({"iat": IAT - 86_400}, id="as-old-as-may-be"),
        pytest.param({"iat": IAT + 90}, id="of-age-when-the-body-is-here"),
    ],
)
def test_a_token_that_fits_the_header_names_its_chain(
    world: World, payload: dict[str, object]
) -> None:
    token = world.token("one", payload=payload)

    assert urls(world, [token], message()) == (ONE,)


def test_one_x5u_is_fetched_once(world: World) -> None:
    tokens = [world.token("one", payload={"iat": IAT - n}) for n in range(3)]

    assert urls(world, tokens, message()) == (ONE,)


def test_a_message_has_only_so_many_chains_fetched(world: World) -> None:
    tokens = [world.token("one", {"x5u": f"{X5U}{n}.pem"}) for n in range(5)]

    assert urls(world, tokens, message()) == tuple(f"{X5U}{n}.pem" for n in range(3))
    assert urls(world, tokens, message(), {"x5u": 1}) == (f"{X5U}0.pem",)
    assert urls(world, tokens, message(), {"passports": 4}) == ()


def test_digests_are_those_of_the_tokens_that_are_judged(world: World) -> None:
    other = world.token("one", payload={"msgi": "sha512-" + "A" * 86})
    service = world.verifier(policy={"passports": 2})

    def needed(*values: str) -> frozenset[str]:
        return service.needs(header_of(message()), list(values), NOW).algorithms

    assert needed(world.token("one")) == {"sha256"}
    assert needed(world.token("one"), other) == {"sha256", "sha512"}
    assert needed("rubbish", "rubbish", other) == set()


CHAINS: Final = [
    pytest.param([MSG], (BOB,), id="no-diversion"),
    pytest.param([MSG, TO_CAROL], (BOB,), id="not-needed"),
    pytest.param([MSG, TO_CAROL], (CAROL,), id="once"),
    pytest.param([MSG, TO_CAROL, TO_DAVE], (DAVE,), id="twice"),
    pytest.param([MSG, TO_CAROL, by(BOB, DAVE)], (CAROL, DAVE), id="a-fork"),
    pytest.param([MSG, TO_CAROL, by(CAROL, BOB)], (CAROL,), id="a-loop"),
    pytest.param([MSG, by(DAVE, ERIN)], (BOB, ERIN), id="a-gap"),
    pytest.param([MSG, Link(signer="other"), TO_CAROL], (CAROL,), id="two-messages"),
    *[pytest.param(*case.values[:2], id=case.id) for case in NO_CHAIN],
]


@pytest.mark.conformance("V-21")
@pytest.mark.parametrize(("links", "dest"), CHAINS)
def test_nothing_is_fetched_that_was_not_foreseen(
    there: World, links: list[Link], dest: tuple[str, ...]
) -> None:
    for order in permutations(links):
        values = [link.write(there) for link in order]

        foreseen = urls(there, values, message(dest=dest))

        _, fetched = judge(there, list(order), *dest)
        assert {f"{X5U}{name}" for name in fetched} <= set(foreseen)


@pytest.mark.conformance("V-21")
@pytest.mark.parametrize(
    ("links", "dest", "policy"),
    [
        pytest.param([TO_CAROL], (CAROL,), {}, id="without-a-message"),
        pytest.param([MSG, TO_CAROL], (CAROL,), {"diversions": 0}, id="not-believed"),
        pytest.param(
            [MSG, TO_CAROL, TO_DAVE], (DAVE,), {"diversions": 1}, id="too-long"
        ),
        pytest.param(
            [MSG, replace(TO_CAROL, payload={"iat": IAT - 1})],
            (CAROL,),
            {},
            id="of-another-message",
        ),
    ],
)
def test_a_chain_that_leads_nowhere_names_nothing(
    there: World, links: list[Link], dest: tuple[str, ...], policy: dict[str, Any]
) -> None:
    values = [link.write(there) for link in links]

    assert urls(there, values, message(dest=dest), policy) == ()


def test_a_diversion_that_nobody_needs_names_nothing(there: World) -> None:
    values = [MSG.write(there), TO_CAROL.write(there)]

    assert urls(there, values, message(dest=(BOB,))) == (ONE,)


def test_messages_come_before_diversions(there: World) -> None:
    second = Link(signer="other", header={"x5u": f"{X5U}second.pem"})
    values = [link.write(there) for link in (TO_CAROL, MSG, second)]

    found = urls(there, values, message(dest=(CAROL,)), {"x5u": 2})

    assert found == (ONE, f"{X5U}second.pem")
