"""JSON is read strictly, and what is said of the JSON that is refused."""

from time import process_time

import pytest

from stirmilter.stir import strictjson
from stirmilter.stir.result import Reason, Unverified
from tests.stir.refusals import said

JSON = "RFC 8225 §9"
DEEP = "payload: nested deeper than 3"


@pytest.mark.parametrize(
    ("octets", "detail", "rule"),
    [
        pytest.param(
            b'{"a":1,"a":1}',
            "payload: a member name occurs twice",
            JSON,
            id="name-twice",
        ),
        pytest.param(
            b'{"x":[{"a":1,"b":2,"a":3}]}',
            "payload: a member name occurs twice",
            JSON,
            id="name-twice-inside",
        ),
        pytest.param(b'{"a":NaN}', "payload: NaN is not JSON", JSON, id="nan"),
        pytest.param(
            b'{"a":-Infinity}', "payload: -Infinity is not JSON", JSON, id="infinity"
        ),
        pytest.param(
            b'{"a":}',
            "payload: Expecting value: line 1 column 6 (char 5)",
            JSON,
            id="no-value",
        ),
        pytest.param(
            b'{"a":[XX"[[["]}',
            "payload: Expecting value: line 1 column 7 (char 6)",
            JSON,
            id="letters-and-brackets-in-a-string",
        ),
        pytest.param(
            b"\xff",
            "payload: 'utf-8' codec can't decode byte 0xff in position 0:"
            " invalid start byte",
            JSON,
            id="no-utf-8",
        ),
        pytest.param(
            b'{"a":"\\ud800"}',
            "payload: 'utf-8' codec can't encode character '\\ud800' in position 6:"
            " surrogates not allowed",
            JSON,
            id="half-a-surrogate-pair",
        ),
        pytest.param(
            b"[]", "payload: expected an object", "RFC 7519 §7.2", id="an-array"
        ),
        pytest.param(
            b"null", "payload: expected an object", "RFC 7519 §7.2", id="null"
        ),
    ],
)
def test_refusals_of_json(octets: bytes, detail: str, rule: str) -> None:
    assert said(lambda: strictjson.parse(octets, "payload", 3)) == (
        Reason.MALFORMED,
        detail,
        rule,
    )


@pytest.mark.parametrize(
    "text",
    [
        pytest.param('{"a":[[[]]]}', id="arrays"),
        pytest.param('{"a":{"a":{"a":{}}}}', id="objects"),
        pytest.param('{"a":[{"a":[]}]}', id="arrays-and-objects-as-many-of-each"),
        pytest.param('{"a":[],"b":[[[]]]}', id="after-a-shallow-member"),
        pytest.param('{"a":"]]]","b":[[[]]]}', id="after-brackets-in-a-string"),
        pytest.param('{"a":"\\"]]]","b":[[[]]]}', id="after-an-escaped-quote"),
        pytest.param('{"a":[[],[[]]]}', id="after-a-shallow-sibling"),
        pytest.param('{"a":"","b":[[[]]]}', id="after-an-empty-string"),
        pytest.param("[[[X[", id="after-a-letter"),
        pytest.param("[[[[", id="never-closed"),
        pytest.param("[[[[x", id="no-json-further-on"),
    ],
)
def test_deeper_than_the_limit_is_refused(text: str) -> None:
    assert said(lambda: strictjson.parse(text.encode(), "payload", 3)) == (
        Reason.MALFORMED,
        DEEP,
        JSON,
    )


def test_strings_left_open_are_dealt_with_at_once() -> None:
    octets = b'[[[["' + b'\\"' * 8_000

    begun = process_time()
    with pytest.raises(Unverified):
        strictjson.parse(octets, "payload", 3)
    assert process_time() - begun < 0.1


@pytest.mark.parametrize(
    ("text", "member"),
    [
        pytest.param('{"a":[[]]}', [[]], id="arrays"),
        pytest.param('{"a":{"b":{}}}', {"b": {}}, id="objects"),
        pytest.param('{"a":[[],[],{},{}]}', [[], [], {}, {}], id="many-side-by-side"),
        pytest.param('{"a":"[[[[{{{{"}', "[[[[{{{{", id="brackets-in-a-string"),
        pytest.param('{"a":"\\"[[[[\\""}', '"[[[["', id="brackets-between-escapes"),
        pytest.param('{"a":"\\\\","b":[[]]}', "\\", id="escaped-escape"),
    ],
)
def test_as_deep_as_the_limit_is_read(text: str, member: object) -> None:
    assert strictjson.parse(text.encode(), "payload", 3)["a"] == member


@pytest.mark.parametrize(
    ("text", "member"),
    [
        pytest.param('{"a":"\\u00e9"}', "é", id="a-letter"),
        pytest.param('{"a":"\\ud83d\\udca3"}', "\U0001f4a3", id="a-whole-pair"),
    ],
)
def test_escapes_are_read(text: str, member: str) -> None:
    assert strictjson.parse(text.encode(), "payload", 3)["a"] == member


def test_json_is_written_sorted_and_unescaped() -> None:
    part = {"b": [1, True], "a": {"d": "é", "c": None}}

    octets = strictjson.serialize(part)

    assert octets == '{"a":{"c":null,"d":"é"},"b":[1,true]}'.encode()


def test_what_is_written_is_read() -> None:
    part = {"b": [1, 2.5, "é"], "a": {"c": None}}

    assert strictjson.parse(strictjson.serialize(part), "payload", 3) == part
