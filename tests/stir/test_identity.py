import re
from dataclasses import replace
from time import process_time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stirmilter.stir import identity, passport
from stirmilter.stir.passport import Passport
from stirmilter.stir.result import Reason, Unverified
from tests.laboratory import X5U
from tests.stir.tokens import HEADER, forge

TOKEN = passport.parse(forge())
X5U_A = HEADER["x5u"]
FOLDS = st.sampled_from(["\n ", "\r\n\t", " ", "\t", "\r\n  "])


@pytest.mark.conformance("H-02")
def test_written_value_is_token_and_its_mirrors() -> None:
    value = identity.write(TOKEN, "PASSporT")

    assert value.replace("\n ", "") == (
        f"{TOKEN.text};info=<{X5U_A}>;alg=ES256;ppt=msg"
    )


@given(
    st.text("azAZ09-", min_size=1, max_size=61),
    st.integers(0, 400),
    st.text("azAZ09-._~/%&+", max_size=47),
)
@example("PASSporT", 57, "x" * 47)  # info fills a line
@example("PASSporT", 57, "x" * 38)  # info and alg are one character too long for one
@pytest.mark.conformance("H-05")
def test_written_lines_keep_to_78_columns(name: str, length: int, path: str) -> None:
    token = long_token(length, X5U + path)

    lines = f"{name}: {identity.write(token, name)}".split("\n")

    assert max(map(len, lines)) <= 78
    assert all(re.fullmatch(r" [!-~]+", line) for line in lines[1:])


@pytest.mark.parametrize(
    ("length", "path", "widths"),
    [
        pytest.param(15, "a.pem", [78], id="all-of-it-fills-one-line"),
        pytest.param(16, "a.pem", [71, 9], id="ppt-finds-no-room"),
        pytest.param(33, "a.pem", [78, 19], id="info-fills-the-line"),
        pytest.param(34, "a.pem", [44, 54], id="info-finds-no-room"),
        pytest.param(68, "a.pem", [78, 54], id="token-fills-the-line"),
        pytest.param(69, "a.pem", [78, 55], id="token-goes-one-further"),
        pytest.param(145, "a.pem", [78, 78, 54], id="token-fills-two-lines"),
        pytest.param(68, 29 * "x", [78, 78], id="parameters-fill-a-line"),
        pytest.param(68, 30 * "x", [78, 71, 9], id="parameters-go-one-further"),
        pytest.param(68, 99 * "x", [78, 130, 19], id="no-empty-line-before-a-long-url"),
    ],
)
@pytest.mark.conformance("H-05")
def test_lines_are_filled_before_they_end(
    length: int, path: str, widths: list[int]
) -> None:
    token = replace(TOKEN, text="x" * length, x5u=X5U + path)

    lines = f"PASSporT: {identity.write(token, 'PASSporT')}".split("\n")

    assert [len(line) for line in lines] == widths


def test_value_on_one_line_is_the_written_one_unfolded() -> None:
    value = identity.value_of(TOKEN)

    assert value == identity.write(TOKEN, "PASSporT").replace("\n ", "")


@given(st.integers(1, 200), st.lists(st.tuples(st.integers(0, 2000), FOLDS)))
@pytest.mark.conformance("H-06")
def test_refolded_anywhere_the_value_is_the_same(
    length: int, folds: list[tuple[int, str]]
) -> None:
    token = long_token(length, X5U_A)
    value = identity.write(token, "PASSporT")
    for place, fold in folds:
        value = value[: place % len(value)] + fold + value[place % len(value) :]

    parsed = identity.parse(value)

    assert parsed.token == token.text
    assert parsed.parameters == {"info": X5U_A, "alg": "ES256", "ppt": "msg"}
    identity.check_mirrors(parsed, token)


def long_token(length: int, x5u: str) -> Passport:
    """Return a token of `length` characters; writing needs no more."""
    return replace(TOKEN, text="x" * length + "y", x5u=x5u)


@pytest.mark.conformance("H-05")
def test_long_url_is_not_cut() -> None:
    url = X5U + "x" * 100

    assert f";info=<{url}>" in identity.write(replace(TOKEN, x5u=url), "PASSporT")


@pytest.mark.parametrize(
    ("value", "parameters"),
    [
        pytest.param("t", {}, id="token-alone"),
        pytest.param(" t \r\n", {}, id="white-space-around"),
        pytest.param("t;ppt=msg", {"ppt": "msg"}, id="bare"),
        pytest.param('t;ppt="msg"', {"ppt": "msg"}, id="quoted"),
        pytest.param('t;x="a\\"b\\\\c"', {"x": 'a"b\\c'}, id="quoted-pairs"),
        pytest.param('t;x="a b\tc"', {"x": "a b\tc"}, id="white-space-in-quotes"),
        pytest.param('t;x="a;b=<c>"', {"x": "a;b=<c>"}, id="specials-in-quotes"),
        pytest.param('t;x=""', {"x": ""}, id="empty-quotes"),
        pytest.param("t;info=<https://a/>", {"info": "https://a/"}, id="angle"),
        pytest.param("t;info=<h://a/;b=c>", {"info": "h://a/;b=c"}, id="angle-special"),
        pytest.param("t;info=<>", {"info": ""}, id="empty-angle"),
        pytest.param("t;x", {"x": ""}, id="no-value"),
        pytest.param("t;x=", {"x": ""}, id="empty-value"),
        pytest.param("t;PPT=Msg", {"ppt": "Msg"}, id="name-in-upper-case"),
        pytest.param("t ; ppt = msg ; x = y", {"ppt": "msg", "x": "y"}, id="spaced"),
        pytest.param(
            't ; x = "a b" ; y = "c d" ; z',
            {"x": "a b", "y": "c d", "z": ""},
            id="spaced-around-two-quoted-strings",
        ),
        pytest.param(
            't ; x = "" ; y = "a b"', {"x": "", "y": "a b"}, id="after-empty-quotes"
        ),
        pytest.param("t;canon=a=b", {"canon": "a=b"}, id="equals-sign-in-value"),
        pytest.param("t;azAZ09=1", {"azaz09": "1"}, id="letters-and-digits"),
        pytest.param("t;a.b-c*!%'+`~_=1", {"a.b-c*!%'+`~_": "1"}, id="sip-token"),
    ],
)
@pytest.mark.conformance("H-04")
def test_values_are_split(value: str, parameters: dict[str, str]) -> None:
    assert identity.parse(value) == identity.IdentityValue("t", parameters)


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("t;ppt=msg;ppt=msg", id="parameter-twice"),
        pytest.param("t;ppt=msg;PPT=shaken", id="parameter-twice-in-another-case"),
        pytest.param("t;", id="semicolon-at-the-end"),
        pytest.param("t;;ppt=msg", id="empty-parameter"),
        pytest.param("t;=msg", id="no-name"),
        pytest.param('t;x="a', id="quote-left-open"),
        pytest.param("t;x=<a", id="angle-left-open"),
        pytest.param("t;x=a>", id="angle-never-opened"),
        pytest.param('t;x="a"b', id="text-after-quotes"),
        pytest.param("t;x=<a>b", id="text-after-angle"),
        pytest.param('t;x=a"b"', id="quotes-inside-a-value"),
        pytest.param("t;x=<a<b>>", id="angle-in-angle"),
        pytest.param("t;x=<a<b>", id="angle-opened-twice"),
        pytest.param("t;x=<a>b>", id="angle-closed-twice"),
        pytest.param('t;x=<a"b>', id="quote-in-angle"),
        pytest.param('t;x="a\\\nb"', id="escaped-line-end"),
        pytest.param("t;n\u00e9=1", id="name-beyond-ascii"),
        pytest.param("t" * 32_769, id="too-long"),
    ],
)
def test_doubtful_values_are_refused(value: str) -> None:
    with pytest.raises(Unverified) as caught:
        identity.parse(value)
    assert caught.value.reason is Reason.MALFORMED


@given(st.text(max_size=50) | st.text(';="<>\\ ta\n', max_size=20))
def test_parse_refuses_in_one_way(value: str) -> None:
    try:
        parsed = identity.parse(value)
    except Unverified as error:
        assert error.reason is Reason.MALFORMED  # noqa: PT017 - the other way is none
    else:
        assert '"' in parsed.token or not re.search(r"[ \t\r\n]", parsed.token)


def test_longest_value_is_read() -> None:
    assert identity.parse("t" * 32_768).token == "t" * 32_768


@pytest.mark.parametrize("pair", ['\\"', '"\\'], ids=["escaped-quotes", "reversed"])
def test_quotes_left_open_are_dealt_with_at_once(pair: str) -> None:
    value = '"' + pair * 8_000

    begun = process_time()
    identity.parse(value)
    assert process_time() - begun < 0.1


def test_a_quoted_value_left_open_is_refused_at_once() -> None:
    value = 't;x="' + "a" * 8_000

    begun = process_time()
    with pytest.raises(Unverified):
        identity.parse(value)
    assert process_time() - begun < 0.1


@pytest.mark.parametrize(
    "parameters",
    [
        pytest.param({}, id="none"),
        pytest.param({"info": X5U_A}, id="info"),
        pytest.param({"alg": "ES256", "ppt": "msg"}, id="alg-and-ppt"),
        pytest.param({"canon": "x"}, id="unknown"),
    ],
)
def test_mirrors_that_agree_or_are_absent_are_good(parameters: dict[str, str]) -> None:
    identity.check_mirrors(identity.IdentityValue("t", parameters), TOKEN)


@pytest.mark.parametrize(
    "parameters",
    [
        pytest.param({"info": X5U_A + "/"}, id="info-longer"),
        pytest.param({"info": X5U_A.upper()}, id="info-in-another-case"),
        pytest.param({"info": ""}, id="info-empty"),
        pytest.param({"alg": "ES384"}, id="alg"),
        pytest.param({"alg": "es256"}, id="alg-in-another-case"),
        pytest.param({"ppt": "shaken"}, id="ppt"),
        pytest.param({"ppt": ""}, id="ppt-empty"),
    ],
)
@pytest.mark.conformance("H-03", "H-04")
def test_mirrors_that_differ_are_refused(parameters: dict[str, str]) -> None:
    with pytest.raises(Unverified, match=next(iter(parameters))) as caught:
        identity.check_mirrors(identity.IdentityValue("t", parameters), TOKEN)
    assert caught.value.reason is Reason.MALFORMED
