"""What somebody could try with diversions, and how they end."""

from dataclasses import replace
from typing import Final

import pytest

from stirmilter.services import AuthenticationService
from stirmilter.stir.claims import Claims
from stirmilter.stir.msgi import digest_body
from stirmilter.stir.result import Reason
from tests.laboratory import ALICE, BOB, BODY, CAROL, NOW, message
from tests.services.forwarders import (
    DAVE,
    ERIN,
    MSG,
    TO_CAROL,
    Link,
    by,
    judge,
    reasons,
    signer,
    with_forwarders,
)
from tests.services.hosts import HOST, with_hosts
from tests.services.world import World
from tests.stir.tokens import ABSENT, IAT

GOOD: Final = Reason.VERIFIED
TO_MAIL: Final = f"mailto:bob@{HOST}"


@pytest.fixture(scope="module")
def there(world: World, tmp_path_factory: pytest.TempPathFactory) -> World:
    return with_forwarders(world, tmp_path_factory.mktemp("forwarders"))


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> World:
    return with_hosts(tmp_path_factory.mktemp("hosts"))


@pytest.mark.conformance("H-10", "A-23")
def test_what_we_signed_and_diverted_is_signed(there: World) -> None:
    """Both numbers are ours, and the message passes us a second time."""
    ours = AuthenticationService(
        [signer(there, "one", ALICE), signer(there, "bob", BOB)]
    )
    seen = message(dest=(BOB, CAROL))
    values = [MSG.write(there), TO_CAROL.write(there)]

    assert ours.signed(seen, values, NOW)
    assert not ours.signed(seen, values[:1], NOW)
    assert not ours.signed(message(dest=(CAROL,)), values, NOW)


@pytest.mark.conformance("V-20")
def test_only_the_diversions_that_a_message_needs_are_counted(there: World) -> None:
    links = [MSG, TO_CAROL, Link(dest=(CAROL,), payload={"iat": IAT - 1})]

    found, _ = judge(there, links, CAROL)

    assert reasons(found) == [GOOD] * 3
    assert [result.diversions for result in found.passports] == [1, 0, 0]


def test_a_diversion_to_somebody_else_lengthens_no_chain(there: World) -> None:
    found, _ = judge(there, [MSG, by(BOB, ERIN), TO_CAROL], CAROL)

    assert found.result.diversions == 1


def test_a_url_that_was_fetched_costs_nothing_again(there: World) -> None:
    """The limit is on different URLs, wherever they stand."""
    links = [
        Link(signer=name, payload={"dest": {"tn": [CAROL]}})
        for name in ("expired", "untrusted", "other", "spc", "untrusted")
    ]

    found, _ = judge(there, links, CAROL, x5u=3)

    assert reasons(found)[3:] == [
        Reason.TOO_MANY_PASSPORTS,
        Reason.CREDENTIAL_UNTRUSTED,
    ]


@pytest.mark.conformance("A-22")
@pytest.mark.parametrize("uris", [True, False])
def test_a_diversion_by_a_uri_counts_if_uris_do(hosts: World, *, uris: bool) -> None:
    first = hosts.token("host-and-number", payload={"dest": {"uri": [TO_MAIL]}})
    on = hosts.token(
        "host-and-number",
        {"ppt": "div"},
        {"dest": {"tn": [CAROL]}, "div": {"uri": TO_MAIL}, "msgi": ABSENT},
    )
    service = hosts.verifier(policy={"uris": uris})

    found = service.verify(message(dest=(CAROL,)), [first, on], NOW)

    assert found.result.passed is uris


@pytest.mark.conformance("A-22")
@pytest.mark.parametrize("uris", [True, False])
def test_we_speak_for_uris_if_we_are_told_to(hosts: World, *, uris: bool) -> None:
    one = signer(hosts, "host-and-number", BOB, domains=(HOST,))

    found = AuthenticationService([one], uris=uris).signer_for(TO_MAIL, NOW)

    assert (found is one) is uris


@pytest.mark.parametrize(
    "spelling", [f"mailto:bob@{HOST.upper()}", f"x:y@{HOST}", f"mailto:b b@{HOST}"]
)
def test_a_uri_that_is_not_canonical_is_served_by_nobody(
    hosts: World, spelling: str
) -> None:
    one = signer(hosts, "host-and-number", BOB, domains=(HOST,))

    assert AuthenticationService([one]).signer_for(spelling, NOW) is None


@pytest.mark.conformance("F-18")
@pytest.mark.parametrize(
    "identity", ["+131255 x", "", "1" * 16, "mailto:\ud800@b.example", "x:y z", ":a"]
)
def test_no_claim_is_made_of_what_is_not_canonical(identity: str) -> None:
    digest = digest_body(BODY).value()
    good = Claims.message(ALICE, [BOB], IAT, digest)

    with pytest.raises(ValueError, match="neither a canonical number nor a URI"):
        Claims.message(identity, [BOB], IAT, digest)
    with pytest.raises(ValueError, match="neither a canonical number nor a URI"):
        Claims.message(ALICE, [BOB, identity], IAT, digest)
    with pytest.raises(ValueError, match="neither a canonical number nor a URI"):
        good.diverted(identity, [DAVE])


def test_a_chain_is_judged_whatever_stands_beside_it(there: World) -> None:
    stray = replace(TO_CAROL, payload={"iat": IAT + 7})

    found, _ = judge(there, [stray, MSG, TO_CAROL], CAROL)

    assert reasons(found) == [Reason.UNSUPPORTED_PPT, GOOD, GOOD]
    assert found.result.passed
