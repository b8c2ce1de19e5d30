"""Both claim constraint extensions, read by us and written by pyasn1."""

from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from stirmilter.stir import hazmat
from stirmilter.stir.claimconstraints import ClaimConstraints
from stirmilter.stir.result import Reason, Unverified
from tests.referees import schemas
from tests.referees.schemas import CONSTRAINTS, ENHANCED
from tests.stir import der

Plain = dict[str, Any]

NAMES = st.lists(
    st.sampled_from(["msgi", "attest", "orig"])
    | st.text(st.characters(max_codepoint=0x7F), max_size=9),
    min_size=1,
    max_size=9,
)
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "claim": st.text(st.characters(max_codepoint=0x7F), max_size=9),
            "permitted": st.lists(st.text(max_size=9), min_size=1, max_size=5),
        }
    ),
    min_size=1,
    max_size=5,
)


def members(**optional: st.SearchStrategy[Any]) -> st.SearchStrategy[Plain]:
    """One member at least."""
    return st.fixed_dictionaries({}, optional=optional).filter(bool)


PLAIN_FORM = members(mustInclude=NAMES, permittedValues=ROWS)
ENHANCED_FORM = members(mustInclude=NAMES, permittedValues=ROWS, mustExclude=NAMES)

FORMS = pytest.mark.parametrize(
    ("schema", "enhanced"),
    [
        pytest.param(CONSTRAINTS, False, id="plain-form"),
        pytest.param(ENHANCED, True, id="enhanced-form"),
    ],
)


def ours(octets: bytes, *, enhanced: bool) -> Plain | None:
    """What we read, in pyasn1's words, or None if we refuse it."""
    try:
        ClaimConstraints.decode(
            None if enhanced else octets, octets if enhanced else None
        )
    except Unverified as error:
        assert error.reason is Reason.CREDENTIAL_MALFORMED  # noqa: PT017 - or none
        return None
    found = hazmat.decode_claim_constraints(octets)
    read: Plain = {}
    if found.must_include is not None:
        read["mustInclude"] = [name.as_str() for name in found.must_include]
    if found.permitted_values is not None:
        read["permittedValues"] = [
            {"claim": row.claim.as_str(), "permitted": row.values}
            for row in found.permitted_values
        ]
    if found.must_exclude is not None:
        read["mustExclude"] = [name.as_str() for name in found.must_exclude]
    return read


def by_hand(value: Plain) -> bytes:
    """Write the value with what all tests of ours write DER with."""
    rows = (
        der.sequence(
            der.ia5(row["claim"]), der.sequence(*map(der.utf8, row["permitted"]))
        )
        for row in value.get("permittedValues", [])
    )
    parts = {
        0: map(der.ia5, value.get("mustInclude", [])),
        1: rows,
        2: map(der.ia5, value.get("mustExclude", [])),
    }
    filled = {number: b"".join(octets) for number, octets in parts.items()}
    return der.sequence(
        *(
            der.explicit(number, der.sequence(octets))
            for number, octets in filled.items()
            if octets
        )
    )


def test_extension_of_rfc_8226_has_its_number() -> None:
    assert hazmat.CLAIM_CONSTRAINTS.dotted_string == schemas.CONSTRAINTS_OID


@settings(max_examples=150)
@given(PLAIN_FORM)
def test_plain_form_that_pyasn1_writes_we_read(value: Plain) -> None:
    octets = schemas.encode(CONSTRAINTS, value)

    assert ours(octets, enhanced=False) == value


@settings(max_examples=150)
@given(ENHANCED_FORM)
def test_enhanced_form_that_pyasn1_writes_we_read(value: Plain) -> None:
    octets = schemas.encode(ENHANCED, value)

    assert ours(octets, enhanced=True) == value


@settings(max_examples=150)
@given(ENHANCED_FORM)
def test_members_that_pyasn1_writes_bind_our_tokens(value: Plain) -> None:
    """The values reach the object that tokens are held against."""
    assume(not {"iat", "orig", "dest"} & set(value.get("mustExclude", [])))
    octets = schemas.encode(ENHANCED, value)

    assert ClaimConstraints.decode(None, octets) == ClaimConstraints(
        frozenset(value.get("mustInclude", [])),
        tuple(
            (row["claim"], frozenset(row["permitted"]))
            for row in value.get("permittedValues", [])
        ),
        frozenset(value.get("mustExclude", [])),
    )


@settings(max_examples=150)
@given(ENHANCED_FORM)
def test_our_tests_write_the_same_octets_as_pyasn1(value: Plain) -> None:
    """What other tests hold the decoder to is DER indeed."""
    assert by_hand(value) == schemas.encode(ENHANCED, value)


# Octets that are no constraints, or nearly none


@settings(max_examples=400)
@given(schemas.mutants(PLAIN_FORM.map(by_hand)))
def test_of_spoilt_plain_forms_we_take_none_that_pyasn1_refuses(octets: bytes) -> None:
    assert ours(octets, enhanced=False) in (None, schemas.decode(CONSTRAINTS, octets))


@settings(max_examples=400)
@given(schemas.mutants(ENHANCED_FORM.map(by_hand)))
def test_of_spoilt_enhanced_forms_we_take_none_that_pyasn1_refuses(
    octets: bytes,
) -> None:
    assert ours(octets, enhanced=True) in (None, schemas.decode(ENHANCED, octets))


@FORMS
def test_of_all_changes_of_one_octet_we_take_none_that_pyasn1_refuses(
    schema: object, enhanced: bool
) -> None:
    exclude = ["priority"] if enhanced else None
    sample = der.constraints(["msgi"], {"attest": ["A", "\u20ac"]}, exclude)

    read = {
        octets: ours(octets, enhanced=enhanced) for octets in schemas.neighbours(sample)
    }
    taken = {octets: value for octets, value in read.items() if value is not None}

    assert taken == {octets: schemas.decode(schema, octets) for octets in taken}
    # Other letters in names and values: there is something to compare.
    assert len(taken) > 100


@pytest.mark.parametrize(
    "octets",
    [
        pytest.param(
            b"\x30\x81\x07" + der.explicit(0, der.sequence(der.ia5("a"))),
            id="length-in-more-octets-than-it-needs",
        ),
        pytest.param(
            der.sequence(der.explicit(0, der.sequence(der.tlv(0x36, der.ia5("a"))))),
            id="name-in-pieces",
        ),
    ],
)
@FORMS
def test_we_are_stricter_than_pyasn1(
    schema: object, enhanced: bool, octets: bytes
) -> None:
    """These are BER, and DER has but one spelling for each value."""
    assert schemas.decode(schema, octets) is not None
    assert ours(octets, enhanced=enhanced) is None


@pytest.mark.parametrize(
    "octets",
    [
        pytest.param(der.sequence(), id="no-member"),
        pytest.param(der.constraints([]), id="nothing-to-include"),
        pytest.param(der.constraints(permit={}), id="no-row"),
        pytest.param(der.constraints(permit={"a": []}), id="row-without-a-value"),
        pytest.param(der.constraints([], {"a": ["b"]}), id="one-member-of-two-empty"),
        pytest.param(der.constraints(["\xe9"]), id="name-beyond-ascii"),
        pytest.param(
            der.sequence(der.explicit(0, der.sequence(der.utf8("a")))),
            id="name-as-utf8-string",
        ),
        pytest.param(
            der.sequence(
                *(der.explicit(n, der.sequence(der.ia5("a"))) for n in (0, 0))
            ),
            id="member-twice",
        ),
        pytest.param(
            der.sequence(
                *(der.explicit(n, der.sequence(der.ia5("a"))) for n in (0, 3))
            ),
            id="member-unknown",
        ),
        pytest.param(der.constraints(["a"]) + b"\0", id="octet-after-the-end"),
    ],
)
@FORMS
def test_both_refuse(schema: object, enhanced: bool, octets: bytes) -> None:
    assert schemas.decode(schema, octets) is None
    assert ours(octets, enhanced=enhanced) is None


def test_both_refuse_an_exclusion_in_the_plain_form() -> None:
    octets = der.constraints(["a"], exclude=["b"])

    assert schemas.decode(CONSTRAINTS, octets) is None
    assert ours(octets, enhanced=False) is None
