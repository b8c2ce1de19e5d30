"""Chains of ``div`` tokens, verified end to end; `test_divert` makes them.

What must never happen: a message passes for somebody to whom no chain of good tokens
leads from a good ``msg`` token.
"""

from dataclasses import replace
from itertools import permutations
from typing import Any, Final

import pytest

from stirmilter.stir.result import Reason
from tests.laboratory import (
    ALICE,
    BOB,
    CAROL,
    NOW,
    X5U,
    message,
)
from tests.services.forwarders import (
    DAVE,
    ERIN,
    EVE,
    MSG,
    TO_CAROL,
    TO_DAVE,
    Link,
    by,
    judge,
    reasons,
    with_forwarders,
)
from tests.services.world import World
from tests.stir.tokens import ABSENT, IAT, MSGI

GOOD: Final = Reason.VERIFIED
UNUSED: Final = Reason.UNSUPPORTED_PPT
NOBODY: Final = Reason.DEST_MISMATCH
OTHER_KEY: Final = {"x5u": f"{X5U}bob.pem"}
"""A header that points at Bob's certificate, whoever signs."""

FORGED: Final = Link(signer="range", header={"x5u": f"{X5U}one.pem"})
"""A message to Bob that somebody else signed than its certificate says."""


@pytest.fixture(scope="module")
def there(world: World, tmp_path_factory: pytest.TempPathFactory) -> World:
    return with_forwarders(world, tmp_path_factory.mktemp("forwarders"))


@pytest.mark.conformance("V-19", "V-20")
@pytest.mark.parametrize(
    ("links", "dest"),
    [
        pytest.param([MSG, TO_CAROL], (CAROL,), id="once"),
        pytest.param([MSG, TO_CAROL, TO_DAVE], (DAVE,), id="twice"),
        pytest.param([MSG, TO_CAROL, TO_DAVE], (CAROL, DAVE), id="to-both-on-the-way"),
        pytest.param([MSG, by(BOB, CAROL, DAVE)], (DAVE, CAROL), id="to-two-at-once"),
        pytest.param([MSG, TO_CAROL], (BOB, CAROL), id="one-kept-and-one-diverted"),
        pytest.param(
            [Link(dest=(BOB, DAVE)), TO_CAROL], (CAROL, DAVE), id="one-of-two-diverts"
        ),
        pytest.param(
            [MSG, replace(TO_CAROL, parameters=f';info=<{X5U}bob.pem>;ppt="div"')],
            (CAROL,),
            id="mirrored",
        ),
        pytest.param(
            [MSG, replace(TO_CAROL, payload={"div": {"tn": BOB, "hi": "1.1"}})],
            (CAROL,),
            id="history-index-in-div",
        ),
        pytest.param(
            [MSG, replace(TO_CAROL, payload={"msgi": MSGI.replace("s", "S")})],
            (CAROL,),
            id="msgi-in-div-is-ignored",
        ),
        pytest.param(
            [MSG, replace(TO_CAROL, signer="bob-silent")],
            (CAROL,),
            id="certificate-of-the-diverter-excludes-msgi",
        ),
    ],
)
def test_a_good_chain_passes_in_any_order(
    there: World, links: list[Link], dest: tuple[str, ...]
) -> None:
    for order in permutations(links):
        found, _ = judge(there, order, *dest)

        assert found.result.passed
        assert found.result.passport
        assert found.result.passport.ppt == "msg"
        assert found.result.diversions == len(links) - 1
        assert reasons(found) == [GOOD] * len(links)


NO_CHAIN = [
    pytest.param([TO_CAROL], (CAROL,), [UNUSED], id="no-message-token"),
    pytest.param([MSG, TO_DAVE], (DAVE,), [NOBODY, UNUSED], id="middle-is-missing"),
    pytest.param(
        [MSG, replace(TO_CAROL, payload={"orig": {"tn": EVE}})],
        (CAROL,),
        [NOBODY, UNUSED],
        id="another-orig",
    ),
    pytest.param(
        [MSG, TO_CAROL, replace(TO_DAVE, payload={"orig": {"tn": EVE}})],
        (DAVE,),
        [NOBODY, UNUSED, UNUSED],
        id="another-orig-further-out",
    ),
    pytest.param(
        [MSG, replace(TO_CAROL, payload={"orig": {"uri": f"sip:{ALICE}@x"}})],
        (CAROL,),
        [NOBODY, UNUSED],
        id="orig-of-the-same-digits-as-a-uri",
    ),
    pytest.param(
        [MSG, Link(signer="one", div=ALICE, dest=(CAROL,))],
        (CAROL,),
        [NOBODY, UNUSED],
        id="diverted-by-the-originator",
    ),
    pytest.param(
        [MSG, TO_CAROL, by(CAROL, BOB)],
        (DAVE,),
        [NOBODY, UNUSED, UNUSED],
        id="a-loop-that-does-not-lead-there",
    ),
    pytest.param(
        [Link(header={"ppt": "shaken"}), TO_CAROL],
        (CAROL,),
        [UNUSED, UNUSED],
        id="innermost-is-of-a-call",
    ),
    pytest.param(
        [MSG, replace(TO_CAROL, header={"ppt": "div-o"})],
        (CAROL,),
        [NOBODY, UNUSED],
        id="diverted-out-of-band",
    ),
    pytest.param(
        [MSG, replace(TO_CAROL, payload={"div": ABSENT})],
        (CAROL,),
        [NOBODY, Reason.MALFORMED],
        id="diverted-from-nobody",
    ),
    pytest.param(
        [MSG, replace(TO_CAROL, parameters=";ppt=msg")],
        (CAROL,),
        [NOBODY, Reason.MALFORMED],
        id="mirrored-as-a-message",
    ),
    pytest.param(
        [
            Link(payload={"iat": IAT - 86_401}),
            replace(TO_CAROL, payload={"iat": IAT - 86_401}),
        ],
        (CAROL,),
        [Reason.STALE, UNUSED],
        id="message-is-stale",
    ),
    pytest.param(
        [MSG, replace(TO_CAROL, payload={"iat": IAT + 1})],
        (CAROL,),
        [NOBODY, UNUSED],
        id="diversion-of-a-later-message",
    ),
    pytest.param(
        [MSG, replace(TO_CAROL, payload={"iat": IAT - 1})],
        (CAROL,),
        [NOBODY, UNUSED],
        id="diversion-of-an-earlier-message",
    ),
    pytest.param(
        [Link(payload={"orig": {"tn": EVE}}), TO_CAROL],
        (CAROL,),
        [Reason.ORIG_MISMATCH, UNUSED],
        id="message-is-somebody-else's",
    ),
    pytest.param(
        [Link(payload={"msgi": MSGI[:-4] + "AAA="}), TO_CAROL],
        (CAROL,),
        [Reason.BODY_ALTERED, UNUSED],
        id="another-body",
    ),
]


@pytest.mark.conformance("V-20", "V-21")
@pytest.mark.parametrize(("links", "dest", "expected"), NO_CHAIN)
def test_nothing_is_fetched_when_no_chain_can_lead_to_a_recipient(
    there: World, links: list[Link], dest: tuple[str, ...], expected: list[Reason]
) -> None:
    found, fetched = judge(there, links, *dest)

    assert reasons(found) == expected
    assert found.result.reason is max(expected, key=lambda reason: reason.rank)
    assert fetched == []


@pytest.mark.conformance("V-14", "V-20")
@pytest.mark.parametrize(
    ("link", "reason"),
    [
        pytest.param(
            {"signer": "one"}, Reason.NOT_AUTHORIZED, id="certificate-of-the-originator"
        ),
        pytest.param(
            {"signer": "carol"}, Reason.NOT_AUTHORIZED, id="certificate-of-the-target"
        ),
        pytest.param(
            {"signer": "carol", "header": OTHER_KEY},
            Reason.BAD_SIGNATURE,
            id="signed-with-another-key",
        ),
        pytest.param({"signer": "bob-expired"}, Reason.CREDENTIAL_EXPIRED, id="old"),
        pytest.param(
            {"signer": "bob-untrusted"}, Reason.CREDENTIAL_UNTRUSTED, id="unknown-root"
        ),
        pytest.param(
            {"signer": "absent"}, Reason.CREDENTIAL_UNAVAILABLE, id="nothing-at-x5u"
        ),
        pytest.param(
            {"signer": "garbage"}, Reason.CREDENTIAL_MALFORMED, id="web-page-at-x5u"
        ),
        pytest.param(
            {"signer": "bob-wordy"}, Reason.CLAIM_CONSTRAINED, id="a-claim-is-missing"
        ),
        pytest.param(
            {"signer": "bob-mute"}, Reason.CLAIM_CONSTRAINED, id="div-is-excluded"
        ),
        pytest.param({"signer": "spc"}, Reason.SPC_NOT_ACCEPTED, id="carrier-alone"),
    ],
)
def test_a_bad_link_breaks_the_chain(
    there: World, link: dict[str, Any], reason: Reason
) -> None:
    links = [MSG, replace(TO_CAROL, **link), TO_DAVE]

    found, _ = judge(there, links, DAVE, accept_spc=False)

    assert reasons(found) == [NOBODY, reason, UNUSED]
    assert found.result.reason is max(NOBODY, reason, key=lambda each: each.rank)


@pytest.mark.conformance("V-19", "V-20")
def test_two_diversions_by_one_number_are_one_step(there: World) -> None:
    links = [MSG, TO_CAROL, by(BOB, DAVE)]

    found, _ = judge(there, links, CAROL, DAVE)

    assert reasons(found) == [GOOD] * 3
    assert found.result.diversions == 1


@pytest.mark.conformance("V-20")
def test_a_diverter_whose_certificate_is_younger_than_the_message(there: World) -> None:
    early = {"iat": IAT - 3601}
    links = [
        Link(signer="short", payload=early),
        replace(TO_CAROL, signer="bob-new", payload=early),
    ]

    found, _ = judge(there, links, CAROL)

    assert reasons(found) == [NOBODY, Reason.CREDENTIAL_EXPIRED]


@pytest.mark.conformance("V-20")
def test_a_diversion_serves_one_message_only(there: World) -> None:
    """Whoever saw it could otherwise send any message of the two parties on."""
    another = Link(payload={"iat": IAT + 30})

    found, _ = judge(there, [another, TO_CAROL], CAROL)

    assert reasons(found) == [NOBODY, UNUSED]


@pytest.mark.conformance("V-02", "V-20")
@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        pytest.param(FORGED, Reason.BAD_SIGNATURE, id="bad-signature"),
        pytest.param(Link(signer="other"), Reason.NOT_AUTHORIZED, id="not-authorized"),
        pytest.param(Link(payload={"msgi": ABSENT}), Reason.NO_MSGI, id="no-msgi"),
    ],
)
def test_a_good_link_mends_no_message(there: World, bad: Link, reason: Reason) -> None:
    found, _ = judge(there, [bad, TO_CAROL], CAROL)

    assert reasons(found) == [reason, UNUSED]
    assert found.result.reason is reason


def test_a_bad_message_lends_no_dest_to_a_good_one(there: World) -> None:
    """Only one of the two names Bob, and that one is forged."""
    good = Link(dest=(ERIN,))

    found, _ = judge(there, [FORGED, good, TO_CAROL], CAROL)

    assert reasons(found) == [Reason.BAD_SIGNATURE, NOBODY, UNUSED]
    assert not found.result.passed


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_a_bogus_link_beside_a_good_one_does_no_harm(
    there: World, order: tuple[int, ...]
) -> None:
    bogus = replace(TO_CAROL, signer="carol", header=OTHER_KEY)
    three = [(MSG, GOOD), (TO_CAROL, GOOD), (bogus, Reason.BAD_SIGNATURE)]

    found, _ = judge(there, [three[place][0] for place in order], CAROL)

    assert found.result.passed
    assert found.result.diversions == 1
    assert reasons(found) == [three[place][1] for place in order]


@pytest.mark.parametrize(
    ("links", "there_are", "reason"),
    [
        pytest.param([TO_CAROL], {"dest": (CAROL, ERIN)}, None, id="and-to-a-third"),
        pytest.param(
            [replace(TO_CAROL, signer="one")],
            {"dest": (BOB, CAROL)},
            Reason.NOT_AUTHORIZED,
            id="by-a-bad-link",
        ),
        pytest.param([TO_CAROL], {"dest": (CAROL,), "others": 1}, None, id="to-mail"),
        pytest.param([TO_DAVE], {"dest": (BOB, DAVE)}, UNUSED, id="without-a-middle"),
        pytest.param(
            [TO_CAROL, by(CAROL, BOB)], {"dest": (CAROL, ERIN)}, None, id="in-a-loop"
        ),
    ],
)
def test_a_message_diverted_for_some_is_partly_vouched_for(
    there: World, links: list[Link], there_are: dict[str, Any], reason: Reason | None
) -> None:
    values = [link.write(there) for link in (MSG, *links)]

    found = there.verifier().verify(message(**there_are), values, NOW)

    assert found.result.reason is Reason.DEST_PARTIAL
    assert set(reasons(found)[1:]) == {reason or GOOD}


@pytest.mark.parametrize(
    ("shown", "reason"),
    [
        pytest.param({BOB}, GOOD, id="to-is-unchanged"),
        pytest.param({BOB, ERIN}, Reason.DEST_PARTIAL, id="and-somebody-unnamed"),
    ],
)
def test_numbers_that_a_diverted_message_shows_must_be_named(
    there: World, shown: set[str], reason: Reason
) -> None:
    diverted = replace(message(dest=(CAROL,)), shown=frozenset(shown))
    values = [MSG.write(there), TO_CAROL.write(there)]

    assert there.verifier().verify(diverted, values, NOW).result.reason is reason
