"""Authentication-Results: what we write is valid, and says nothing else."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stirmilter.mail import authres
from stirmilter.mail.authres import Parsed, Property, ResInfo

US = "mx.example"
IDN = "bücher.example"


def test_writes_one_method_and_its_properties() -> None:
    value = authres.write(
        US,
        "stir",
        "pass",
        "verified",
        [("header.orig", "12025550123"), ("policy.x5u", "https://certs.example/a.pem")],
    )

    assert value == (
        "mx.example; stir=pass reason=verified\n"
        '\theader.orig=12025550123 policy.x5u="https://certs.example/a.pem"'
    )


@pytest.mark.parametrize(
    ("reason", "written"),
    [
        pytest.param("body-altered", "reason=body-altered", id="token"),
        pytest.param("+1/TYPE=PLMN", 'reason="+1/TYPE=PLMN"', id="slash-and-equals"),
        pytest.param("a b", 'reason="a b"', id="space"),
        pytest.param('a"b', 'reason="a\\"b"', id="quote"),
        pytest.param("a\\b", 'reason="a\\\\b"', id="backslash"),
        pytest.param("a;b", 'reason="a;b"', id="semicolon"),
        pytest.param("a(b", 'reason="a(b"', id="parenthesis"),
        pytest.param("", 'reason=""', id="empty"),
    ],
)
def test_quotes_what_is_no_token(reason: str, written: str) -> None:
    assert authres.write(US, "stir", "fail", reason).endswith(written)


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("a\r\nX-Evil: 1", id="crlf"),
        pytest.param("a\nb", id="lf"),
        pytest.param("a\x00", id="nul"),
        pytest.param("a\x1b[2J", id="escape"),
        pytest.param("a\x7f", id="delete"),
        pytest.param("a\u202eb", id="right-to-left-override"),
        pytest.param("a\udcff", id="octet-outside-utf-8"),
    ],
)
def test_a_control_character_has_no_way_in(value: str) -> None:
    with pytest.raises(ValueError, match="control character"):
        authres.write(US, "stir", "fail", "malformed", [("policy.x5u", value)])


WORDS = st.from_regex(r"[a-z][a-z0-9-]{0,14}[a-z0-9]", fullmatch=True)
VALUES = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=60)


@given(
    authserv_id=st.sampled_from([US, "m" * 70 + ".example", IDN]),
    method=WORDS,
    result=WORDS,
    reason=VALUES,
    properties=st.lists(
        st.tuples(WORDS.map(lambda w: f"policy.{w}"), VALUES), max_size=5
    ),
)
def test_what_is_written_reads_back(
    authserv_id: str,
    method: str,
    result: str,
    reason: str,
    properties: list[tuple[str, str]],
) -> None:
    """Valid by RFC 8601 §2.2, and within 78 columns wherever that can be."""
    value = authres.write(authserv_id, method, result, reason, properties)

    assert read(value) == (
        authserv_id,
        [(method, result), ("reason", reason), *properties],
    )
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f]|\n(?!\t)", value)
    for line in f"{authres.NAME}: {value}".split("\n"):
        words = line.removeprefix(f"{authres.NAME}: ").removeprefix("\t")
        assert len(line) <= 78 or words in _words(value)


WORD = re.compile(r'[^\s"]+(?:"(?:[^"\\]|\\.)*")?')
"""A keyword, ``=`` and a value: what cannot be folded without changing it."""


def _words(value: str) -> list[str]:
    return WORD.findall(value)


PLAIN = r"[^][\x00-\x20\x7f()<>@,;:\\\"/?=]+"  # RFC 2045 §5.1
LOCAL = r"[a-zA-Z0-9!#$%&'*+/=?^_`{|}~.-]*"  # RFC 5321 §4.1.2, without quotes
ADDRESS = rf"{LOCAL}@[a-zA-Z0-9-]+(?:\.[a-zA-Z0-9-]+)+"


def read(value: str) -> tuple[str, list[tuple[str, str]]]:
    """Read a field with one method as RFC 8601 §2.2 has it; no comments."""
    word = re.compile(rf'\s+([a-z0-9.-]+)=(?:({ADDRESS}|{PLAIN})|"((?:[^"\\]|\\.)*)")')
    authserv_id, _, rest = value.partition(";")
    assert re.fullmatch(PLAIN, authserv_id)
    pairs = []
    position = 0
    while position < len(rest):
        match = word.match(rest, position)
        assert match is not None, rest[position:]
        bare, quoted = match[2], match[3]
        pairs.append((match[1], bare or re.sub(r"\\(.)", r"\1", quoted)))
        position = match.end()
    return authserv_id, pairs


def test_several_methods_stand_in_lines_of_their_own() -> None:
    value = authres.field(
        US,
        [
            ResInfo("spf", "pass", None, (Property("smtp.mailfrom", "a@b.example"),)),
            ResInfo("dkim", "fail", "no-key", (Property("header.d", "b.example"),)),
        ],
    )

    assert value == (
        "mx.example;\n\tspf=pass smtp.mailfrom=a@b.example;\n"
        "\tdkim=fail reason=no-key header.d=b.example"
    )


def test_no_method_is_none() -> None:
    assert authres.field(US) == "mx.example; none"


@pytest.mark.parametrize(
    ("text", "written"),
    [
        pytest.param("a@b.example", "a@b.example", id="address"),
        pytest.param("a+b/c?@b.example", "a+b/c?@b.example", id="atoms"),
        pytest.param("+1/T=P@b.example", '"+1/T=P@b.example"', id="equals-sign"),
        pytest.param("@b.example", "@b.example", id="domain"),
        pytest.param("a.@b.example", '"a.@b.example"', id="dot-at-the-end"),
        pytest.param("a@b", '"a@b"', id="no-domain-name"),
        pytest.param("a@b_c.example", '"a@b_c.example"', id="underscore"),
        pytest.param("a@-b.example", '"a@-b.example"', id="hyphen"),
        pytest.param("a@b@c.example", '"a@b@c.example"', id="two-signs"),
        pytest.param("@", '"@"', id="sign"),
    ],
)
def test_an_address_needs_no_quotes(text: str, written: str) -> None:
    """RFC 8601 §2.2, pvalue."""
    assert authres.write(US, "stir", "fail", text).endswith(f"reason={written}")


@pytest.mark.parametrize(
    ("method", "result", "name"),
    [
        pytest.param("a b", "pass", "x.y", id="method"),
        pytest.param("a;spf", "pass", "x.y", id="semicolon"),
        pytest.param("a", "pass x", "x.y", id="result"),
        pytest.param("a", "pass", "x y.z", id="ptype"),
        pytest.param("a", "pass", "x.y=z q", id="property"),
        pytest.param("a", "pass", "x", id="no-property"),
        pytest.param("a_b", "pass", "x.y", id="underscore"),
        pytest.param("-a", "pass", "x.y", id="hyphen"),
        pytest.param("", "pass", "x.y", id="nothing"),
    ],
)
def test_a_name_is_a_keyword(method: str, result: str, name: str) -> None:
    with pytest.raises(ValueError, match="not a keyword"):
        authres.write(US, method, result, "", [(name, "a")])


@given(
    st.lists(
        st.builds(
            ResInfo,
            method=WORDS,
            result=WORDS,
            reason=st.none() | VALUES,
            properties=st.lists(
                st.builds(Property, WORDS.map(lambda w: f"policy.{w}"), VALUES),
                max_size=3,
            ).map(tuple),
        ),
        max_size=4,
    ).filter(lambda found: not found or found[0] != ResInfo("none", "none"))
)
def test_our_reader_reads_what_our_writer_writes(resinfos: list[ResInfo]) -> None:
    value = authres.field(US, resinfos)

    assert authres.parse(value) == Parsed(US, 1, tuple(resinfos))
