from itertools import product

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stirmilter.stir import hazmat
from stirmilter.stir.result import Authority, Reason, Unverified
from stirmilter.stir.tnauthlist import Block, TNAuthList
from tests.laboratory import ALICE
from tests.stir import der

SPCS = st.text("0aZ9", min_size=1, max_size=5)
NUMBERS = st.text("0129#*", min_size=1, max_size=15)
STARTS = st.text("089", min_size=1, max_size=3)
SHORT_NUMBERS = ["".join(d) for n in (1, 2, 3, 4) for d in product("0189", repeat=n)]


@st.composite
def blocks(draw: st.DrawFn) -> tuple[str, int]:
    """Ranges that touch, overlap, begin with zeros and end in nines."""
    start = draw(STARTS)
    most = 10 ** len(start) - int(start)
    return start, draw(st.integers(2, max(2, most)))


def fits(block: tuple[str, int]) -> bool:
    start, count = block
    return len(str(int(start) + count - 1)) <= len(start)


BLOCKS = st.lists(blocks().filter(fits), max_size=4)


def listed(
    spcs: tuple[str, ...] = (),
    numbers: frozenset[str] = frozenset(),
    ranges: tuple[tuple[str, str], ...] = (),
) -> TNAuthList:
    """What is expected: ranges by both ends, as people write them."""
    spans = [Block(len(first), int(first), int(last)) for first, last in ranges]
    found = TNAuthList(spcs, numbers, tuple(spans))
    assert found.ranges == ranges
    return found


def members(start: str, count: int) -> set[str]:
    return {f"{int(start) + n:0{len(start)}d}" for n in range(count)}


@given(st.sets(NUMBERS, max_size=3), BLOCKS, st.sets(SPCS, max_size=2))
@example(set(), [("00", 10), ("10", 10)], set())  # they touch
@example(set(), [("00", 50), ("09", 5)], set())  # one inside the other
@example(set(), [("0", 10), ("00", 100)], set())  # 5 and 05 are two numbers
@example(set(), [("98", 2)], set())  # it ends in nines
@pytest.mark.conformance("C-03")
def test_authority_agrees_with_the_naive_definition(
    numbers: set[str], ranges: list[tuple[str, int]], spcs: set[str]
) -> None:
    found = TNAuthList.build(spcs, numbers, ranges)
    inside = set().union(*(members(*block) for block in ranges))

    for number in [*SHORT_NUMBERS, *numbers]:
        expected: Authority = "spc" if spcs else "none"
        if number in inside:
            expected = "range"
        if number in numbers:
            expected = "tn"
        assert found.authority(number) == expected


@given(BLOCKS, STARTS, st.integers(0, 30))
def test_covers_agrees_with_the_naive_definition(
    ranges: list[tuple[str, int]], first: str, more: int
) -> None:
    last = f"{min(int(first) + more, 10 ** len(first) - 1):0{len(first)}d}"
    inside = set().union(*(members(*block) for block in ranges))

    covered = TNAuthList.build(ranges=ranges).covers(first, last)

    assert covered == (members(first, int(last) - int(first) + 1) <= inside)


@pytest.mark.parametrize(
    "entries",
    [
        pytest.param(TNAuthList.build(numbers=["10", "11", "12"]), id="numbers"),
        pytest.param(
            TNAuthList.build(numbers=["12"], ranges=[("10", 2)]), id="number-and-range"
        ),
    ],
)
def test_single_numbers_cover_a_block_together(entries: TNAuthList) -> None:
    assert entries.covers("10", "12")


@given(st.lists(SPCS, max_size=3), st.sets(NUMBERS, max_size=3), BLOCKS)
def test_what_is_encoded_decodes(
    spcs: list[str], numbers: set[str], ranges: list[tuple[str, int]]
) -> None:
    if not (spcs or numbers or ranges):
        return
    octets = hazmat.encode_tn_auth_list(
        [
            *(("spc", spc, 1) for spc in spcs),
            *(("one", number, 1) for number in sorted(numbers)),
            *(("range", start, count) for start, count in ranges),
        ]
    )

    assert TNAuthList.decode(octets) == TNAuthList.build(spcs, numbers, ranges)


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        pytest.param([der.spc("818H")], TNAuthList(spcs=("818H",)), id="code"),
        pytest.param(
            [der.one(ALICE)], TNAuthList(numbers=frozenset({ALICE})), id="number"
        ),
        pytest.param(
            [der.one("*67#")],
            TNAuthList(numbers=frozenset({"*67#"})),
            id="number-with-star-and-hash",
        ),
        pytest.param(
            [der.block("12155551000", 100)],
            listed(ranges=(("12155551000", "12155551099"),)),
            id="range",
        ),
        pytest.param(
            [der.block("9900", 100)],
            listed(ranges=(("9900", "9999"),)),
            id="range-that-ends-in-nines",
        ),
        pytest.param(
            [der.block("0010", 5)],
            listed(ranges=(("0010", "0014"),)),
            id="range-with-leading-zeros",
        ),
        pytest.param(
            [der.block("20", 10), der.block("10", 10)],
            listed(ranges=(("10", "29"),)),
            id="ranges-that-touch",
        ),
        pytest.param(
            [der.block("10", 50), der.block("20", 2)],
            listed(ranges=(("10", "59"),)),
            id="range-inside-another",
        ),
        pytest.param(
            [der.block("10", 5), der.block("16", 2)],
            listed(ranges=(("10", "14"), ("16", "17"))),
            id="ranges-with-a-gap",
        ),
        pytest.param(
            [der.block("99999998", 2), der.block("000000000", 2)],
            listed(
                ranges=(("99999998", "99999999"), ("000000000", "000000001")),
            ),
            id="ranges-of-two-lengths",
        ),
        pytest.param(
            [der.one(ALICE), der.spc("12"), der.block("1", 2), der.spc("34")],
            listed(("12", "34"), frozenset({ALICE}), (("1", "2"),)),
            id="mixture",
        ),
    ],
)
@pytest.mark.conformance("C-09")
def test_lists_are_decoded(entries: list[bytes], expected: TNAuthList) -> None:
    assert TNAuthList.decode(der.sequence(*entries)) == expected


@pytest.mark.parametrize(
    "octets",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(der.sequence(), id="no-entry"),
        pytest.param(der.ia5("n/a"), id="bare-string"),
        pytest.param(der.spc("1234"), id="entry-without-a-list"),
        pytest.param(der.sequence(der.tlv(0x80, b"1234")), id="implicit-tag"),
        pytest.param(der.sequence(der.explicit(3, der.ia5("1"))), id="unknown-tag"),
        pytest.param(der.sequence(der.explicit(0, der.utf8("1"))), id="utf8-code"),
        pytest.param(der.sequence(der.explicit(0)), id="empty-entry"),
        pytest.param(der.sequence(der.spc("")), id="empty-code"),
        pytest.param(der.sequence(der.spc("12 4")), id="code-with-blank"),
        pytest.param(der.sequence(der.spc("1\n")), id="code-with-line-end"),
        pytest.param(der.sequence(der.spc("12\xe9")), id="code-beyond-ascii"),
        pytest.param(der.sequence(der.one("")), id="empty-number"),
        pytest.param(der.sequence(der.one(f"+{ALICE}")), id="number-with-plus"),
        pytest.param(der.sequence(der.one("1" * 16)), id="sixteen-digits"),
        pytest.param(der.sequence(der.block("12", 1)), id="range-of-one"),
        pytest.param(der.sequence(der.block("12", 0)), id="range-of-none"),
        pytest.param(der.sequence(der.block("12", -2)), id="range-backwards"),
        pytest.param(der.sequence(der.block("99", 2)), id="range-over-the-end"),
        pytest.param(der.sequence(der.block("1", 10**40)), id="range-of-10-to-the-40"),
        pytest.param(der.sequence(der.block("12#", 2)), id="range-from-a-hash"),
        pytest.param(der.sequence(der.block("+12", 2)), id="range-from-a-plus"),
        pytest.param(der.sequence(der.block("", 2)), id="range-from-nothing"),
        pytest.param(der.sequence(der.block("1" * 16, 2)), id="range-of-16-digits"),
        pytest.param(
            der.sequence(
                der.explicit(1, der.sequence(der.ia5("12"), b"\x02\x02\x00\x05"))
            ),
            id="count-not-in-its-shortest-form",
        ),
        pytest.param(
            der.sequence(
                der.explicit(
                    1, der.sequence(der.ia5("12"), der.integer(2), der.integer(3))
                )
            ),
            id="member-after-the-count",
        ),
        pytest.param(
            der.sequence(der.explicit(1, der.sequence(der.ia5("12")))), id="no-count"
        ),
        pytest.param(der.sequence(der.spc("1")) + b"\x00", id="octet-after-the-end"),
        pytest.param(der.sequence(der.spc("1"))[:-1], id="cut-off"),
        pytest.param(b"\x30\x81\x05\xa0\x03\x16\x011", id="length-too-long"),
        pytest.param(b"\x30\x80\xa0\x03\x16\x011\x00\x00", id="indefinite-length"),
    ],
)
@pytest.mark.conformance("C-09")
def test_malformed_lists_are_refused(octets: bytes) -> None:
    with pytest.raises(Unverified) as caught:
        TNAuthList.decode(octets)
    assert caught.value.reason is Reason.CREDENTIAL_MALFORMED


def test_a_count_of_five_thousand_digits_is_refused() -> None:
    with pytest.raises(Unverified) as caught:
        TNAuthList.decode(der.sequence(der.block("12", 10**5000)))
    assert caught.value.reason is Reason.CREDENTIAL_MALFORMED


@given(st.binary(max_size=40))
def test_decode_refuses_octets_in_one_way(octets: bytes) -> None:
    with pytest.raises(Unverified):
        TNAuthList.decode(octets)


@given(st.integers(0, 999), st.integers(1, 255), st.integers(0, 10**50))
def test_decode_refuses_spoilt_lists_in_one_way(
    place: int, mask: int, count: int
) -> None:
    octets = bytearray(
        der.sequence(der.spc("1234"), der.block("12155551000", count), der.one("1"))
    )
    octets[place % len(octets)] ^= mask
    try:
        TNAuthList.decode(bytes(octets))
    except Unverified as error:
        assert error.reason is Reason.CREDENTIAL_MALFORMED  # noqa: PT017 - or none


@pytest.mark.parametrize("entries", [1, 6, 7, 14, 15, 2000, 6000])
def test_lists_of_every_length_are_decoded(entries: int) -> None:
    """Around 128, 256 and 65536 octets DER writes lengths in other ways."""
    numbers = [f"{n:011d}" for n in range(entries)]

    found = TNAuthList.decode(der.sequence(*map(der.one, numbers)))

    assert found.numbers == set(numbers)


@pytest.mark.parametrize(
    "number",
    [
        pytest.param("1202555015#", id="hash"),
        pytest.param("12025551*00", id="star"),
        pytest.param("2025550150", id="without-country-code"),
        pytest.param("012025550150", id="leading-zero"),
    ],
)
@pytest.mark.conformance("C-03")
def test_ranges_cover_digits_of_their_own_length_only(number: str) -> None:
    assert TNAuthList.build(ranges=[("12025550000", 10000)]).authority(number) == "none"


def test_single_number_covers_itself_alone() -> None:
    entries = TNAuthList.build(numbers=[ALICE])

    assert entries.covers(ALICE, ALICE)
    assert not entries.covers(ALICE, str(int(ALICE) + 1))


@pytest.mark.parametrize(
    ("first", "last"),
    [
        pytest.param("10", "1#", id="service-code-at-the-end"),
        pytest.param("1*", "12", id="service-code-at-the-start"),
        pytest.param("1*", "1#", id="service-codes-at-both-ends"),
        pytest.param("10", "110", id="ends-of-two-lengths"),
        pytest.param("10", "1" * 16, id="end-of-16-digits"),
        pytest.param("10", "", id="no-end"),
    ],
)
def test_what_is_no_block_of_numbers_is_not_covered(first: str, last: str) -> None:
    entries = TNAuthList.build(numbers=["1*", "1#"], ranges=[("10", 10)])

    assert not entries.covers(first, last)


@pytest.mark.parametrize(
    ("number", "authority"),
    [
        pytest.param("999999999999989", "none", id="before-the-range"),
        pytest.param("999999999999990", "range", id="its-first-number"),
        pytest.param("999999999999999", "range", id="the-last-number-that-there-is"),
        pytest.param("99999999999999", "none", id="one-digit-less"),
    ],
)
def test_ranges_reach_to_the_end_of_fifteen_digits(
    number: str, authority: Authority
) -> None:
    octets = der.sequence(der.block("999999999999990", 10))

    assert TNAuthList.decode(octets).authority(number) == authority


def test_codes_are_made_of_every_visible_character() -> None:
    assert TNAuthList.decode(der.sequence(der.spc("!~"))).spcs == ("!~",)


def test_an_empty_list_covers_nothing() -> None:
    assert TNAuthList().authority(ALICE) == "none"


def test_codes_cover_no_block() -> None:
    assert not TNAuthList.build(spcs=["1234"]).covers("10", "11")


def test_text_names_every_entry() -> None:
    entries = TNAuthList.build(["1234", "56A"], ["13", "12"], [("100", 50)])

    assert str(entries) == "SPC 1234, SPC 56A, +100-+149, +12, +13"
