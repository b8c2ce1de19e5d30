"""Authentication-Results of others: read as they are meant, or not at all."""

import importlib
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stirmilter.mail import authres
from stirmilter.mail.authres import Limits, Malformed, Parsed, Property, ResInfo
from tests.untraced import untraced

referee = importlib.import_module("authres")

OPENDKIM = (
    " mx.example;\n\tdkim=pass (2048-bit key; unprotected) header.d=one.example"
    ' header.i=@one.example header.a=rsa-sha256 header.s=mail header.b="ab/d=";'
    '\n\tdkim=fail reason="signature verification failed" (1024-bit key)'
    " header.d=two.example header.b=QQ/rr+s=;\n\tdkim-atps=neutral"
)
OPENDMARC = " mx.example; dmarc=pass (p=reject dis=none) header.from=one.example"
RSPAMD = (
    " mx.example;\n\tdkim=pass header.d=one.example header.s=mail header.b=ab/dcdef;"
    "\n\tspf=pass (mx.example: domain of a@one.example designates 2001:db8::1 as"
    " permitted sender) smtp.mailfrom=a+b=c@one.example smtp.remote-ip=2001:db8::1;"
    "\n\tdmarc=pass (policy=none) header.from=one.example;\n\tarc=none"
)


def parsed(value: str) -> Parsed:
    found = authres.parse(value)
    assert isinstance(found, Parsed), found
    return found


def one(value: str) -> ResInfo:
    [found] = parsed(value).resinfos
    return found


def properties(**values: str) -> tuple[Property, ...]:
    return tuple(
        Property(name.replace("_", "."), value) for name, value in values.items()
    )


def test_reads_what_opendkim_writes() -> None:
    assert parsed(OPENDKIM) == Parsed(
        "mx.example",
        1,
        (
            ResInfo(
                "dkim",
                "pass",
                None,
                properties(
                    header_d="one.example",
                    header_i="@one.example",
                    header_a="rsa-sha256",
                    header_s="mail",
                    header_b="ab/d=",
                ),
            ),
            ResInfo(
                "dkim",
                "fail",
                "signature verification failed",
                properties(header_d="two.example", header_b="QQ/rr+s="),
            ),
            ResInfo("dkim-atps", "neutral"),
        ),
    )


def test_reads_what_opendmarc_writes() -> None:
    assert one(OPENDMARC) == ResInfo(
        "dmarc", "pass", None, properties(header_from="one.example")
    )


def test_reads_what_rspamd_writes() -> None:
    found = parsed(RSPAMD).resinfos

    assert [(each.method, each.result) for each in found] == [
        ("dkim", "pass"),
        ("spf", "pass"),
        ("dmarc", "pass"),
        ("arc", "none"),
    ]
    assert found[1].properties == properties(
        **{"smtp_mailfrom": "a+b=c@one.example", "smtp_remote-ip": "2001:db8::1"}
    )


@pytest.mark.parametrize(
    ("value", "read"),
    [
        pytest.param("mx.example; none", Parsed("mx.example"), id="none"),
        pytest.param("mx.example 1;none", Parsed("mx.example"), id="version"),
        pytest.param("mx.example 2; none", Parsed("mx.example", 2), id="version-two"),
        pytest.param('"m\\x";none', Parsed("mx"), id="quoted-id"),
        pytest.param("(a(b\\)))mx(c) 1 (d);(e)none(f)", Parsed("mx"), id="comments"),
    ],
)
def test_reads_a_field_without_results(value: str, read: Parsed) -> None:
    assert parsed(value) == read


@pytest.mark.parametrize(
    ("text", "read"),
    [
        pytest.param("spf=pass", ResInfo("spf", "pass"), id="method"),
        pytest.param("SPF=Pass", ResInfo("spf", "pass"), id="capitals"),
        pytest.param("none=pass", ResInfo("none", "pass"), id="a-method-named-none"),
        pytest.param(
            "spf(a)/(b)2(c)=(d)pass(e)", ResInfo("spf", "pass", version=2), id="version"
        ),
        pytest.param("spf=pass;", ResInfo("spf", "pass"), id="semicolon-at-the-end"),
        pytest.param(
            'spf=fail reason="a;b (c) \\"d\\\\"',
            ResInfo("spf", "fail", 'a;b (c) "d\\'),
            id="reason",
        ),
        pytest.param("spf=fail reason=x", ResInfo("spf", "fail", "x"), id="bare"),
        pytest.param("spf=fail reason=''", ResInfo("spf", "fail", "''"), id="ticks"),
        pytest.param('spf=fail reason=""', ResInfo("spf", "fail", ""), id="empty"),
        pytest.param(
            "spf=pass smtp.mailfrom=a@b.example reason=x",
            ResInfo("spf", "pass", "x", properties(smtp_mailfrom="a@b.example")),
            id="reason-behind",
        ),
        pytest.param(
            "spf=pass smtp (a) . (b) Helo (c) = (d) x (e)",
            ResInfo("spf", "pass", None, properties(smtp_helo="x")),
            id="space-everywhere",
        ),
        pytest.param(
            "spf=pass smtp.mailfrom=",
            ResInfo("spf", "pass", None, properties(smtp_mailfrom="")),
            id="no-value-at-the-end",
        ),
        pytest.param(
            "spf=pass smtp.mailfrom=;",
            ResInfo("spf", "pass", None, properties(smtp_mailfrom="")),
            id="no-value",
        ),
        pytest.param(
            "spf=pass smtp.mailfrom=<>",
            ResInfo("spf", "pass", None, properties(smtp_mailfrom="<>")),
            id="null-sender",
        ),
        pytest.param(
            'spf=pass smtp.mailfrom="a b"@c.example',
            ResInfo("spf", "pass", None, properties(smtp_mailfrom="a b@c.example")),
            id="quoted-local-part",
        ),
        pytest.param(
            'spf=pass smtp.mailfrom="; dmarc=pass header.from=b.example"@c.example',
            ResInfo(
                "spf",
                "pass",
                None,
                properties(
                    smtp_mailfrom="; dmarc=pass header.from=b.example@c.example"
                ),
            ),
            id="result-in-a-local-part",
        ),
        pytest.param(
            "x-new=odd x.y=z x.y=w",
            ResInfo("x-new", "odd", None, (Property("x.y", "z"), Property("x.y", "w"))),
            id="unknown-method",
        ),
    ],
)
def test_reads_a_result(text: str, read: ResInfo) -> None:
    assert one(f"mx.example; {text}") == read


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("", id="nothing"),
        pytest.param("mx.example", id="no-semicolon"),
        pytest.param("mx.example;", id="no-result"),
        pytest.param("mx.example; ;spf=pass", id="empty-result"),
        pytest.param("mx.example; none; spf=pass", id="none-and-one"),
        pytest.param("mx.example; spf=pass; none", id="one-and-none"),
        pytest.param("spf=pass smtp.helo=a", id="no-id"),
        pytest.param('"";none', id="empty-id"),
        pytest.param('""mx.example;none', id="half-quoted-id"),
        pytest.param("mx.example x; none", id="version-no-number"),
        pytest.param("mx.example 1.1; none", id="version-with-a-dot"),
        pytest.param("mx.example; spf", id="no-result-word"),
        pytest.param("mx.example; spf=", id="empty-result-word"),
        pytest.param("mx.example; spf=pass/1", id="slash-behind-the-result"),
        pytest.param("mx.example; spf/=pass", id="no-method-version"),
        pytest.param("mx.example; spf=pass mx.example", id="word"),
        pytest.param("mx.example; spf=pass a=b", id="no-ptype"),
        pytest.param("mx.example; spf=pass reason=a reason=b", id="two-reasons"),
        pytest.param("mx.example; spf=pass smtp.=b", id="no-property"),
        pytest.param("mx.example; spf=pass smtp.helo", id="no-value"),
        pytest.param("mx.example; spf=pass sm_tp.helo=a", id="underscore"),
        pytest.param("mx.example; spf_x=pass", id="underscore-in-the-method"),
        pytest.param("mx.example; -spf=pass", id="hyphen-before-the-method"),
        pytest.param("mx.example; spf=pass (a", id="comment-without-end"),
        pytest.param('mx.example; spf=pass reason="a', id="quote-without-end"),
        pytest.param('mx.example; spf=pass reason="a"b', id="word-behind-a-quote"),
        pytest.param('mx.example; spf=pass smtp.helo=a"b"', id="quote-behind-a-word"),
        pytest.param("mx.example; spf=pass smtp.helo=a\\b", id="backslash"),
        pytest.param("mx.example; spf=pass smtp.helo=a\x00b", id="nul"),
        pytest.param("mx.example; spf=pass)", id="comment-closed-before-it-opens"),
        pytest.param("mx.example; spf=pa(c)ss", id="comment-in-a-word"),
    ],
)
def test_what_is_no_field_is_malformed(value: str) -> None:
    assert isinstance(authres.parse(value), Malformed)


@pytest.mark.parametrize(
    ("limits", "good", "bad"),
    [
        pytest.param(
            Limits(length=8), "mx; none", "mx ; none", id="characters-of-the-value"
        ),
        pytest.param(
            Limits(depth=2), "mx; (a(b)(c))none", "mx; (a(b(c)))none", id="comments"
        ),
        pytest.param(
            Limits(resinfos=2), "mx; a=b; a=b;", "mx; a=b; a=b; a=b", id="results"
        ),
        pytest.param(
            Limits(properties=2),
            "mx; a=b c.d=e c.d=e",
            "mx; a=b c.d=e c.d=e c.d=e",
            id="properties",
        ),
    ],
)
def test_what_is_beyond_a_limit_is_malformed(
    limits: Limits, good: str, bad: str
) -> None:
    assert isinstance(authres.parse(good, limits), Parsed)
    assert isinstance(authres.parse(bad, limits), Malformed)


def test_a_detail_repeats_nothing_of_a_stranger_s() -> None:
    found = authres.parse("mx.example; \x1bevil=\r\n")

    assert found == Malformed("no method")


@given(st.text('mx1;=./"()\\ \n\t@none<>\x00\udcffé', max_size=40))
def test_reads_or_refuses_any_value(value: str) -> None:
    found = authres.parse(value)

    assert isinstance(found, Parsed | Malformed)
    assert isinstance(authres.parse(f"mx.example; {value}"), Parsed | Malformed)


NAMES = st.sampled_from(["spf", "dkim", "dmarc", "arc", "x-new", "none", "reason"])
CFWS = st.sampled_from(["", " ", "\n\t", " (c) ", "(a (b) \\) x=y;)"])
BARE = st.sampled_from(["a", "1", "a@b.example", "@b.example", "a=b", "+1"])
QUOTED = st.sampled_from(['"a b"', '"a;b"', '"a(b"'])
"""No quoted pairs, which the other reader leaves as they are, and no empty one. Nor is
it given a property behind a quoted one, which it does not see."""

PIECES = st.sampled_from([";", "=", "/1", ".", " ", "(", ")", '"'])


@st.composite
def fields(draw: st.DrawFn) -> str:
    """A field by the grammar, and sometimes something else in it."""
    text = draw(st.sampled_from(["mx.example", '"mx.example"', "mx.example 1"]))
    for _ in range(draw(st.integers(0, 3))):
        text += f"{draw(CFWS)};{draw(CFWS)}{draw(NAMES)}{draw(CFWS)}={draw(CFWS)}pass"
        if draw(st.booleans()):
            text += f" {draw(CFWS)}reason={draw(BARE | QUOTED)}"
        for name in draw(st.lists(NAMES, max_size=2, unique=True)):
            text += f" {draw(CFWS)}header.{name}={draw(BARE)}{draw(CFWS)}"
        if draw(st.booleans()):
            text += f" {draw(CFWS)}smtp.helo={draw(QUOTED)}"
    cut = draw(st.integers(0, len(text)))
    return text[:cut] + draw(st.just("") | PIECES) + text[cut:]


@given(fields())
def test_what_another_reader_takes_as_well_it_reads_alike(value: str) -> None:
    found = authres.parse(value)
    other = by_referee(value)
    if isinstance(found, Parsed) and other is not None:
        assert by_us(found) == other


Read = tuple[str, str, str | None, list[tuple[str, str | None]]]


def by_us(found: Parsed) -> tuple[str, list[Read]]:
    return found.authserv_id, [
        (
            each.method,
            each.result,
            each.reason or None,
            [(name, value or None) for name, value in each.properties],
        )
        for each in found.resinfos
    ]


def by_referee(value: str) -> tuple[str, list[Read]] | None:
    """What the other reader reads; not what it passes over when it is lenient."""
    header = referee.AuthenticationResultsHeader()
    header.strict = True
    header._parse_text = value.strip()
    try:
        header._parse()
    except (referee.AuthResError, AttributeError):  # the latter is its own fault
        return None
    return header.authserv_id, [
        (
            each.method,
            each.result,
            each.reason or None,
            [(f"{one.type}.{one.name}", one.value or None) for one in each.properties],
        )
        for each in header.results
    ]


@pytest.mark.parametrize(
    "value", [OPENDMARC, 'mx.example; spf=pass reason="a b" smtp.helo=x (c)']
)
def test_another_reader_reads_what_others_write(value: str) -> None:
    """That the test above has fields to compare."""
    assert by_us(parsed(value)) == by_referee(value)


HOSTILE = {
    "parentheses": "(" * 50_000,
    "comments": "mx; a=b" + "()" * 30_000,
    "junk": "mx; " + "a=b.c" * 12_000,
    "results": "mx" + ";a=b" * 15_000,
    "a quote without end": 'mx; a=b reason="' + "\\" * 60_000,
    "quotes": "mx; a=b c.d=" + '"' * 60_000,
    "hyphens": "mx; a" + "-" * 60_000,
    "white space": "mx" + " " * 60_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_60_kb_of_anything_cost_next_to_nothing(name: str) -> None:
    """With the limits lifted: `tests.test_hostile` counts the work."""
    endless = Limits(length=1 << 40, depth=1 << 40, resinfos=1 << 40)
    started = time.process_time()

    with untraced():
        authres.parse(HOSTILE[name], endless)

    assert time.process_time() - started < 0.5
