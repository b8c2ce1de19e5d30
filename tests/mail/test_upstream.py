"""Results of others count where the operator vouches for them, and nowhere else."""

from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest

from stirmilter.mail import upstream
from stirmilter.mail.authres import Limits
from stirmilter.mail.results import (
    ArcResult,
    DkimSignature,
    DmarcResult,
    MailResults,
    SpfResult,
)
from stirmilter.mail.transaction import Connection, Header
from stirmilter.mail.upstream import METHODS, Chosen, Mode, Upstream
from tests.mail.test_authres_reader import OPENDKIM, OPENDMARC, RSPAMD

RELAY = Connection(client=ip_address("192.0.2.25"))
STRANGER = Connection(client=ip_address("198.51.100.1"))
OURS = Upstream(
    authserv_ids=("mx.example",), networks=(ip_network("192.0.2.0/24"),), strips=True
)


def field(value: str, name: str = "Authentication-Results") -> Header:
    return Header(name, value.encode())


def read(
    *values: str,
    connection: Connection = RELAY,
    upstreams: tuple[Upstream, ...] = (OURS,),
) -> MailResults | None:
    return upstream.read([field(value) for value in values], connection, upstreams)


def found(*values: str) -> MailResults:
    results = read(*values)
    assert results is not None
    return results


def test_what_opendkim_and_opendmarc_say_is_put_together() -> None:
    spf = " mx.example; spf=pass smtp.mailfrom=a@one.example"

    results = found(OPENDMARC, spf, OPENDKIM)

    assert results == MailResults(
        spf=SpfResult(word="pass", domain="one.example", address="a@one.example"),
        dkim=(
            DkimSignature(
                word="pass",
                domain="one.example",
                selector="mail",
                identity="@one.example",
                algorithm="rsa-sha256",
                value="ab/d=",
                whole_body=False,
            ),
            DkimSignature(
                word="fail",
                reason="signature verification failed",
                domain="two.example",
                value="QQ/rr+s=",
                whole_body=False,
            ),
        ),
        dmarc=DmarcResult(word="pass", domain="one.example"),
        source="mx.example",
    )
    assert results.dmarc_pass
    assert [one.domain for one in results.signatures] == ["one.example"]


def test_what_rspamd_says_is_read() -> None:
    results = found(RSPAMD)

    assert results.spf == SpfResult(
        word="pass", domain="one.example", address="a+b=c@one.example"
    )
    assert results.arc == ArcResult(word="none")
    assert results.dmarc_pass


REAL = """\
dkim.two.example;
\tdkim=pass (2048-bit key; unprotected) header.d=mms.one.example \
header.i=@mms.one.example header.a=rsa-sha256 header.s=k1 header.b=PPKXhCml;
\tdkim-atps=neutral
\ndkim.two.example; dkim=permerror (bad message/signature format)
\ndkim.two.example; dkim=none; dkim-atps=neutral
\ndkim.two.example; ; dkim-atps=neutral
\ndmarc.two.example; dmarc=pass (p=reject dis=none) header.from=mms.one.example
\ndmarc.two.example; spf=pass smtp.mailfrom=mms.one.example
\nrelay.example;
\tdkim=pass header.d=mms.one.example header.s=rsa1 header.b="axCVk9/G";
\tspf=pass (relay.example: domain of "+12025550123/TYPE=PLMN@mms.one.example" \
designates 192.0.2.25 as permitted sender) \
smtp.mailfrom="+12025550123/TYPE=PLMN@mms.one.example";
\tdmarc=none
"""
"""OpenDKIM 2.11 (the last two of messages without signature, the last of a From without
a domain), OpenDMARC 1.4.2 and rspamd 3.4, as they stood in messages."""


def test_the_real_fields_of_messages_of_mm4_are_read() -> None:
    said = [read_one(value) for value in REAL.split("\n\n")]

    assert [one and one.dkim and one.dkim[0].word for one in said] == [
        *["pass", "permerror", (), None, None, None, "pass"]
    ]
    assert [one and one.spf and one.spf.domain for one in said] == [
        *[None] * 5,
        "mms.one.example",
        "mms.one.example",
    ]
    assert [one and one.dmarc and one.dmarc.word for one in said] == [
        *[None] * 4,
        *["pass", None, "none"],
    ]


def read_one(value: str) -> MailResults | None:
    everybody = ("dkim.two.example", "dmarc.two.example", "relay.example")
    return read(value.strip(), upstreams=(replace(OURS, authserv_ids=everybody),))


def test_a_signature_of_an_upstream_covers_nothing() -> None:
    """Which fields it signs is not in the results."""
    [first, _] = found(OPENDKIM).dkim or ()

    assert first.covers == first.sealed == frozenset()
    assert not first.whole_body


DISGUISES = [
    pytest.param('"mx.example"; dmarc=pass', id="quoted"),
    pytest.param("(c)mx.example; dmarc=pass", id="comment"),
    pytest.param("MX.example; dmarc=pass", id="capitals"),
    pytest.param("mx.example.; dmarc=pass", id="final-dot"),
    pytest.param("\n\tmx.example; dmarc=pass", id="fold"),
    pytest.param("mx.example 2; dmarc=pass", id="version"),
    pytest.param("mx.example; dmarc/2=pass", id="method-version"),
    pytest.param("mx.example; dmarc=pass nonsense", id="malformed"),
    pytest.param("mx.example.org; dmarc=pass", id="longer-id"),
    pytest.param("other.example; dmarc=pass", id="another-id"),
    pytest.param("other.example; x=y (mx.example; dmarc=pass)", id="comment-behind"),
    pytest.param("mx.example; none", id="none"),
    pytest.param("mx.example; x-dmarc=pass", id="unknown-method"),
    pytest.param('mx.example; spf-x=pass reason="; dmarc=pass"', id="in-a-reason"),
]


@pytest.mark.parametrize("value", DISGUISES)
def test_what_an_upstream_would_not_write_is_not_believed(value: str) -> None:
    """A filter that removes forged fields may have missed a disguise."""
    assert read(value) is None


def test_another_field_is_not_believed() -> None:
    header = field("mx.example; dmarc=pass", "ARC-Authentication-Results")

    assert upstream.read([header], RELAY, [OURS]) is None


NETWORK = ip_network("192.0.2.0/24")


@pytest.mark.parametrize(
    ("connection", "trusted", "believed"),
    [
        pytest.param(RELAY, OURS, True, id="network"),
        pytest.param(STRANGER, OURS, False, id="another-network"),
        pytest.param(Connection(client=None), OURS, False, id="no-network"),
        pytest.param(
            replace(STRANGER, daemon_name="mx"),
            replace(OURS, networks=(), daemon_names=frozenset({"mx"})),
            True,
            id="daemon",
        ),
        pytest.param(
            replace(STRANGER, daemon_name="submission"),
            replace(OURS, networks=(), daemon_names=frozenset({"mx"})),
            False,
            id="another-daemon",
        ),
        pytest.param(RELAY, replace(OURS, networks=()), False, id="no-way-named"),
        pytest.param(RELAY, replace(OURS, strips=False), False, id="no-guarantee"),
        pytest.param(RELAY, replace(OURS, authserv_ids=()), False, id="no-authserv-id"),
        pytest.param(
            RELAY,
            replace(OURS, methods=METHODS - {"dmarc"}),
            False,
            id="not-its-method",
        ),
    ],
)
def test_a_field_is_believed_only_where_the_operator_said_so(
    connection: Connection, trusted: Upstream, believed: bool
) -> None:
    results = read(OPENDMARC, connection=connection, upstreams=(trusted,))

    assert (results is not None) is believed


def test_each_upstream_is_believed_about_its_own_methods() -> None:
    dkim = replace(OURS, authserv_ids=("a.example",), methods=frozenset({"dkim"}))
    spf = replace(OURS, authserv_ids=("b.example",), methods=frozenset({"spf"}))
    said = "dkim=pass header.d=x.example; spf=pass smtp.mailfrom=x.example"

    results = read(f"b.example; {said}", f"a.example; {said}", upstreams=(dkim, spf))

    assert results is not None
    assert (results.spf is not None, results.dkim is not None) == (True, True)
    assert results.source == "b.example a.example"
    assert read(f"a.example; {said}", upstreams=(spf,)) is None


def test_the_topmost_field_counts() -> None:
    results = found(
        "mx.example; dmarc=fail; dkim=none",
        "mx.example; dmarc=pass; dkim=pass header.d=x.example; arc=pass",
    )

    assert results.dmarc == DmarcResult(word="fail")
    assert results.dkim == ()
    assert results.arc == ArcResult(word="pass")


def test_only_those_who_say_something_are_named() -> None:
    both = replace(OURS, authserv_ids=("quiet.example", "mx.example"))

    results = read("quiet.example; none", OPENDMARC, upstreams=(both,))

    assert results is not None
    assert results.source == "mx.example"


@pytest.mark.parametrize(
    ("said", "word"),
    [
        ("softfail", "softfail"),
        ("hardfail", "none"),
        ("bestguesspass", "none"),
        ("Pass", "pass"),
    ],
)
def test_a_word_that_is_not_registered_says_nothing(said: str, word: str) -> None:
    spf = found(f"mx.example; spf={said}").spf

    assert spf is not None
    assert spf.word == word


def test_the_name_in_helo_is_read() -> None:
    spf = found("mx.example; spf=pass smtp.helo=H.example").spf

    assert spf == SpfResult(
        word="pass", scope="helo", domain="h.example", address="H.example"
    )


@pytest.mark.parametrize(("said", "policy"), [("Reject", "reject"), ("odd", "")])
def test_the_policy_is_read(said: str, policy: str) -> None:
    dmarc = found(f"mx.example; dmarc=fail policy.dmarc={said}").dmarc

    assert dmarc is not None
    assert dmarc.policy == policy


def test_what_is_read_is_printable_and_bounded() -> None:
    evil = "\x1b\u202e" + "x" * 900
    header = field(
        f'mx.example; dkim=fail reason="{evil}" header.d="{evil}" header.s="{evil}"'
    )

    results = upstream.read([header], RELAY, [OURS])

    assert results is not None
    assert repr(results).isascii()
    assert len(repr(results)) < 1_500


def test_no_more_signatures_are_read_than_may_be() -> None:
    value = "mx.example" + "; dkim=pass header.d=x.example" * 30

    results = upstream.read([field(value)], RELAY, [OURS], signatures=7)

    assert results is not None
    assert len(results.dkim or ()) == 7


def test_a_field_beyond_the_limits_is_passed_over() -> None:
    assert (
        upstream.read([field(OPENDMARC)], RELAY, [OURS], limits=Limits(length=20))
        is None
    )


HERE = MailResults(
    spf=SpfResult(word="pass"),
    dkim=(DkimSignature(word="pass", domain="one.example"),),
    dmarc=DmarcResult(word="fail"),
)
THERE = MailResults(dmarc=DmarcResult(word="pass"), source="mx.example")


@pytest.mark.parametrize(
    ("mode", "theirs", "chosen"),
    [
        pytest.param("evaluate", THERE, Chosen(HERE), id="evaluate"),
        pytest.param(
            "both",
            THERE,
            Chosen(HERE, ("dmarc: fail here, pass at mx.example",)),
            id="both",
        ),
        pytest.param("both", None, Chosen(HERE), id="both-and-nothing-said"),
        pytest.param(
            "both", replace(HERE, source="mx.example"), Chosen(HERE), id="both-agree"
        ),
        pytest.param(
            "trust",
            THERE,
            Chosen(
                MailResults(
                    spf=SpfResult(word="none", reason="not-reported"),
                    dkim=(),
                    arc=ArcResult(word="none", reason="not-reported"),
                    dmarc=DmarcResult(word="pass"),
                    source="mx.example",
                )
            ),
            id="trust",
        ),
    ],
)
def test_whose_results_count(
    mode: Mode, theirs: MailResults | None, chosen: Chosen
) -> None:
    assert upstream.choose(mode, HERE, theirs) == chosen


def test_trust_in_nobody_is_no_pass() -> None:
    results = upstream.choose("trust", HERE, None).results

    assert not results.dmarc_pass
    assert results.signatures == ()
    assert results.spf == SpfResult(word="none", reason="not-reported")
    assert results.source, "we did not evaluate it, and do not write that we did"


@pytest.mark.parametrize(
    ("theirs", "difference"),
    [
        pytest.param(
            MailResults(spf=SpfResult(word="softfail"), source="a b"),
            "spf: pass here, softfail at a b",
            id="spf",
        ),
        pytest.param(
            MailResults(dkim=(), source="a"),
            "dkim: pass of one.example here, no pass at a",
            id="dkim",
        ),
        pytest.param(
            MailResults(
                dkim=(DkimSignature(word="pass", domain="\x1b.example"),), source="a"
            ),
            "dkim: pass of one.example here, pass of \\u{1b}.example at a",
            id="printable",
        ),
    ],
)
def test_a_difference_is_told(theirs: MailResults, difference: str) -> None:
    assert upstream.choose("both", HERE, theirs).differences == (difference,)
