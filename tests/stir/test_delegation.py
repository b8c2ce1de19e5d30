"""RFC 9060: who may hand on which numbers, and how such a chain is published."""

from itertools import product
from typing import Final

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stirmilter.stir.result import Authority, Reason, Unverified
from stirmilter.stir.tnauthlist import TNAuthList
from tests.laboratory import ALICE, CAROL
from tests.stir import der
from tests.stir.certificates import Issued
from tests.stir.delegates import delegate, end
from tests.stir.pki import validate

# Ten numbers of each length are enough to touch, to overlap and to end in nines.
DIGITS: Final = "0189"
UNIVERSE: Final = ["".join(d) for n in (1, 2, 3) for d in product(DIGITS, repeat=n)]
SERVICES: Final = ["*1", "#1", "1*", "0#"]
STARTS: Final = st.text(DIGITS, min_size=1, max_size=3)
SINGLES: Final = st.sets(st.sampled_from([*UNIVERSE, *SERVICES]), max_size=3)
CODES: Final = st.sets(st.sampled_from(["1", "2"]), max_size=2)

BLOCK: Final = der.block("12025550100", 100)
HALF: Final = der.block("12025550100", 50)
ROOT: Final = delegate("root", None)


def numbers(start: str, count: int) -> set[str]:
    return {f"{int(start) + n:0{len(start)}d}" for n in range(count)}


@st.composite
def blocks(draw: st.DrawFn) -> tuple[str, int]:
    start = draw(STARTS.filter(lambda text: int(text) < 10 ** len(text) - 1))
    return start, draw(st.integers(2, 10 ** len(start) - int(start)))


SCOPES: Final = st.tuples(CODES, SINGLES, st.lists(blocks(), max_size=3))
Scope = tuple[set[str], set[str], list[tuple[str, int]]]


def build(scope: Scope) -> TNAuthList:
    codes, singles, ranges = scope
    return TNAuthList.build(sorted(codes), singles, ranges)


def members(scope: Scope) -> set[str]:
    """Name every number of a scope, one by one; codes name none."""
    return scope[1].union(*(numbers(*block) for block in scope[2]))


NONE: Final[set[str]] = set()


@pytest.mark.conformance("C-06")
@given(SCOPES, SCOPES)
@example((NONE, NONE, [("00", 10), ("10", 10)]), (NONE, NONE, [("05", 10)]))  # touch
@example((NONE, NONE, [("00", 10), ("11", 9)]), (NONE, NONE, [("05", 10)]))  # a gap
@example((NONE, {"10"}, [("00", 10), ("11", 9)]), (NONE, NONE, [("05", 10)]))  # filled
@example((NONE, NONE, [("0", 10)]), (NONE, {"05"}, []))  # 5 is not 05
@example((NONE, NONE, [("80", 20)]), (NONE, NONE, [("90", 10)]))  # both end in nines
@example((NONE, NONE, [("00", 100)]), (NONE, {"1*"}, []))  # no block holds a star
@example((NONE, {"1*"}, []), (NONE, {"1*"}, []))
@example(({"1"}, NONE, []), (NONE, {"05"}, []))  # a code may hand on any number
@example(({"1"}, NONE, []), ({"1", "2"}, NONE, []))  # but no other code
@example((NONE, {"05"}, []), ({"1"}, NONE, []))  # and no number a code
def test_encompassing_is_that_of_sets(parent: Scope, child: Scope) -> None:
    inside = child[0] <= parent[0] and (
        bool(parent[0]) or members(child) <= members(parent)
    )

    assert build(parent).encompasses(build(child)) is inside


@given(SCOPES)
def test_every_scope_encompasses_itself(scope: Scope) -> None:
    assert build(scope).encompasses(build(scope))


@st.composite
def inside(draw: st.DrawFn, outer: Scope) -> Scope:
    """Draw a scope that `outer` may hand on: parts of its blocks, some of the rest."""
    codes, singles, ranges = outer
    anything = draw(st.booleans())
    if codes and anything:
        _, singles, ranges = draw(SCOPES)
    parts = []
    for start, count in ranges:
        begin = draw(st.integers(0, count - 2))
        last = draw(st.integers(2, count - begin))
        parts.append((f"{int(start) + begin:0{len(start)}d}", last))
    known = members((codes, singles, ranges))
    some = (
        st.sets(st.sampled_from(sorted(known)), max_size=3) if known else st.just(NONE)
    )
    held = st.sets(st.sampled_from(sorted(codes))) if codes else st.just(NONE)
    return draw(held), draw(some), draw(st.permutations(parts))[:2]


@given(SCOPES.flatmap(lambda outer: st.tuples(st.just(outer), inside(outer))))
def test_a_child_speaks_for_nothing_that_its_parent_does_not(
    scopes: tuple[Scope, Scope],
) -> None:
    outer, inner = map(build, scopes)

    assert outer.encompasses(inner)
    for number in [*UNIVERSE, *SERVICES]:
        if inner.authority(number) != "none":
            assert outer.authority(number) != "none"


@given(st.data())
def test_what_is_handed_on_step_by_step_is_inside_the_first(
    data: st.DataObject,
) -> None:
    top = data.draw(SCOPES)
    middle = data.draw(inside(top))
    bottom = data.draw(inside(middle))

    assert build(top).encompasses(build(bottom))


def reason_of(*chain: Issued, anchor: Issued = ROOT) -> tuple[Reason, str] | None:
    """Say why a chain is refused, and by which rule, or None."""
    try:
        validate(*chain, anchor=anchor)
    except Unverified as error:
        return error.reason, error.rule
    return None


WIDER: Final = (Reason.NOT_AUTHORIZED, "RFC 9060 §4.1")
UNLINKED: Final = (Reason.CREDENTIAL_UNTRUSTED, "RFC 5280 §4.2.1.1")
UNNAMED: Final = (Reason.CREDENTIAL_UNTRUSTED, "RFC 9060 §7")
DISORDERED: Final = (Reason.CREDENTIAL_MALFORMED, "RFC 9060 §7")


@pytest.mark.conformance("C-05", "C-06")
@pytest.mark.parametrize(
    ("above", "own", "refusal"),
    [
        pytest.param([BLOCK], [BLOCK], None, id="equal"),
        pytest.param([BLOCK], [HALF], None, id="inside"),
        pytest.param([BLOCK], [der.one(ALICE)], None, id="one-of-a-block"),
        pytest.param([der.one(ALICE), HALF], [HALF], None, id="of-several-entries"),
        pytest.param([HALF], [BLOCK], WIDER, id="twice-as-much"),
        pytest.param(
            [BLOCK], [der.block("12025550100", 101)], WIDER, id="one-number-more"
        ),
        pytest.param(
            [BLOCK], [der.block("12025550099", 101)], WIDER, id="one-number-before"
        ),
        pytest.param(
            [BLOCK], [der.one(ALICE), der.one(CAROL)], WIDER, id="another-number-beside"
        ),
        pytest.param([BLOCK], [der.one("1202555010*")], WIDER, id="a-star-in-a-block"),
        pytest.param([der.one("*123")], [der.one("*123")], None, id="a-service-code"),
        pytest.param([der.spc("1")], [der.one(ALICE)], None, id="number-under-a-code"),
        pytest.param([der.spc("1")], [der.spc("1")], None, id="the-code-itself"),
        pytest.param([der.spc("1")], [der.spc("2")], WIDER, id="another-code"),
        pytest.param(
            [der.spc("1")], [der.one(ALICE), der.spc("2")], WIDER, id="code-and-number"
        ),
        pytest.param(
            [der.spc("1"), der.spc("2")], [der.spc("2")], None, id="one-of-two-codes"
        ),
        pytest.param([BLOCK], [der.spc("1")], WIDER, id="code-under-numbers"),
        pytest.param(
            [BLOCK], [der.one(ALICE), der.spc("1")], WIDER, id="code-beside-a-number"
        ),
        pytest.param(
            [der.spc("1"), HALF], [der.one(CAROL)], None, id="lists-are-additive"
        ),
    ],
)
@pytest.mark.parametrize("place", ["intermediate", "anchor"])
def test_a_certificate_stays_within_the_one_above(
    above: list[bytes],
    own: list[bytes],
    refusal: tuple[Reason, str] | None,
    place: str,
) -> None:
    """Whatever number is asked for: ALICE's is covered by both, as a rule."""
    root = delegate("r", None, *(above if place == "anchor" else []))
    middle = delegate("m", root, *(above if place == "intermediate" else []))

    assert reason_of(end(middle, *own), middle, anchor=root) == refusal


@pytest.mark.conformance("C-06")
@pytest.mark.parametrize(
    ("lists", "refusal"),
    [
        pytest.param([[BLOCK], [HALF], [der.one(ALICE)]], None, id="less-at-each-step"),
        pytest.param([[BLOCK], [], [der.one(ALICE)]], None, id="a-step-without-a-list"),
        pytest.param([[], [BLOCK], [HALF]], None, id="delegation-begins-below"),
        pytest.param(
            [[der.spc("1")], [BLOCK], [HALF]], None, id="carrier-then-block-then-half"
        ),
        pytest.param([[BLOCK], [HALF], [BLOCK]], WIDER, id="last-step-takes-back"),
        pytest.param([[HALF], [BLOCK], [HALF]], WIDER, id="middle-takes-too-much"),
        pytest.param([[HALF], [], [BLOCK]], WIDER, id="a-step-without-a-list-hides-it"),
        pytest.param(
            [[der.spc("1")], [HALF], [der.spc("1")]], WIDER, id="code-comes-back"
        ),
    ],
)
def test_every_step_is_held_to_the_one_above(
    lists: list[list[bytes]], refusal: tuple[Reason, str] | None
) -> None:
    upper = delegate("upper", ROOT, *lists[0])
    lower = delegate("lower", upper, *lists[1])

    assert reason_of(end(lower, *lists[2]), lower, upper) == refusal


@pytest.mark.parametrize(
    ("number", "authority"),
    [
        pytest.param("12025550100", "range", id="first-of-the-half"),
        pytest.param("12025550149", "range", id="last-of-the-half"),
        pytest.param("12025550150", None, id="of-the-other-half"),
    ],
)
def test_a_delegate_of_a_delegate_speaks_for_its_own_numbers(
    number: str, authority: Authority | None
) -> None:
    upper = delegate("upper", ROOT, der.spc("1"))
    lower = delegate("lower", upper, BLOCK)
    found = validate(end(lower, HALF), lower, upper, anchor=ROOT)

    if authority is None:
        with pytest.raises(Unverified) as caught:
            found.authority(number)
        assert caught.value.reason is Reason.NOT_AUTHORIZED
    else:
        assert found.authority(number) == authority
    assert len(found.limits) == 2


def test_a_malformed_list_above_is_no_list() -> None:
    middle = delegate("m", ROOT, der.one(""))

    found = reason_of(end(middle, BLOCK), middle)

    assert found == (Reason.CREDENTIAL_MALFORMED, "RFC 8226 §9")


def chain(entries: list[bytes], step: str, **identifiers: bytes | None) -> list[Issued]:
    """Make leaf and intermediate, with odd identifiers in one of the two."""
    odd = identifiers if step == "intermediate" else {}
    middle = delegate("m", ROOT, *entries, **odd)  # type: ignore[arg-type]
    return [end(middle, BLOCK, **(identifiers if step == "leaf" else {})), middle]


@pytest.mark.conformance("C-06")
@pytest.mark.parametrize("entries", [[], [BLOCK]], ids=["plain", "delegated"])
@pytest.mark.parametrize(
    ("step", "identifiers"),
    [
        pytest.param("leaf", {"authority": b"x"}, id="leaf-names-another-issuer"),
        pytest.param("intermediate", {"subject": b"x"}, id="issuer-has-another-name"),
        pytest.param("intermediate", {"authority": b"x"}, id="issuer-of-another-root"),
    ],
)
def test_key_identifiers_agree_wherever_both_have_them(
    entries: list[bytes], step: str, identifiers: dict[str, bytes]
) -> None:
    assert reason_of(*chain(entries, step, **identifiers)) == UNLINKED


@pytest.mark.conformance("C-06")
@pytest.mark.parametrize(
    ("step", "identifiers"),
    [
        pytest.param("leaf", {"authority": None}, id="leaf-without-its-issuers"),
        pytest.param("intermediate", {"subject": None}, id="issuer-without-its-own"),
        pytest.param(
            "intermediate", {"authority": None}, id="issuer-without-the-roots"
        ),
        pytest.param("leaf", {"by_serial": True}, id="issuer-known-by-its-serial"),
    ],
)
def test_key_identifiers_may_be_absent_unless_numbers_are_delegated(
    step: str, identifiers: dict[str, bytes | None]
) -> None:
    assert reason_of(*chain([], step, **identifiers)) is None
    assert reason_of(*chain([BLOCK], step, **identifiers)) == UNNAMED


def test_key_identifiers_are_needed_below_an_anchor_that_delegates() -> None:
    root = delegate("r", None, BLOCK)

    assert reason_of(end(root, BLOCK), anchor=root) is None
    assert reason_of(end(root, BLOCK, authority=None), anchor=root) == UNNAMED


@pytest.mark.conformance("C-06")
@pytest.mark.parametrize(
    ("order", "refusal"),
    [
        pytest.param("leaf lower upper", None, id="signer-first-and-upward"),
        pytest.param("leaf lower upper root", None, id="with-the-root"),
        pytest.param("leaf lower upper other", None, id="with-a-stranger-behind"),
        pytest.param("leaf upper lower", DISORDERED, id="upside-down"),
        pytest.param("leaf other lower upper", DISORDERED, id="a-stranger-between"),
        pytest.param("leaf root lower upper", DISORDERED, id="the-root-between"),
        pytest.param("leaf lower lower upper", DISORDERED, id="one-of-them-twice"),
    ],
)
def test_a_delegate_chain_is_published_in_order(
    order: str, refusal: tuple[Reason, str] | None
) -> None:
    """RFC 9060 §7; a chain that delegates nothing may come in any order."""
    for entries in ([BLOCK], []):
        upper = delegate("upper", ROOT)
        lower = delegate("lower", upper, *entries)
        known = {
            "root": ROOT,
            "upper": upper,
            "lower": lower,
            "other": delegate("o", None),
        }
        known["leaf"] = end(lower, BLOCK)
        published = [known[name] for name in order.split()]

        assert reason_of(*published) == (refusal if entries else None)


def test_a_chain_without_its_middle_leads_nowhere() -> None:
    upper = delegate("upper", ROOT, BLOCK)
    lower = delegate("lower", upper, BLOCK)

    found = reason_of(end(lower, BLOCK), upper)

    assert found == (Reason.CREDENTIAL_UNTRUSTED, "RFC 5280 §6")
