"""Identities that are URIs: who may vouch for them, and who says so (A-22)."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import pytest

from stirmilter.errors import SigningError
from stirmilter.services import AuthenticationService, Message
from stirmilter.stir import identity
from stirmilter.stir.result import Reason, StirResult
from stirmilter.stir.tn import NumberSet
from tests.laboratory import ALICE, BOB, CAROL, NOW, message
from tests.services.forwarders import signer
from tests.services.hosts import FROM_MAIL, HOST, TO_MAIL, with_hosts
from tests.services.world import World
from tests.stir.tokens import ABSENT

CLAIMS: Final[Mapping[str, object]] = {
    "orig": {"uri": FROM_MAIL},
    "dest": {"uri": [TO_MAIL]},
}
MAIL: Final = message(orig=FROM_MAIL, dest=(TO_MAIL,))


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> World:
    return with_hosts(tmp_path_factory.mktemp("hosts"))


def judge(
    world: World,
    name: str,
    claims: Mapping[str, object] = CLAIMS,
    sent: Message = MAIL,
    **policy: Any,  # noqa: ANN401
) -> StirResult:
    token = world.token(name, payload=claims)
    return world.verifier(policy=policy).verify(sent, [token], NOW).result


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("host", id="its-host"),
        pytest.param("hosts", id="one-of-its-hosts-in-capitals"),
        pytest.param("host-and-number", id="host-beside-a-number"),
        pytest.param("host-and-code", id="host-beside-a-code"),
    ],
)
def test_the_host_in_the_certificate_vouches_for_a_uri(there: World, name: str) -> None:
    result = judge(there, name)

    assert result.passed
    assert result.authority == "domain"


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("number", id="a-number"),
        pytest.param("code", id="a-carrier"),
        pytest.param("other-host", id="another-host"),
        pytest.param("parent-host", id="the-domain-above"),
        pytest.param("child-host", id="a-host-below"),
        pytest.param("any-host", id="a-wildcard"),
        pytest.param("no-host", id="mail-address-and-ip-address"),
    ],
)
def test_nothing_else_does(there: World, name: str) -> None:
    result = judge(there, name)

    assert result.reason is Reason.NOT_AUTHORIZED
    assert result.rule == "RFC 5922 §7.2"
    assert "alice" not in result.detail


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        pytest.param("host", Reason.NOT_AUTHORIZED, id="host-alone"),
        pytest.param("host-and-number", Reason.VERIFIED, id="host-and-number"),
    ],
)
def test_a_host_vouches_for_no_number(there: World, name: str, reason: Reason) -> None:
    assert judge(there, name, {}, message()).reason is reason


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        pytest.param({"orig": {"tn": ALICE}}, Reason.ORIG_MISMATCH, id="orig-a-number"),
        pytest.param(
            {"orig": {"uri": f"mailto:Alice@{HOST}"}},
            Reason.ORIG_MISMATCH,
            id="orig-in-another-case",
        ),
        pytest.param(
            {"orig": {"uri": f"sip:alice@{HOST}"}},
            Reason.ORIG_MISMATCH,
            id="orig-in-another-scheme",
        ),
        pytest.param(
            {"orig": {"uri": f"mailto:x@evil.example,alice@{HOST}"}},
            Reason.ORIG_MISMATCH,
            id="orig-of-two",
        ),
        pytest.param({"orig": {"uri": HOST}}, Reason.MALFORMED, id="orig-a-bare-host"),
        pytest.param(
            {"dest": {"uri": ["mailto:carol@b.example"]}},
            Reason.DEST_MISMATCH,
            id="dest-another",
        ),
        pytest.param({"dest": {"tn": [BOB]}}, Reason.DEST_MISMATCH, id="dest-a-number"),
    ],
)
def test_a_uri_is_compared_as_it_stands(
    there: World, claims: dict[str, object], reason: Reason
) -> None:
    assert judge(there, "host", {**CLAIMS, **claims}).reason is reason


@pytest.mark.parametrize(
    "policy",
    [
        pytest.param({"accept_spc": False}, id="refused"),
        pytest.param({"spc_numbers": {}}, id="mapped-and-unknown"),
        pytest.param({"spc_numbers": {"1234": NumberSet()}}, id="mapped-to-nothing"),
    ],
)
def test_what_a_carrier_may_say_matters_for_numbers_alone(
    there: World, policy: dict[str, Any]
) -> None:
    assert judge(there, "host-and-code", **policy).passed


def test_numbers_and_uris_may_stand_together(there: World) -> None:
    claims = {**CLAIMS, "dest": {"tn": [BOB], "uri": [TO_MAIL]}}
    sent = replace(MAIL, dest=frozenset({BOB, TO_MAIL}))

    assert judge(there, "host", claims, sent).passed
    assert judge(there, "host", CLAIMS, sent).reason is Reason.DEST_PARTIAL


def test_a_uri_diverts_by_its_host(there: World) -> None:
    said = {
        "dest": {"tn": [CAROL]},
        "div": {"uri": TO_MAIL},
        "msgi": ABSENT,
    }
    claims = {**CLAIMS, "orig": {"tn": ALICE}}
    sent = message(dest=(CAROL,))
    first = there.token("number", payload=claims)

    for name, reason in (
        ("other-host", Reason.VERIFIED),
        ("host", Reason.NOT_AUTHORIZED),
        ("code", Reason.NOT_AUTHORIZED),
    ):
        link = there.token(name, {"ppt": "div"}, said)
        found = there.verifier().verify(sent, [first, link], NOW)
        assert found.passports[1].reason is reason
        assert found.result.passed is (reason is Reason.VERIFIED)


# Signing


def sign(world: World, sent: Message, name: str, *domains: str) -> str:
    service = AuthenticationService([signer(world, name, ALICE, domains=domains)])
    return identity.write(service.sign(sent, NOW), "PASSporT")


@pytest.mark.conformance("A-22")
@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(MAIL, id="from-mail-to-mail"),
        pytest.param(message(orig=FROM_MAIL), id="from-mail-to-a-number"),
        pytest.param(message(dest=(BOB, TO_MAIL)), id="from-a-number-to-both"),
    ],
)
def test_what_is_signed_verifies(there: World, sent: Message) -> None:
    value = sign(there, sent, "host-and-number", HOST)

    assert there.verifier().verify(sent, [value], NOW).result.passed


@pytest.mark.conformance("A-22")
def test_a_signed_uri_stands_in_orig_as_one(there: World) -> None:
    service = AuthenticationService([signer(there, "host", domains=(HOST,))])

    claims = service.sign(replace(MAIL, dest=frozenset({BOB, TO_MAIL})), NOW).claims

    assert claims.raw["orig"] == {"uri": FROM_MAIL}
    assert claims.raw["dest"] == {"tn": [BOB], "uri": [TO_MAIL]}


@pytest.mark.parametrize(
    ("name", "domains", "code", "failure"),
    [
        pytest.param("host", (), "no-signer", False, id="no-host-is-given-to-it"),
        pytest.param("host", ("b.example",), "no-signer", False, id="another-host"),
        pytest.param("host", ("example",), "no-signer", False, id="the-domain-above"),
        pytest.param("number", (HOST,), "not-authorized", True, id="no-host-in-it"),
        pytest.param("other-host", (HOST,), "not-authorized", True, id="other-in-it"),
    ],
)
def test_a_uri_is_signed_by_whom_it_was_given_to_and_who_may(
    there: World, name: str, domains: tuple[str, ...], code: str, failure: bool
) -> None:
    with pytest.raises(SigningError) as caught:
        sign(there, MAIL, name, *domains)

    assert (caught.value.code, caught.value.failure) == (code, failure)
    assert "alice" not in caught.value.detail


def test_a_host_serves_no_number(there: World) -> None:
    one = signer(there, "host-and-number", domains=(HOST,))

    assert one.serves(FROM_MAIL)
    assert not one.serves(ALICE)


def test_who_diverts_a_uri_signs_for_it(there: World) -> None:
    first = there.token("number", payload={"dest": {"uri": [TO_MAIL]}})
    service = AuthenticationService([signer(there, "bob", domains=("b.example",))])
    sent = message(dest=(CAROL,))

    made = service.divert(sent, [first], NOW)

    assert made.claims.raw["div"] == {"uri": TO_MAIL}
    values = [first, identity.write(made, "PASSporT")]
    assert there.verifier().verify(sent, values, NOW).result.passed
