"""TNAuthList, read and written by us and by pyasn1."""

from string import ascii_letters
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stirmilter.stir import credential, hazmat
from stirmilter.stir.result import Reason, Unverified
from stirmilter.stir.tnauthlist import TNAuthList
from stirmilter.testca import TestCA
from tests.laboratory import ALICE
from tests.referees import schemas
from tests.referees.schemas import TN_AUTH_LIST
from tests.stir import der

Entry = tuple[str, str, int]


@st.composite
def blocks(draw: st.DrawFn) -> Entry:
    """A range whose last number has as many digits as the first."""
    digits = draw(st.integers(1, 15))
    first = draw(st.integers(0, 10**digits - 2))
    return ("range", f"{first:0{digits}d}", draw(st.integers(2, 10**digits - first)))


CODES = st.text(ascii_letters + "0123456789", min_size=1, max_size=64)
NUMBERS = st.text("0123456789#*", min_size=1, max_size=15)
ENTRY = st.one_of(
    st.tuples(st.just("spc"), CODES, st.just(1)),
    st.tuples(st.just("one"), NUMBERS, st.just(1)),
    blocks(),
)
# With twenty entries, lengths take one, two or three octets.
ENTRIES = st.lists(ENTRY, min_size=1, max_size=20)
FEW = st.lists(ENTRY, min_size=1, max_size=3)


def plain(entries: list[Entry]) -> list[dict[str, Any]]:
    """Say what pyasn1 would."""
    return [
        {kind: {"start": text, "count": count} if kind == "range" else text}
        for kind, text, count in entries
    ]


def built(entries: list[Entry]) -> TNAuthList:
    return TNAuthList.build(
        [text for kind, text, _ in entries if kind == "spc"],
        [text for kind, text, _ in entries if kind == "one"],
        [(text, count) for kind, text, count in entries if kind == "range"],
    )


def ours(octets: bytes) -> list[dict[str, Any]] | None:
    """What we read, in pyasn1's words, or None if we refuse it."""
    try:
        TNAuthList.decode(octets)
    except Unverified as error:
        assert error.reason is Reason.CREDENTIAL_MALFORMED  # noqa: PT017 - or none
        return None
    return plain(hazmat.decode_tn_auth_list(octets))


def test_extension_has_its_number() -> None:
    assert hazmat.TN_AUTH_LIST.dotted_string == schemas.TN_AUTH_LIST_OID


@settings(max_examples=150)
@given(ENTRIES)
def test_what_pyasn1_writes_we_read(entries: list[Entry]) -> None:
    octets = schemas.encode(TN_AUTH_LIST, plain(entries))

    assert hazmat.decode_tn_auth_list(octets) == entries
    assert TNAuthList.decode(octets) == built(entries)


@settings(max_examples=150)
@given(ENTRIES)
def test_what_we_write_pyasn1_reads(entries: list[Entry]) -> None:
    octets = hazmat.encode_tn_auth_list(entries)

    assert schemas.decode(TN_AUTH_LIST, octets) == plain(entries)


@settings(max_examples=150)
@given(ENTRIES)
def test_both_write_the_same_octets(entries: list[Entry]) -> None:
    """DER has one spelling for each value."""
    assert hazmat.encode_tn_auth_list(entries) == schemas.encode(
        TN_AUTH_LIST, plain(entries)
    )


@pytest.mark.parametrize(
    ("name", "entries"),
    [
        pytest.param("one", [("one", ALICE, 1)], id="number"),
        pytest.param("range", [("range", "12025550100", 100)], id="range"),
        pytest.param("spc", [("spc", "1234", 1)], id="code"),
    ],
)
def test_pyasn1_finds_the_list_in_a_certificate(
    ca: TestCA, name: str, entries: list[Entry]
) -> None:
    certificate = credential.load_chain(ca.files(name).chain.read_bytes())[0]

    assert schemas.extension(certificate, schemas.TN_AUTH_LIST_OID) == plain(entries)


# Octets that are no list, or nearly none


@settings(max_examples=800)
@given(schemas.mutants(FEW.map(hazmat.encode_tn_auth_list)))
def test_of_spoilt_octets_we_take_none_that_pyasn1_refuses(octets: bytes) -> None:
    assert ours(octets) in (None, schemas.decode(TN_AUTH_LIST, octets))


SAMPLE = der.sequence(
    der.spc("1234"), der.block("12025550100", 100), der.one("120255501#*")
)


def test_of_all_changes_of_one_octet_we_take_none_that_pyasn1_refuses() -> None:
    read = {octets: ours(octets) for octets in schemas.neighbours(SAMPLE)}
    taken = {octets: value for octets, value in read.items() if value is not None}

    assert taken == {octets: schemas.decode(TN_AUTH_LIST, octets) for octets in taken}
    # Other letters and digits, and other counts: there is something to compare.
    assert len(taken) > 100


@pytest.mark.parametrize(
    "octets",
    [
        pytest.param(der.sequence(der.spc("")), id="code-of-no-letters"),
        pytest.param(der.sequence(der.spc("12 4")), id="code-with-a-space"),
        pytest.param(der.sequence(der.spc("A" * 65)), id="code-of-65-letters"),
        pytest.param(der.sequence(der.block("12*", 2)), id="range-from-a-star"),
        pytest.param(der.sequence(der.block("98", 3)), id="range-past-its-digits"),
        pytest.param(
            b"\x30\x81\x07" + der.spc("123"), id="length-in-more-octets-than-it-needs"
        ),
        pytest.param(
            der.sequence(
                der.explicit(1, der.sequence(der.ia5("12"), b"\x02\x02\x00\x05"))
            ),
            id="count-in-more-octets-than-it-needs",
        ),
        pytest.param(
            der.sequence(der.explicit(0, der.tlv(0x36, der.ia5("123")))),
            id="text-in-pieces",
        ),
    ],
)
def test_we_are_stricter_than_pyasn1(octets: bytes) -> None:
    """What the ASN.1 leaves open, and DER that pyasn1 does not insist on."""
    assert schemas.decode(TN_AUTH_LIST, octets) is not None
    assert ours(octets) is None


@pytest.mark.parametrize(
    "octets",
    [
        pytest.param(der.sequence(), id="no-entry"),
        pytest.param(der.sequence(der.one("")), id="number-of-no-digits"),
        pytest.param(der.sequence(der.one("1" * 16)), id="number-of-16-digits"),
        pytest.param(der.sequence(der.one("12a")), id="number-with-a-letter"),
        pytest.param(der.sequence(der.block("12", 1)), id="range-of-one"),
        pytest.param(der.sequence(der.block("12", -5)), id="range-of-less-than-none"),
        pytest.param(
            der.sequence(
                der.explicit(
                    1, der.sequence(der.ia5("12"), der.integer(2), der.integer(3))
                )
            ),
            id="range-of-three-members",
        ),
        pytest.param(der.sequence(der.spc("\xe9")), id="code-beyond-ascii"),
        pytest.param(
            der.sequence(der.explicit(0, der.tlv(0x13, b"1234"))),
            id="code-as-printable-string",
        ),
        pytest.param(der.sequence(der.tlv(0x80, b"1234")), id="implicit-tag"),
        pytest.param(der.sequence(der.explicit(3, der.ia5("1"))), id="tag-unknown"),
        pytest.param(
            der.sequence(der.explicit(0, der.ia5("1"), der.ia5("2"))),
            id="two-values-under-one-tag",
        ),
        pytest.param(der.sequence(der.spc("1")) + b"\0", id="octet-after-the-end"),
        pytest.param(
            b"\x30\x80" + der.spc("1") + b"\0\0", id="length-that-is-not-told"
        ),
        pytest.param(der.tlv(0x31, der.spc("1")), id="set"),
        pytest.param(der.ia5("https://certs.example/list"), id="text-alone"),
    ],
)
def test_both_refuse(octets: bytes) -> None:
    assert schemas.decode(TN_AUTH_LIST, octets) is None
    assert ours(octets) is None
