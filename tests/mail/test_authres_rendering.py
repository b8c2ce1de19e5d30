"""SPF, DKIM, DMARC and ARC as one field, whatever strangers wrote into them."""

import importlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stirmilter.mail import authres
from stirmilter.mail.authres import Parsed, ResInfo
from stirmilter.mail.results import (
    ArcResult,
    DkimSignature,
    DmarcResult,
    MailResults,
    SpfResult,
)

referee = importlib.import_module("authres")

US = "mx.example"
SPF = SpfResult(word="pass", domain="one.example", address="bounce+1@one.example")
DKIM = DkimSignature(
    word="pass",
    domain="one.example",
    selector="mail",
    identity="@one.example",
    algorithm="rsa-sha256",
    value="ab/de+g=",
)
DMARC = DmarcResult(word="pass", domain="one.example", policy="reject")
ARC = ArcResult(word="fail", reason="seal-broken", sets=2, domain="list.example")
REGISTERED = {
    "spf": {"smtp.mailfrom", "smtp.helo"},
    "dkim": {"header.d", "header.i", "header.s", "header.a", "header.b"},
    "dmarc": {"header.from", "policy.dmarc"},
    "arc": {"smtp.remote-ip", "header.oldest-pass"},
}
"""IANA, Email Authentication Methods."""


def read(results: MailResults, **limits: int) -> tuple[ResInfo, ...]:
    found = authres.parse(authres.render(results, US, **limits))
    assert isinstance(found, Parsed)
    assert found.authserv_id == US
    return found.resinfos


def test_all_methods_stand_in_one_field() -> None:
    results = MailResults(spf=SPF, dkim=(DKIM,), dmarc=DMARC, arc=ARC)

    assert authres.render(results, US) == (
        "mx.example;\n"
        "\tspf=pass smtp.mailfrom=bounce+1@one.example;\n"
        "\tdkim=pass header.d=one.example header.i=@one.example header.s=mail\n"
        '\theader.a=rsa-sha256 header.b="ab/de+g=";\n'
        "\tdmarc=pass header.from=one.example policy.dmarc=reject;\n"
        "\tarc=fail reason=seal-broken"
    )


def test_nothing_evaluated_is_none() -> None:
    assert authres.render(MailResults(), US) == "mx.example; none"


def test_a_message_without_a_signature_is_dkim_none() -> None:
    """RFC 8601 §2.7.1: the message was not signed."""
    assert authres.render(MailResults(dkim=()), US) == "mx.example; dkim=none"


def test_what_an_upstream_said_is_not_said_by_us() -> None:
    results = MailResults(spf=SPF, dmarc=DMARC, source="upstream.example")

    assert authres.render(results, US) == "mx.example; none"


def test_the_name_in_helo_is_a_property_of_its_own() -> None:
    spf = SpfResult(word="none", scope="helo", domain="h.example", address="h.example")

    assert read(MailResults(spf=spf)) == (
        ResInfo("spf", "none", None, (authres.Property("smtp.helo", "h.example"),)),
    )


def test_signatures_beyond_the_limit_are_not_written_those_that_pass_are_first() -> (
    None
):
    bad = [DkimSignature(word="fail", domain=f"{n}.example") for n in range(20)]

    found = read(MailResults(dkim=(*bad, DKIM)), signatures=3)

    assert [one.get("header.d") for one in found] == [
        "one.example",
        "0.example",
        "1.example",
    ]


@pytest.mark.parametrize(
    "local",
    [
        pytest.param('"a b"', id="quoted"),
        pytest.param("a;dmarc=pass", id="semicolon"),
        pytest.param("a(b)", id="comment"),
        pytest.param("a\\b", id="backslash"),
        pytest.param("ä", id="not-ascii"),
        pytest.param("a\r\nX: y", id="line-break"),
        pytest.param("a\x1b[2J", id="escape"),
        pytest.param("a\udcff", id="octet"),
        pytest.param("a,b", id="comma"),
        pytest.param("x" * 300, id="long"),
    ],
)
def test_a_local_part_that_may_harm_is_left_out_and_that_is_told(local: str) -> None:
    """A consumer that cuts at semicolons must not find results in an address."""
    spf = SpfResult(word="pass", domain="e.example", address=f"{local}@e.example")
    dkim = DkimSignature(
        word="fail",
        reason="no-key",
        domain="e.example",
        identity=f"{local}@m.e.example",
    )

    found = read(MailResults(spf=spf, dkim=(dkim,)))

    assert found[0].get("smtp.mailfrom") == "e.example"
    assert found[0].reason == "smtp.mailfrom is not shown in full"
    assert found[1].get("header.i") == "@m.e.example"
    assert found[1].reason == "no-key, header.i is not shown in full"


@pytest.mark.parametrize(
    "text",
    ["a b", "a;spf=pass", 'a"b', "é", "a\nb", "a(b", "x" * 300],
)
def test_a_selector_a_domain_or_an_algorithm_that_may_harm_is_left_out(
    text: str,
) -> None:
    dkim = DkimSignature(
        word="fail",
        domain=text,
        selector=text,
        identity=f"@{text}",
        algorithm=text,
        value=text,
    )
    dmarc = DmarcResult(word="none", domain=text)

    found = read(MailResults(dkim=(dkim,), dmarc=dmarc))

    assert [one.properties for one in found] == [(), ()]
    assert found[0].reason == ", ".join(
        f"header.{name} is not shown in full" for name in "disab"
    )


@pytest.mark.parametrize(
    ("reason", "written"),
    [("no-key", "no-key"), ('a;"b"\r\n(c)\\', "a??b????c??"), ("x" * 300, "x" * 255)],
)
def test_a_reason_is_harmless_and_bounded(reason: str, written: str) -> None:
    [found] = read(MailResults(spf=SpfResult(word="permerror", reason=reason)))

    assert found.reason == written


TEXTS = st.text(max_size=300) | st.text('a."@;\\ \r\n(=é', max_size=20)
SIGNATURES = st.builds(
    DkimSignature,
    word=st.sampled_from(["pass", "fail", "temperror"]),
    reason=TEXTS,
    domain=TEXTS,
    selector=TEXTS,
    identity=TEXTS,
    algorithm=TEXTS,
    value=TEXTS,
)
RESULTS = st.builds(
    MailResults,
    spf=st.none()
    | st.builds(
        SpfResult,
        word=st.sampled_from(["pass", "softfail"]),
        reason=TEXTS,
        scope=st.sampled_from(["mailfrom", "helo"]),
        domain=TEXTS,
        address=TEXTS,
    ),
    dkim=st.none() | st.lists(SIGNATURES, max_size=12).map(tuple),
    arc=st.none() | st.builds(ArcResult, word=st.just("pass"), reason=TEXTS),
    dmarc=st.none()
    | st.builds(DmarcResult, word=st.just("fail"), reason=TEXTS, domain=TEXTS),
)


@given(RESULTS)
def test_whatever_was_found_makes_one_harmless_field(results: MailResults) -> None:
    value = authres.render(results, US)

    assert re.fullmatch(r"[\x20-\x7e]+(?:\n\t[\x20-\x7e]+)*", value)
    assert len(value) < 998 * len(value.split("\n"))
    assert not re.search(r"[;()\\]", "".join(re.findall(r'"([^"]*)"', value)))
    for one in read(results):
        assert {name for name, _ in one.properties} <= REGISTERED[one.method]


@given(RESULTS)
def test_a_reader_that_cuts_at_semicolons_finds_our_results_and_no_other(
    results: MailResults,
) -> None:
    value = authres.render(results, US)

    cut = [part.split()[0] for part in value.split(";")[1:]]

    written = [f"{one.method}={one.result}" for one in read(results)]
    assert cut == (written or ["none"])


@given(RESULTS)
def test_another_reader_reads_the_same(results: MailResults) -> None:
    """But for a property behind a quoted one, which it does not see."""
    value = authres.render(results, US)

    other = referee.AuthenticationResultsHeader.parse(f"{authres.NAME}: {value}")

    assert [(one.method, one.result, one.reason) for one in other.results] == [
        (one.method, one.result, one.reason) for one in read(results)
    ]
