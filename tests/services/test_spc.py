"""Certificates that rest on a carrier's code: accepted, refused, or held to a map.

RFC 8226 §9 lets a certificate name a carrier (SPC) instead of numbers. Which numbers
are a carrier's, no certificate says: the operator decides what that is worth (C-04).
"""

from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from stirmilter.services import VerificationPolicy
from stirmilter.stir.credential import TrustAnchors
from stirmilter.stir.result import Authority, Reason, StirResult
from stirmilter.stir.tn import NumberSet
from tests.laboratory import ALICE, BOB, CAROL, NOW, message
from tests.services.world import World
from tests.stir import der
from tests.stir.certificates import Issued, publish
from tests.stir.delegates import delegate, end
from tests.stir.tokens import ABSENT

PREFIX: Final = "+1202555*"
"""Alice's number lies below it."""

ELSEWHERE: Final = "+1999*"
ROOT: Final = delegate("root of carriers", None)


@pytest.fixture(scope="module")
def there(world: World, tmp_path_factory: pytest.TempPathFactory) -> World:
    """Make certificates of every mixture of codes and numbers."""
    folder: Path = tmp_path_factory.mktemp("carriers")
    carrier = delegate("carrier", ROOT, der.spc("1234"))
    two = delegate("two", ROOT, der.spc("1234"), der.spc("5678"))
    listed = delegate("listed", carrier, der.block("12025550100", 100))
    alice = der.one(ALICE)
    chains: dict[str, tuple[Issued, ...]] = {
        "number": (end(ROOT, alice),),
        "code": (end(ROOT, der.spc("1234")),),
        "codes": (end(ROOT, der.spc("1234"), der.spc("5678")),),
        "both": (end(ROOT, der.spc("1234"), alice),),
        "beside": (end(ROOT, der.spc("1234"), der.one(CAROL)),),
        "delegate": (end(carrier, alice), carrier),
        "delegate-of-two": (end(two, alice), two),
        "sub-delegate": (end(listed, alice), listed, carrier),
        "code-below-two": (end(two, der.spc("5678")), two),
    }
    for name, chain in chains.items():
        publish(folder, name, *chain)
    keys: dict[str, ec.EllipticCurvePrivateKey] = {
        name: chain[0].key for name, chain in chains.items()
    }
    trusted = TrustAnchors([ROOT.certificate])
    return replace(world, folder=folder, keys=keys, trusted=trusted)


def numbers(**patterns: str | list[str]) -> dict[str, NumberSet]:
    """Write a map: ``spc_1234="+1*"``."""
    return {
        spc.removeprefix("spc_"): NumberSet.parse(
            [one] if isinstance(one, str) else one
        )
        for spc, one in patterns.items()
    }


def judge(world: World, signer: str, **policy: Any) -> StirResult:  # noqa: ANN401
    service = world.verifier(policy=policy)
    return service.verify(message(), [world.token(signer)], NOW).result


@pytest.mark.conformance("C-04")
@pytest.mark.parametrize(
    ("signer", "authority"),
    [
        pytest.param("code", "spc", id="code"),
        pytest.param("codes", "spc", id="two-codes"),
        pytest.param("both", "tn", id="code-and-number"),
        pytest.param("beside", "spc", id="code-and-another-number"),
        pytest.param("delegate", "tn", id="number-under-a-code"),
    ],
)
def test_accepted_by_default_and_marked(
    there: World, signer: str, authority: Authority
) -> None:
    result = judge(there, signer)

    assert result.passed
    assert result.authority == authority
    assert VerificationPolicy().spc_numbers is None


@pytest.mark.conformance("C-04")
@pytest.mark.parametrize(
    ("signer", "reason"),
    [
        pytest.param("code", Reason.SPC_NOT_ACCEPTED, id="code"),
        pytest.param("codes", Reason.SPC_NOT_ACCEPTED, id="two-codes"),
        pytest.param("beside", Reason.SPC_NOT_ACCEPTED, id="code-and-another-number"),
        pytest.param("code-below-two", Reason.SPC_NOT_ACCEPTED, id="code-under-codes"),
        pytest.param("both", Reason.VERIFIED, id="code-and-number"),
        pytest.param("delegate", Reason.VERIFIED, id="number-under-a-code"),
        pytest.param("number", Reason.VERIFIED, id="number"),
    ],
)
def test_refused_where_no_number_is_named(
    there: World, signer: str, reason: Reason
) -> None:
    result = judge(there, signer, accept_spc=False)

    assert result.reason is reason


@pytest.mark.conformance("C-04")
@pytest.mark.parametrize(
    ("signer", "whose", "reason"),
    [
        pytest.param(
            "code", {"spc_1234": PREFIX}, Reason.VERIFIED, id="its-own-by-prefix"
        ),
        pytest.param(
            "code", {"spc_1234": f"+{ALICE}"}, Reason.VERIFIED, id="its-own-by-number"
        ),
        pytest.param(
            "code",
            {"spc_1234": "+12025550100-+12025550199"},
            Reason.VERIFIED,
            id="its-own-by-range",
        ),
        pytest.param(
            "code", {"spc_1234": ELSEWHERE}, Reason.NOT_AUTHORIZED, id="another's"
        ),
        pytest.param(
            "code", {"spc_1234": []}, Reason.NOT_AUTHORIZED, id="it-has-no-numbers"
        ),
        pytest.param(
            "code", {"spc_5678": PREFIX}, Reason.SPC_NOT_ACCEPTED, id="unknown-carrier"
        ),
        pytest.param("code", {}, Reason.SPC_NOT_ACCEPTED, id="nobody-is-known"),
        pytest.param(
            "codes", {"spc_5678": PREFIX}, Reason.VERIFIED, id="one-of-two-is-known"
        ),
        pytest.param(
            "codes",
            {"spc_1234": ELSEWHERE, "spc_5678": PREFIX},
            Reason.VERIFIED,
            id="one-of-two-has-it",
        ),
        pytest.param(
            "codes",
            {"spc_1234": ELSEWHERE, "spc_5678": ELSEWHERE},
            Reason.NOT_AUTHORIZED,
            id="neither-of-two-has-it",
        ),
        pytest.param(
            "code-below-two",
            {"spc_1234": PREFIX, "spc_5678": ELSEWHERE},
            Reason.NOT_AUTHORIZED,
            id="the-nearest-carrier-counts",
        ),
        pytest.param(
            "both", {"spc_1234": ELSEWHERE}, Reason.VERIFIED, id="the-number-is-named"
        ),
        pytest.param(
            "beside", {"spc_1234": ELSEWHERE}, Reason.NOT_AUTHORIZED, id="another-is"
        ),
        pytest.param("number", {}, Reason.VERIFIED, id="no-carrier-at-all"),
        pytest.param(
            "delegate", {"spc_1234": PREFIX}, Reason.VERIFIED, id="delegate-of-its-own"
        ),
        pytest.param(
            "delegate",
            {"spc_1234": ELSEWHERE},
            Reason.NOT_AUTHORIZED,
            id="delegate-of-another's-number",
        ),
        pytest.param(
            "delegate", {}, Reason.SPC_NOT_ACCEPTED, id="delegate-of-an-unknown-carrier"
        ),
        pytest.param(
            "delegate-of-two",
            {"spc_1234": ELSEWHERE, "spc_5678": PREFIX},
            Reason.VERIFIED,
            id="delegate-of-two-carriers",
        ),
        pytest.param(
            "sub-delegate",
            {"spc_1234": ELSEWHERE},
            Reason.NOT_AUTHORIZED,
            id="delegate-of-a-delegate",
        ),
    ],
)
def test_held_to_the_numbers_of_the_carrier(
    there: World, signer: str, whose: dict[str, str | list[str]], reason: Reason
) -> None:
    result = judge(there, signer, spc_numbers=numbers(**whose))

    assert result.reason is reason
    assert ALICE not in result.detail


def test_a_mapped_carrier_is_still_marked(there: World) -> None:
    result = judge(there, "code", spc_numbers=numbers(spc_1234=PREFIX))

    assert result.authority == "spc"


def test_a_refusal_names_the_carrier(there: World) -> None:
    result = judge(there, "codes", spc_numbers=numbers())

    assert "SPC 1234, 5678" in result.detail


@pytest.mark.parametrize(
    ("whose", "reason"),
    [
        pytest.param({"spc_1234": f"+{BOB}"}, Reason.VERIFIED, id="its-own"),
        pytest.param({"spc_1234": PREFIX}, Reason.NOT_AUTHORIZED, id="another's"),
        pytest.param({}, Reason.SPC_NOT_ACCEPTED, id="unknown-carrier"),
    ],
)
def test_whoever_diverts_is_held_to_the_diverting_number(
    there: World, whose: dict[str, str], reason: Reason
) -> None:
    """The carrier of the number in ``div`` sends on, not that of ``orig``."""
    claims = {"dest": {"tn": [CAROL]}, "div": {"tn": BOB}, "msgi": ABSENT}
    values = [there.token("number"), there.token("code", {"ppt": "div"}, claims)]
    service = there.verifier(policy={"spc_numbers": numbers(**whose)})

    found = service.verify(message(dest=(CAROL,)), values, NOW)

    assert found.passports[1].reason is reason
    assert found.result.passed is (reason is Reason.VERIFIED)
