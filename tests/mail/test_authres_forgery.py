"""Authentication-Results: forged ones are known in any disguise."""

import time
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stirmilter.mail import authres
from tests.untraced import untraced

US = "mx.example"
IDN = "bücher.example"
ALABEL = "xn--bcher-kva.example"


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("mx.example; spf=pass", id="plain"),
        pytest.param("mx.example;none", id="no-space"),
        pytest.param("mx.example", id="id-alone"),
        pytest.param("mx.example 1; spf=pass", id="version-1"),
        pytest.param("mx.example 1 ; none", id="space-behind-the-version"),
        pytest.param("mx.example 2; spf=pass", id="version-2"),
        pytest.param("mx.example; nonsense =;\x00;;=", id="malformed-methods"),
        pytest.param("MX.Example; spf=pass", id="capitals"),
        pytest.param("mx.example.; spf=pass", id="final-dot"),
        pytest.param('"mx.example"; spf=pass', id="quoted"),
        pytest.param('" mx.example "; spf=pass', id="spaces-in-quotes"),
        pytest.param('"m\\x.exam\\ple"; spf=pass', id="quoted-pairs"),
        pytest.param("(a (b \\) c) d)mx.example; spf=pass", id="comment-before"),
        pytest.param("mx.example(c); spf=pass", id="comment-behind"),
        pytest.param("mx.example (c) 1 (c); spf=pass", id="comments-round-the-version"),
        pytest.param("\n\tmx.example\n\t; spf=pass", id="folds"),
        pytest.param("mx.example=; spf=pass", id="equals-sign-behind"),
    ],
)
def test_what_claims_our_id_is_forged(value: str) -> None:
    assert authres.forged(value, US)


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("", id="nothing"),
        pytest.param(" \n\t", id="white-space"),
        pytest.param("(mx.example; spf=pass", id="comment-without-end"),
        pytest.param("(c)", id="comment-alone"),
        pytest.param("; spf=pass", id="no-id"),
        pytest.param("=pass", id="equals-sign"),
        pytest.param(')"other.example"; spf=pass', id="comment-closed-before-it-opens"),
        pytest.param('"mx.example; spf=pass', id="quote-without-end"),
        pytest.param("spf=pass smtp.mailfrom=a@b", id="method-without-an-id"),
        pytest.param("mx.(c)example; spf=pass", id="comment-inside-the-id"),
        pytest.param("mx .example; spf=pass", id="space-inside-the-id"),
        pytest.param('"mx".example; spf=pass', id="half-quoted"),
        pytest.param("\xa0mx.example; spf=pass", id="no-break-space-before"),
        pytest.param("mx.exam\udcffple; spf=pass", id="octet-outside-utf-8"),
        pytest.param('"mx.exam\udc80ple"; spf=pass', id="such-an-octet-quoted"),
        pytest.param("\udcffmx.example; spf=pass", id="such-an-octet-before"),
        pytest.param("mx.example\udcff; spf=pass", id="such-an-octet-behind"),
    ],
)
def test_what_claims_nobodys_id_is_forged(value: str) -> None:
    assert authres.forged(value, US)


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("other.example 2; spf=pass", id="two"),
        pytest.param("other.example\n\t2; spf=pass", id="folded"),
        pytest.param("other.example (c) 2 ; spf=pass", id="behind-a-comment"),
        pytest.param("other.example 11; spf=pass", id="eleven"),
        pytest.param("other.example 1.1; spf=pass", id="one-point-one"),
        pytest.param("other.example x; spf=pass", id="no-number"),
        pytest.param("other.example mx.example; spf=pass", id="a-second-id"),
    ],
)
def test_a_version_that_nobody_knows_must_go(value: str) -> None:
    """RFC 8601 §5: whatever its id, from a host that we do not trust."""
    assert authres.forged(value, US)


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("other.example; spf=pass", id="plain"),
        pytest.param("other.example 1; spf=pass", id="version-1"),
        pytest.param("other.example; none", id="none"),
        pytest.param("other.example", id="id-alone"),
        pytest.param("(mx.example) other.example; spf=pass", id="our-id-in-a-comment"),
        pytest.param("other.example; x=y (mx.example;)", id="our-id-in-a-reason"),
        pytest.param("other.example; mx.example; spf=pass", id="our-id-as-a-method"),
        pytest.param("amx.example; spf=pass", id="longer-name"),
        pytest.param("a.mx.example; spf=pass", id="host-below-ours"),
        pytest.param("mx.example.org; spf=pass", id="ours-below-another"),
        pytest.param("example; spf=pass", id="domain-above-ours"),
        pytest.param('"other.example" 1 (c); spf=pass', id="quoted"),
    ],
)
def test_the_results_of_others_stay(value: str) -> None:
    assert not authres.forged(value, US)


@pytest.mark.parametrize(
    "ours", [IDN, ALABEL], ids=["u-label-is-ours", "a-label-is-ours"]
)
@pytest.mark.parametrize(
    "claimed",
    [
        pytest.param(IDN, id="u-label"),
        pytest.param(ALABEL, id="a-label"),
        pytest.param("BÜCHER.EXAMPLE", id="u-label-in-capitals"),
        pytest.param("XN--BCHER-KVA.Example.", id="a-label-in-capitals"),
        pytest.param(f'"{IDN}."', id="u-label-in-quotes"),
    ],
)
def test_labels_compare_as_u_labels(ours: str, claimed: str) -> None:
    """RFC 8601 §5 for internationalized mail."""
    assert authres.forged(f"{claimed}; spf=pass", ours)


@pytest.mark.parametrize(
    ("claimed", "ours"),
    [
        pytest.param("xn--bcher-kva.ärzte.example", "bücher.ärzte.example", id="mixed"),
        pytest.param("xn--strae-oqa.example", "straße.example", id="idna-2008"),
        pytest.param("bu\u0308cher.example", "bücher.example", id="decomposed"),
        pytest.param("mx\u3002example", "mx.example", id="ideographic-full-stop"),
        pytest.param("\uff4dx.example", "mx.example", id="fullwidth-letter"),
    ],
)
def test_every_spelling_of_a_label_is_known(claimed: str, ours: str) -> None:
    assert authres.forged(f"{claimed}; spf=pass", ours)


CFWS = st.sampled_from(["", " ", "\n\t", "(c)", " (a (b) \\) other.example;)\n "])
OTHERS = st.from_regex(r"[a-z][a-z0-9-]{0,6}(\.[a-z]{2,4}){0,2}", fullmatch=True)


@st.composite
def spellings(draw: st.DrawFn, name: str) -> str:
    """Write a field value with `name` as its authserv-id, in some disguise."""
    cased = "".join(draw(st.sampled_from([c.lower(), c.upper()])) for c in name)
    text = cased + draw(st.sampled_from(["", "."]))
    if draw(st.booleans()):
        pairs = ("\\" + c if c.isalpha() and draw(st.booleans()) else c for c in text)
        text = '"' + "".join(pairs) + '"'
    before, behind = draw(CFWS), draw(CFWS)
    version = draw(st.sampled_from(["", " 1", "\n\t(c)1 "]))
    return f"{before}{text}{behind}{version};{draw(CFWS)}spf=pass"


@given(st.data())
def test_no_disguise_hides_our_id(data: st.DataObject) -> None:
    ours = data.draw(st.sampled_from([US, IDN, ALABEL]), "ours")
    same = [US] if ours == US else [IDN, ALABEL]
    value = data.draw(st.sampled_from(same).flatmap(spellings), "value")

    assert authres.forged(value, ours)


@given(OTHERS.filter(lambda name: name != US), st.data())
def test_no_disguise_makes_another_id_ours(other: str, data: st.DataObject) -> None:
    assert not authres.forged(data.draw(spellings(other)), US)


@given(st.text('mx.example";()\\= 12\t\n\udcff\u3002', max_size=16))
def test_judges_any_value(value: str) -> None:
    """Whatever a stranger writes is forged or not, and no exception."""
    assert authres.forged(value, US) in (True, False)


def test_a_long_a_label_costs_no_more_than_a_long_name() -> None:
    """A stranger's field may be long, but not worth seconds of everybody's time."""
    name = "9a" * 20_000

    assert _seconds(f"xn--{name}; spf=pass") < 5 * _seconds(f"{name}; spf=pass") + 0.05


def _seconds(value: str) -> float:
    started = time.process_time()
    authres.forged(value, US)
    return time.process_time() - started


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("mx.example/1; stir=pass", id="slash"),
        pytest.param("mx.example,; stir=pass", id="comma"),
        pytest.param("mx.example:x; stir=pass", id="colon"),
        pytest.param("@mx.example; stir=pass", id="at"),
        pytest.param("<mx.example>; stir=pass", id="brackets"),
        pytest.param("mx\u200b.example; stir=pass", id="zero-width-space"),
        pytest.param("mx.example\x00; stir=pass", id="nul"),
        pytest.param("other.example spam; stir=pass", id="words-behind"),
        pytest.param("other.example 1 1; stir=pass", id="two-versions"),
        pytest.param("other.example 11; stir=pass", id="version-eleven"),
    ],
)
def test_what_is_no_authserv_id_is_forged(value: str) -> None:
    """A reader less strict than us might find ours in it."""
    assert authres.forged(value, "mx.example")


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("other.example", id="nothing-else"),
        pytest.param("other.example; none", id="none"),
        pytest.param(" other.example 1 (x); spf=pass", id="version-one"),
        pytest.param('"other.example" ; spf=pass', id="quoted"),
    ],
)
def test_results_of_others_stay(value: str) -> None:
    assert not authres.forged(value, "mx.example")


@pytest.mark.parametrize(
    "claimed",
    [
        pytest.param('"mx.example' + " " * 300 + '"', id="blanks"),
        pytest.param("mx.example" + "." * 260, id="dots"),
        pytest.param('"mx.example' + "\u200b" * 260 + '"', id="zero-width"),
        pytest.param("mx.exam\ufe0fple", id="variation-selector"),
        pytest.param("mx.exam\u034fple", id="grapheme-joiner"),
        pytest.param("m\u00adx.example", id="soft-hyphen"),
        pytest.param("mx.ex\U000e0061ample", id="tag"),
    ],
)
def test_what_is_shown_as_nothing_hides_nothing(claimed: str) -> None:
    assert authres.forged(f"{claimed}; stir=pass", "mx.example")


def test_many_costly_names_cost_little() -> None:
    """Each letter of these becomes eighteen, where it is looked at."""
    value = "\ufdfa" * 80 + "; spf=pass"
    started = process_time()
    with untraced():
        for _ in range(1_000):
            assert not authres.forged(value, "mx.example")

    assert process_time() - started < 0.1


@pytest.mark.parametrize("spelling", ["mx.ex\u00adample", "mx.example" + "\u2026" * 90])
def test_what_grows_or_shrinks_when_folded_is_still_ours(spelling: str) -> None:
    assert authres.forged(f"{spelling}; stir=pass", "mx.example")
