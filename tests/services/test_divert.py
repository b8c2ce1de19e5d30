"""`AuthenticationService.divert`: the token of whoever sends a message on."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

import pytest

from stirmilter.errors import SigningError
from stirmilter.services import AuthenticationService, Message
from stirmilter.stir import identity, jws, passport
from stirmilter.stir.msgi import BodyDigester
from stirmilter.stir.passport import Limits, Passport
from tests.laboratory import ALICE, BOB, BODY, CAROL, NOW, X5U, message
from tests.services.forwarders import (
    DAVE,
    ERIN,
    EVE,
    MSG,
    TO_CAROL,
    Link,
    by,
    signer,
    with_forwarders,
)
from tests.services.world import DAY, HOUR, SECOND, World
from tests.stir.tokens import ABSENT, IAT

DIVERTED: Final = message(dest=(CAROL,))
"""What Alice sent to Bob, on its way to Carol."""


@pytest.fixture(scope="module")
def there(world: World, tmp_path_factory: pytest.TempPathFactory) -> World:
    return with_forwarders(world, tmp_path_factory.mktemp("forwarders"))


def service(
    world: World,
    name: str = "bob",
    numbers: tuple[str, ...] = (BOB,),
    **more: Any,  # noqa: ANN401
) -> AuthenticationService:
    return AuthenticationService([signer(world, name, *numbers)], **more)


def divert(
    world: World,
    links: Sequence[Link] = (MSG,),
    *dest: str,
    **more: Any,  # noqa: ANN401
) -> Passport:
    values = [link.write(world) for link in links]
    return service(world, **more).divert(message(dest=dest or (CAROL,)), values, NOW)


def refusal(
    world: World,
    links: Sequence[Link] = (MSG,),
    *dest: str,
    **more: Any,  # noqa: ANN401
) -> SigningError:
    with pytest.raises(SigningError) as caught:
        divert(world, links, *dest, **more)
    return caught.value


@pytest.mark.conformance("A-23", "M-01")
def test_what_it_makes_says_who_sent_it_on_and_to_whom(there: World) -> None:
    token = divert(there)

    assert token.claims.raw == {
        "dest": {"tn": [CAROL]},
        "div": {"tn": BOB},
        "iat": IAT,
        "orig": {"tn": ALICE},
    }
    assert (token.ppt, token.x5u) == ("div", f"{X5U}bob.pem")
    assert passport.parse(token.text) == token


def test_iat_is_that_of_the_message_and_not_of_the_diversion(there: World) -> None:
    yesterday = Link(payload={"iat": IAT - 86_400})

    assert divert(there, [yesterday]).claims.iat == IAT - 86_400


@pytest.mark.conformance("A-23")
def test_what_it_makes_verifies(there: World) -> None:
    values = [MSG.write(there)]

    made = service(there).divert(DIVERTED, values, NOW)

    values.append(identity.write(made, "PASSporT"))
    found = there.verifier().verify(DIVERTED, values, NOW)
    assert [result.passed for result in found.passports] == [True, True]
    assert found.result.passed


def test_a_second_diversion_continues_the_first(there: World) -> None:
    values = [MSG.write(there)]
    first = service(there).divert(DIVERTED, values, NOW)
    values.insert(0, identity.write(first, "PASSporT"))
    onward = message(dest=(DAVE,))

    second = service(there, "carol", (CAROL,)).divert(onward, values, NOW + HOUR)

    values.insert(0, identity.write(second, "PASSporT"))
    assert second.claims.raw["div"] == {"tn": CAROL}
    assert there.verifier().verify(onward, values, NOW + HOUR).result.passed


def test_dest_holds_only_those_whom_no_token_names(there: World) -> None:
    """Bob stands in To still; he keeps a copy, say."""
    token = divert(there, [MSG], DAVE, BOB, CAROL)

    assert token.claims.raw["dest"] == {"tn": [CAROL, DAVE]}


def test_the_one_of_several_recipients_who_is_ours_sent_it_on(there: World) -> None:
    token = divert(there, [Link(dest=(ERIN, BOB, DAVE))])

    assert token.claims.raw["div"] == {"tn": BOB}


def test_whoever_sent_it_on_before_does_not_again(there: World) -> None:
    """Of two numbers of ours it is the outermost that has the message now."""
    token = divert(there, [MSG, TO_CAROL], DAVE, name="carol", numbers=(BOB, CAROL))

    assert token.claims.raw["div"] == {"tn": CAROL}


def test_signatures_of_others_are_not_checked(there: World) -> None:
    """That Bob sent it on is true without; a verifier checks the whole chain."""
    forged = Link(signer="other", header={"x5u": f"{X5U}one.pem"})

    assert divert(there, [forged]).claims.raw["div"] == {"tn": BOB}


def test_a_call_token_beside_the_message_token_does_no_harm(there: World) -> None:
    call = Link(header={"ppt": "shaken"})

    assert divert(there, [call, MSG, call]).claims.raw["div"] == {"tn": BOB}


@pytest.mark.conformance("A-23")
@pytest.mark.parametrize(
    ("links", "dest"),
    [
        pytest.param([], (CAROL,), id="no-token"),
        pytest.param([TO_CAROL], (DAVE,), id="only-a-diversion"),
        pytest.param([Link(header={"ppt": "shaken"})], (CAROL,), id="only-a-call"),
        pytest.param([Link(parameters=";ppt=div")], (CAROL,), id="mirrored-otherwise"),
        pytest.param(
            [Link(payload={"iat": IAT - 86_401})], (CAROL,), id="message-is-stale"
        ),
        pytest.param(
            [Link(payload={"iat": IAT + 2})], (CAROL,), id="message-is-of-the-future"
        ),
        pytest.param(
            [Link(payload={"orig": {"tn": EVE}})], (CAROL,), id="another-originator"
        ),
        pytest.param([Link(payload={"msgi": ABSENT})], (CAROL,), id="no-msgi"),
        pytest.param([MSG], (BOB,), id="on-its-way-to-the-recipient"),
        pytest.param([MSG, TO_CAROL], (CAROL,), id="diverted-already"),
        pytest.param([MSG, TO_CAROL], (BOB, CAROL), id="kept-and-diverted-already"),
        pytest.param([Link(dest=(BOB, CAROL))], (CAROL,), id="sent-to-both"),
    ],
)
def test_where_nothing_is_diverted_nothing_is_said(
    there: World, links: list[Link], dest: tuple[str, ...]
) -> None:
    error = refusal(there, links, *dest)

    assert (error.code, error.failure) == ("not-diverted", False)


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(replace(DIVERTED, orig=None), id="originator-unknown"),
        pytest.param(replace(DIVERTED, orig=EVE), id="originator-changed"),
        pytest.param(message(dest=(CAROL,), body=b"Hullo\r\n"), id="body-changed"),
        pytest.param(message(dest=(CAROL,), body=BODY + b"\r\n"), id="line-added"),
        pytest.param(
            replace(DIVERTED, body=BodyDigester(["sha512"]).finish()),
            id="body-not-digested-that-way",
        ),
        pytest.param(message(dest=()), id="to-nobody-with-a-number"),
    ],
)
def test_another_message_than_the_tokens_is_not_diverted(
    there: World, sent: Message
) -> None:
    with pytest.raises(SigningError) as caught:
        service(there).divert(sent, [MSG.write(there)], NOW)

    assert (caught.value.code, caught.value.failure) == ("not-diverted", False)


@pytest.mark.parametrize(
    ("links", "more"),
    [
        pytest.param([MSG], {"name": "carol", "numbers": (CAROL,)}, id="not-to-us"),
        pytest.param([Link(dest=(ERIN,))], {}, id="bob-was-no-recipient"),
        pytest.param([MSG], {"name": "one", "numbers": (ALICE,)}, id="only-from-us"),
        pytest.param([MSG, by(BOB, DAVE)], {}, id="bob-sent-it-on-before"),
        pytest.param(
            [MSG, replace(TO_CAROL, payload={"orig": {"tn": EVE}})],
            {"name": "carol", "numbers": (CAROL,)},
            id="what-led-to-us-was-another-message",
        ),
        pytest.param(
            [MSG, TO_CAROL, by(CAROL, DAVE)],
            {"name": "dave", "numbers": (DAVE,), "diversions": 1},
            id="chain-is-too-long-to-follow",
        ),
    ],
)
def test_for_whom_we_do_not_serve_we_say_nothing(
    there: World, links: list[Link], more: dict[str, Any]
) -> None:
    error = refusal(there, links, ERIN if links[0] is MSG else CAROL, **more)

    assert (error.code, error.failure) == ("no-signer", False)


def test_which_of_two_numbers_of_ours_sent_it_on_is_not_guessed(there: World) -> None:
    error = refusal(there, [Link(dest=(BOB, CAROL))], DAVE, numbers=(BOB, CAROL))

    assert (error.code, error.failure) == ("ambiguous-diversion", False)
    assert not any(number in error.detail for number in (ALICE, BOB, CAROL, DAVE))


def test_more_new_recipients_than_a_verifier_takes_are_not_named(there: World) -> None:
    many = [f"131265{n:05d}" for n in range(3)]

    most = divert(there, [MSG], *many[:2], limits=Limits(dest=2))
    error = refusal(there, [MSG], *many, limits=Limits(dest=2))

    assert len(most.claims.dest) == 2
    assert (error.code, error.failure) == ("too-many-recipients", False)


@pytest.mark.conformance("A-13", "A-23")
def test_a_certificate_younger_than_the_message_is_not_used(there: World) -> None:
    """``iat`` stays that of the message, so no verifier would take the token."""
    old = Link(payload={"iat": IAT - 3601})

    error = refusal(there, [old], name="bob-new")

    assert (error.code, error.failure) == ("credential-too-young", False)


@pytest.mark.conformance("A-13", "A-23")
@pytest.mark.parametrize(
    ("name", "code"),
    [
        pytest.param("bob-expired", "credential-expired", id="certificate-expired"),
        pytest.param("one", "not-authorized", id="certificate-of-the-originator"),
        pytest.param("carol", "not-authorized", id="certificate-of-the-target"),
        pytest.param("bob-mute", "claim-constrained", id="div-is-excluded"),
        pytest.param("bob-wordy", "claim-constrained", id="a-claim-we-never-make"),
    ],
)
def test_fault_of_ours_is_a_failure(there: World, name: str, code: str) -> None:
    error = refusal(there, [MSG], CAROL, name=name, numbers=(BOB,))

    assert (error.code, error.failure) == (code, True)
    assert error.detail.startswith(f"{name}: ")
    assert not any(number in error.detail for number in (ALICE, BOB, CAROL))


def test_a_certificate_that_excludes_msgi_may_divert(there: World) -> None:
    assert divert(there, name="bob-silent", numbers=(BOB,))


@pytest.mark.parametrize(
    ("later", "good"),
    [
        pytest.param(DAY, True, id="a-day-old"),
        pytest.param(DAY + SECOND, False, id="a-second-older"),
    ],
)
def test_freshness_is_that_of_the_policy(
    there: World, later: timedelta, good: bool
) -> None:
    values = [MSG.write(there)]
    made = service(there, freshness=HOUR * 24)

    if good:
        assert made.divert(DIVERTED, values, NOW + later)
    else:
        with pytest.raises(SigningError, match="not-diverted"):
            made.divert(DIVERTED, values, NOW + later)


def test_what_it_makes_is_signed_by_the_diverting_signer(there: World) -> None:
    """The first signer that serves the diverting number, not the originator's."""
    ours = AuthenticationService(
        [signer(there, "one", ALICE), signer(there, "bob", BOB)]
    )

    token = ours.divert(DIVERTED, [MSG.write(there)], NOW)

    jws.verify(token.signing_input, token.signature, there.keys["bob"].public_key())
