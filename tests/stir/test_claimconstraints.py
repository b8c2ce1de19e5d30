import pytest
from hypothesis import given
from hypothesis import strategies as st

from stirmilter.stir.claimconstraints import ClaimConstraints
from stirmilter.stir.result import Reason, Unverified
from tests.stir import der

CLAIMS = {"iat": 1, "orig": {"tn": "1"}, "dest": {"tn": ["2"]}, "msgi": "sha256-x"}
SAMPLE = der.constraints(["confidence"], {"confidence": ["high", "low"]}, ["priority"])


def test_no_extension_constrains_nothing() -> None:
    constraints = ClaimConstraints.decode(None, None)

    assert constraints == ClaimConstraints()
    constraints.check(CLAIMS)


@pytest.mark.conformance("C-08")
def test_plain_form_is_decoded() -> None:
    found = ClaimConstraints.decode(
        der.constraints(["a", "b"], {"c": ["x", "\u00e9"], "d": ["y"]}), None
    )

    assert found.must_include == {"a", "b"}
    assert found.permitted_values == (
        ("c", frozenset({"x", "\u00e9"})),
        ("d", frozenset({"y"})),
    )
    assert found.must_exclude == frozenset()


@pytest.mark.conformance("C-08")
def test_enhanced_form_is_decoded() -> None:
    found = ClaimConstraints.decode(None, SAMPLE)

    assert found.must_include == {"confidence"}
    assert found.permitted_values == (("confidence", frozenset({"high", "low"})),)
    assert found.must_exclude == {"priority"}


@pytest.mark.parametrize("baseline", ["iat", "orig", "dest"])
@pytest.mark.conformance("C-08")
def test_form_that_excludes_a_baseline_claim_is_as_if_absent(baseline: str) -> None:
    """RFC 9118 §3."""
    octets = der.constraints(["missing"], {"msgi": ["other"]}, ["msgi", baseline])

    assert ClaimConstraints.decode(None, octets) == ClaimConstraints()


BAD = [
    pytest.param(b"", id="no-octets"),
    pytest.param(der.sequence(), id="no-member"),
    pytest.param(der.constraints([]), id="empty-must-include"),
    pytest.param(der.constraints(permit={}), id="empty-permitted-values"),
    pytest.param(der.constraints(["a"], {}), id="one-member-empty"),
    pytest.param(der.constraints(permit={"a": []}), id="no-value-permitted"),
    pytest.param(der.sequence(der.sequence(der.ia5("a"))), id="no-tag"),
    pytest.param(der.constraints(["a"]) + b"\x00", id="octet-after-the-end"),
    pytest.param(der.constraints(["a"])[:-1], id="cut-off"),
    pytest.param(der.constraints(["\xe9"]), id="name-beyond-ascii"),
    pytest.param(
        der.sequence(der.explicit(0, der.sequence(der.utf8("a")))), id="utf8-name"
    ),
    pytest.param(
        der.sequence(
            der.explicit(
                1, der.sequence(der.sequence(der.ia5("a"), der.sequence(der.ia5("b"))))
            )
        ),
        id="ia5-value",
    ),
    pytest.param(
        der.sequence(
            der.explicit(2, der.sequence(der.ia5("a"))),
            der.explicit(0, der.sequence(der.ia5("b"))),
        ),
        id="members-out-of-order",
    ),
]


@pytest.mark.parametrize("octets", BAD)
@pytest.mark.parametrize("enhanced", [False, True], ids=["plain", "enhanced"])
def test_malformed_extensions_are_refused(octets: bytes, enhanced: bool) -> None:
    with pytest.raises(Unverified) as caught:
        ClaimConstraints.decode(
            None if enhanced else octets, octets if enhanced else None
        )
    assert caught.value.reason is Reason.CREDENTIAL_MALFORMED


@pytest.mark.parametrize(
    ("plain", "enhanced"),
    [
        pytest.param(der.constraints(["a"]), SAMPLE, id="both-forms"),
        pytest.param(der.constraints(["a"]), b"", id="both-forms-one-empty"),
        pytest.param(SAMPLE, None, id="exclusion-in-the-plain-form"),
        pytest.param(
            der.constraints(exclude=["iat"]), None, id="exclusion-alone-in-plain-form"
        ),
        pytest.param(None, der.constraints(exclude=[]), id="empty-exclusion"),
    ],
)
@pytest.mark.conformance("C-08")
def test_forms_do_not_mix(plain: bytes | None, enhanced: bytes | None) -> None:
    with pytest.raises(Unverified) as caught:
        ClaimConstraints.decode(plain, enhanced)
    assert caught.value.reason is Reason.CREDENTIAL_MALFORMED


@given(st.binary(max_size=40), st.booleans())
def test_decode_refuses_octets_in_one_way(octets: bytes, enhanced: bool) -> None:
    with pytest.raises(Unverified):
        ClaimConstraints.decode(
            None if enhanced else octets, octets if enhanced else None
        )


@given(st.integers(0, 999), st.integers(1, 255))
def test_decode_refuses_spoilt_extensions_in_one_way(place: int, mask: int) -> None:
    octets = bytearray(SAMPLE)
    octets[place % len(octets)] ^= mask
    try:
        ClaimConstraints.decode(None, bytes(octets))
    except Unverified as error:
        assert error.reason is Reason.CREDENTIAL_MALFORMED  # noqa: PT017 - or none


@pytest.mark.parametrize(
    "octets",
    [
        pytest.param(der.constraints(["msgi", "iat"]), id="included"),
        pytest.param(der.constraints(permit={"attest": ["A"]}), id="absent-claim"),
        pytest.param(der.constraints(permit={"msgi": ["sha256-x"]}), id="permitted"),
        pytest.param(
            der.constraints(permit={"msgi": ["y", "sha256-x"]}), id="one-of-several"
        ),
        pytest.param(der.constraints(exclude=["attest"]), id="excluded-and-absent"),
    ],
)
def test_claims_within_the_constraints(octets: bytes) -> None:
    ClaimConstraints.decode(None, octets).check(CLAIMS)


@pytest.mark.parametrize(
    ("octets", "claim"),
    [
        pytest.param(der.constraints(["attest"]), "attest", id="missing"),
        pytest.param(der.constraints(["msgi", "attest"]), "attest", id="one-missing"),
        pytest.param(der.constraints(exclude=["msgi"]), "msgi", id="excluded"),
        pytest.param(der.constraints(permit={"msgi": ["y"]}), "msgi", id="other-value"),
        pytest.param(
            der.constraints(permit={"msgi": ["SHA256-x"]}), "msgi", id="other-case"
        ),
        pytest.param(
            der.constraints(permit={"a": ["b"], "msgi": ["y"]}), "msgi", id="second-row"
        ),
        pytest.param(der.constraints(permit={"iat": ["1"]}), "iat", id="number"),
        pytest.param(der.constraints(permit={"orig": ["1"]}), "orig", id="object"),
        pytest.param(
            der.constraints(["attest"], {"attest": ["A"]}),
            "attest",
            id="absent-but-must-be-there",
        ),
    ],
)
@pytest.mark.conformance("C-08")
def test_claims_outside_the_constraints(octets: bytes, claim: str) -> None:
    constraints = ClaimConstraints.decode(None, octets)

    with pytest.raises(Unverified, match=claim) as caught:
        constraints.check(CLAIMS)
    assert caught.value.reason is Reason.CLAIM_CONSTRAINED


def test_two_rows_for_one_claim_both_hold() -> None:
    name = der.ia5("msgi")
    rows = [
        der.sequence(name, der.sequence(der.utf8(value))) for value in ("sha256-x", "y")
    ]
    octets = der.sequence(der.explicit(1, der.sequence(*rows)))

    with pytest.raises(Unverified, match="msgi"):
        ClaimConstraints.decode(octets, None).check(CLAIMS)
