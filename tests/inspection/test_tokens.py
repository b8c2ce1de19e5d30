"""Tokens of messages, and the header values around them."""

import base64
import re
from datetime import timedelta

import pytest

from stirmilter.stir import jws, passport
from tests.inspection.reports import (
    diversion,
    explain,
    facts,
    field,
    message_token,
    problems,
)
from tests.laboratory import ALICE, BOB, CAROL, NOW, X5U
from tests.stir.tokens import MSGI

SHORT = "sha256-" + base64.b64encode(bytes(31)).decode()
RFC_9475 = "sha256-H8BRh8j48O9oYatfu5AZzq6A9R6dQZngK7T62em8MUt1FLm52t+eX6xO"
PARAMETERS = f";info=<{X5U}leaf.pem>;alg=ES256;ppt=msg"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        pytest.param(
            "ppt", ["msg: vouches for a message (RFC 9475)"], id="what it is for"
        ),
        pytest.param("orig", [f"tn {ALICE}"], id="who speaks"),
        pytest.param("dest", [f"tn {BOB}", "uri mailto:b@example.net"], id="to whom"),
        pytest.param("iat", ["2026-01-02 12:00:00Z, 0 s ago"], id="when"),
        pytest.param("msgi", [MSGI], id="which body"),
        pytest.param("x5u", [f"{X5U}leaf.pem"], id="where the certificate is"),
        pytest.param(
            "signed by",
            ["unknown without the chain at x5u (--chain FILE)"],
            id="what it takes to tell who signed",
        ),
        pytest.param("claim other", ['{"a": [1]}'], id="a claim that nobody knows"),
    ],
)
def test_a_message_token_is_explained_claim_by_claim(
    name: str, expected: list[str]
) -> None:
    dest = {"tn": [BOB], "uri": ["mailto:b@example.net"]}

    report = explain(message_token(dest=dest, other={"a": [1]}))

    assert report.kind == "a token"
    assert facts(report, name) == expected
    assert report.problems == []


def test_each_claim_is_told_once() -> None:
    token = diversion(attest="A", origid="x", msgi="x", other=1)

    names = [name for name, _ in explain(token).facts]

    assert names[2:12] == [
        "ppt",
        "orig",
        "diverted from",
        "dest",
        "iat",
        "msgi",
        "attest",
        "origid",
        "claim other",
        "x5u",
    ]


def test_the_parts_are_shown_as_they_came() -> None:
    token = message_token()

    report = explain(token)

    for name, part in zip(("header", "payload"), token.split("."), strict=False):
        assert facts(report, name) == [jws.b64url_decode(part).decode()]


def test_a_diversion_tells_who_sent_the_message_on() -> None:
    report = explain(diversion(dest={"tn": [CAROL]}))

    assert facts(report, "ppt") == [
        "div: tells that a message or a call was forwarded (RFC 8946 section 3)"
    ]
    assert facts(report, "diverted from") == [f"tn {BOB}"]
    assert facts(report, "dest") == [f"tn {CAROL}"]
    assert report.problems == []


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        pytest.param(119, "2026-01-02 12:00:00Z, 119 s ago", id="two minutes"),
        pytest.param(7199, "2026-01-02 12:00:00Z, 119 min ago", id="two hours"),
        pytest.param(86_400, "2026-01-02 12:00:00Z, 24 h ago", id="a day"),
        pytest.param(200_000, "2026-01-02 12:00:00Z, 2 days ago", id="two days"),
        pytest.param(-60, "2026-01-02 12:00:00Z, 60 s ahead", id="a minute ahead"),
    ],
)
def test_an_age_is_told_in_the_unit_that_people_think_in(
    at: int, expected: str
) -> None:
    report = explain(message_token(), at=NOW + timedelta(seconds=at))

    assert facts(report, "iat") == [expected]
    assert report.problems == []


@pytest.mark.parametrize(
    ("age", "notes"),
    [
        pytest.param(86_400, 0, id="a day is fresh"),
        pytest.param(86_401, 1, id="a second more is stale"),
    ],
)
def test_an_old_token_may_be_stale(age: int, notes: int) -> None:
    """A note: whether an old token is wrong depends on what it is looked at for."""
    report = explain(message_token(), at=NOW + timedelta(seconds=age))

    stale = [note for note in facts(report, "note") if note.startswith("stale")]
    assert len(stale) == notes


def test_a_token_from_the_future_is_a_problem() -> None:
    report = explain(message_token(), at=NOW - timedelta(seconds=61))

    assert problems(report) == [
        (
            "from-the-future: iat is 61 s ahead; is a clock wrong?",
            "RFC 8224 §6.2 step 4",
        )
    ]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        pytest.param(message_token(), "a token", id="on one line"),
        pytest.param(
            re.sub("(.{60})", r"\1\r\n ", message_token()), "a token", id="folded"
        ),
        pytest.param(
            re.sub("(.{60})", r"\1\n", message_token()), "a token", id="wrapped"
        ),
        pytest.param(f"\n  {message_token()}\n\n", "a token", id="among empty lines"),
        pytest.param(f"\ufeff{message_token()}", "a token", id="behind a UTF-8 mark"),
        pytest.param(message_token() + PARAMETERS, "a header value", id="value"),
        pytest.param(
            field(message_token() + PARAMETERS), "a header field", id="folded field"
        ),
        pytest.param(
            field(message_token(), "Identity").replace("\n", "\r\n"),
            "a header field",
            id="field as it crosses SMTP",
        ),
        pytest.param(
            field(message_token(), "X-Passport"),
            "a header field",
            id="field of another name",
        ),
    ],
)
def test_a_token_is_found_however_it_is_written(text: str, kind: str) -> None:
    report = explain(text)

    assert report.kind == kind
    assert facts(report, "orig") == [f"tn {ALICE}"]
    assert report.problems == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param("info", [], id="one that repeats the token is not"),
        pytest.param("a", ["b c"], id="another one is"),
        pytest.param("ppt", ["div"], id="one that differs is"),
    ],
)
def test_a_parameter_that_says_something_new_is_shown(
    name: str, value: list[str]
) -> None:
    report = explain(f'{message_token()};info=<{X5U}leaf.pem>;a="b c";ppt=div')

    assert facts(report, f"parameter {name}") == value


def test_of_the_compact_form_every_parameter_is_shown() -> None:
    report = explain("..c2lnbmF0dXJl;info=<https://x.example>;ppt=shaken")

    assert facts(report, "parameter info") == ["https://x.example"]
    assert facts(report, "parameter ppt") == ["shaken"]


def test_the_key_that_a_verifier_knows_a_token_by_is_shown() -> None:
    token = message_token()

    assert facts(explain(token), "fingerprint") == [passport.parse(token).fingerprint]


def test_what_a_signer_should_write_otherwise_is_noted() -> None:
    """RFC 8225 section 9: without white space, say."""
    report = explain(message_token())

    assert facts(report, "note") == [
        f"{part}: not the deterministic JSON of RFC 8225 section 9; it still verifies"
        for part in ("header", "payload")
    ]
