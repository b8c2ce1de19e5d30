"""What is said of claim constraints that are refused, and of claims they refuse."""

import pytest

from stirmilter.stir import hazmat
from stirmilter.stir.claimconstraints import ClaimConstraints
from stirmilter.stir.result import Reason, printable
from tests.stir import der
from tests.stir.refusals import said

PLAIN = "RFC 8226 §8"
ENHANCED = "RFC 9118 §3"


@pytest.mark.parametrize(
    ("plain", "enhanced", "detail", "rule"),
    [
        pytest.param(
            der.constraints(["a"]),
            der.constraints(["a"]),
            "both forms of claim constraints",
            "RFC 9118 §6",
            id="both-forms",
        ),
        pytest.param(
            der.sequence(),
            None,
            "claim constraints: empty",
            PLAIN,
            id="empty-in-the-plain-form",
        ),
        pytest.param(
            None,
            der.sequence(),
            "claim constraints: empty",
            ENHANCED,
            id="empty-in-the-enhanced-form",
        ),
        pytest.param(
            None,
            der.constraints(["a"], exclude=[]),
            "claim constraints: empty",
            ENHANCED,
            id="one-member-empty",
        ),
        pytest.param(
            der.constraints(["a"], exclude=["b"]),
            None,
            "claim constraints: mustExclude",
            PLAIN,
            id="exclusion-in-the-plain-form",
        ),
    ],
)
def test_refusals_of_an_extension(
    plain: bytes | None, enhanced: bytes | None, detail: str, rule: str
) -> None:
    assert said(lambda: ClaimConstraints.decode(plain, enhanced)) == (
        Reason.CREDENTIAL_MALFORMED,
        detail,
        rule,
    )


@pytest.mark.parametrize(
    "octets",
    [
        pytest.param(b"", id="no-octets"),
        pytest.param(b"\x05\x00", id="null"),
        pytest.param(der.constraints(["a"])[:-1], id="cut-off"),
    ],
)
@pytest.mark.parametrize("form", [PLAIN, ENHANCED], ids=["plain", "enhanced"])
def test_what_the_decoder_says_is_told(octets: bytes, form: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        hazmat.decode_claim_constraints(octets)

    refusal = said(
        lambda: ClaimConstraints.decode(
            octets if form == PLAIN else None, octets if form == ENHANCED else None
        )
    )

    assert refusal == (
        Reason.CREDENTIAL_MALFORMED,
        printable(f"claim constraints: {caught.value}"),
        form,
    )


@pytest.mark.parametrize(
    ("octets", "detail", "rule"),
    [
        pytest.param(
            der.constraints(["attest", "msgi"]), "msgi is missing", PLAIN, id="missing"
        ),
        pytest.param(
            der.constraints(["msgi", "a"]), "a is missing", PLAIN, id="first-by-name"
        ),
        pytest.param(
            der.constraints(exclude=["attest"]),
            "attest is excluded",
            ENHANCED,
            id="excluded",
        ),
        pytest.param(
            der.constraints(permit={"attest": ["B", "C"]}),
            "attest has a value not permitted",
            PLAIN,
            id="another-value",
        ),
    ],
)
def test_refusals_of_claims(octets: bytes, detail: str, rule: str) -> None:
    constraints = ClaimConstraints.decode(None, octets)

    assert said(lambda: constraints.check({"iat": 1, "attest": "A"})) == (
        Reason.CLAIM_CONSTRAINED,
        detail,
        rule,
    )


def test_demands_are_told_in_order() -> None:
    """Members that must be there, that must not, and the values of the others."""
    constraints = ClaimConstraints.decode(
        None,
        der.constraints(["b", "a"], {"z": ["2", "1"], "y": ["3"]}, ["d", "c"]),
    )

    assert constraints.lines() == [
        "must have a",
        "must have b",
        "must not have c",
        "must not have d",
        "z is one of: 1, 2",
        "y is one of: 3",
    ]
