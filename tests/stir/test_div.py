"""``div``: the token, and what chains of them say when every signature is believed."""

import base64
from typing import Final

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_der_public_key
from hypothesis import given
from hypothesis import strategies as st

from stirmilter.stir import diversion, jws, passport
from stirmilter.stir.claims import Claims, Identity
from stirmilter.stir.msgi import digest_body
from stirmilter.stir.result import Reason
from tests.laboratory import ALICE, BOB, BODY, CAROL, X5U
from tests.stir.diversions import (
    DAVE,
    EVE,
    LINKS,
    Link,
    by_walking,
    div,
    innermost,
)
from tests.stir.tokens import ABSENT, IAT, MSGI, SIGNING_KEY, forge
from tests.stir.vectors import reason_of

NUMBERS: Final = st.text("0123456789#*", min_size=1, max_size=15)

# RFC 8946 prints a key (appendix A) and a token (section 3). The number in its div has
# one digit more than the number that the text diverts from, 12155551213.
PRINTED_KEY: Final = (
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEmzGM1VsO+3IqbMF54rQMaYKQftO4hUYm9wv5wutLgEd9"
    "FsiTy3+4+Wa2O7pffOXPC0QzO+yD8hGEXGP/2mZo6w=="
)
PRINTED: Final = (
    "eyJhbGciOiJFUzI1NiIsInBwdCI6ImRpdiIsInR5cCI6InBhc3Nwb3J0IiwieDV1IjoiaHR0cHM6Ly93"
    "d3cuZXhhbXBsZS5jb20vY2VydC5jZXIifQ"
    ".eyJkZXN0Ijp7InRuIjpbIjEyMTU1NTUxMjE0Il19LCJkaXYiOnsidG4iOiIxMjE1NTU1NTEyMTMifSwi"
    "aWF0IjoxNDQzMjA4MzQ1LCJvcmlnIjp7InRuIjoiMTIxNTU1NTEyMTIifX0"
    ".xBHWipDEEJ8a6TsdX6xUXAnblsFiGUiAxwLiv0HLC9IICj6eG9jQd6WzeSSjHRBwxmChHhVIiMTSqIlk"
    "3yCNkg"
)
PRINTED_DIV: Final = "121555551213"


# The token


def test_a_diversion_is_read() -> None:
    token = passport.parse(div())

    assert token.ppt == "div"
    assert token.claims.orig == ("tn", ALICE)
    assert token.claims.div == ("tn", BOB)
    assert token.claims.dest == (("tn", CAROL),)
    assert token.claims.iat == IAT


@pytest.mark.parametrize(
    ("claim", "identity"),
    [
        pytest.param({"tn": BOB}, ("tn", BOB), id="number"),
        pytest.param({"tn": "*123"}, ("tn", "*123"), id="service-code"),
        pytest.param({"uri": "sip:b@x"}, ("uri", "sip:b@x"), id="uri"),
        pytest.param({"tn": BOB, "hi": "1.1"}, ("tn", BOB), id="history-index-beside"),
        pytest.param({"hi": 1, "tn": BOB}, ("tn", BOB), id="history-index-of-any-type"),
    ],
)
def test_div_holds_one_identity(
    claim: dict[str, object], identity: tuple[str, str]
) -> None:
    assert passport.parse(div(div=claim)).claims.div == identity


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param({"div": ABSENT}, id="no-div"),
        pytest.param({"div": None}, id="div-null"),
        pytest.param({"div": {}}, id="div-empty"),
        pytest.param({"div": BOB}, id="div-string"),
        pytest.param({"div": [BOB]}, id="div-array"),
        pytest.param({"div": {"hi": "1"}}, id="history-index-alone"),
        pytest.param({"div": {"tn": BOB, "uri": "sip:b@x"}}, id="two-identities"),
        pytest.param({"div": {"tn": [BOB]}}, id="array-of-one"),
        pytest.param({"div": {"tn": [BOB, CAROL]}}, id="array-of-two"),
        pytest.param({"div": {"tn": None}}, id="number-null"),
        pytest.param({"div": {"tn": int(BOB)}}, id="number-as-integer"),
        pytest.param({"div": {"tn": ""}}, id="number-empty"),
        pytest.param({"div": {"tn": f"+{BOB}"}}, id="number-with-plus"),
        pytest.param({"div": {"tn": "1" * 16}}, id="sixteen-digits"),
        pytest.param({"div": {"uri": BOB}}, id="number-as-uri"),
        pytest.param({"dest": ABSENT}, id="no-dest"),
        pytest.param({"dest": {"tn": []}}, id="dest-of-nobody"),
        pytest.param({"dest": {"tn": CAROL}}, id="dest-not-an-array"),
        pytest.param({"dest": {"tn": [CAROL], "hi": ["1"]}}, id="index-in-dest"),
        pytest.param({"orig": ABSENT}, id="no-orig"),
        pytest.param({"orig": {"tn": ALICE, "hi": "1"}}, id="index-in-orig"),
        pytest.param({"iat": ABSENT}, id="no-iat"),
        pytest.param({"iat": str(IAT)}, id="iat-string"),
    ],
)
def test_payloads_are_refused(payload: dict[str, object]) -> None:
    assert reason_of(div(**payload)) is Reason.MALFORMED


@pytest.mark.conformance("M-02")
@pytest.mark.parametrize(
    "msgi",
    [
        pytest.param(MSGI, id="good"),
        pytest.param("sha256-AAAA", id="malformed"),
        pytest.param(1, id="number"),
        pytest.param(None, id="null"),
    ],
)
def test_msgi_in_a_diversion_is_ignored(msgi: object) -> None:
    """RFC 9475 §3.2: whatever it says, and whether it can be read or not."""
    assert passport.parse(div(msgi=msgi)).claims.msgi is None


@pytest.mark.parametrize(
    "claim",
    [
        pytest.param({"tn": BOB}, id="good"),
        pytest.param({"tn": [BOB]}, id="malformed"),
        pytest.param("x", id="string"),
    ],
)
def test_div_in_a_message_token_is_ignored(claim: object) -> None:
    token = passport.parse(forge(payload={"div": claim}))

    assert token.ppt == "msg"
    assert token.claims.div is None


# What we write


@pytest.mark.conformance("M-01", "F-09")
def test_what_is_issued_is_deterministic_and_holds_nothing_else() -> None:
    """RFC 8946 §4.1: orig and iat stay. RFC 9475 §3.2: no msgi."""
    said = innermost().diverted(BOB, (DAVE, CAROL, CAROL))

    header, payload, _ = passport.issue(said, f"{X5U}b.pem", SIGNING_KEY).text.split(
        "."
    )

    assert jws.b64url_decode(header).decode() == (
        '{"alg":"ES256","ppt":"div","typ":"passport","x5u":"https://certs.example/b.pem"}'
    )
    assert jws.b64url_decode(payload).decode() == (
        f'{{"dest":{{"tn":["{CAROL}","{DAVE}"]}},"div":{{"tn":"{BOB}"}},"iat":{IAT},'
        f'"orig":{{"tn":"{ALICE}"}}}}'
    )


@pytest.mark.conformance("M-01")
def test_nothing_else_is_copied_from_the_token_before() -> None:
    before = passport.parse(forge(payload={"attest": "A", "div": {"tn": EVE}})).claims

    said = before.diverted(BOB, (CAROL,))

    assert sorted(said.raw) == ["dest", "div", "iat", "orig"]
    assert said.raw["div"] == {"tn": BOB}
    assert said.msgi is None


@given(NUMBERS, NUMBERS, st.lists(NUMBERS, min_size=1, max_size=5), st.integers(0, 9))
def test_what_is_issued_is_parsed(
    orig: str, source: str, dest: list[str], iat: int
) -> None:
    before = Claims.message(orig, (source,), iat, digest_body(BODY).value())

    token = passport.issue(before.diverted(source, dest), f"{X5U}b.pem", SIGNING_KEY)

    read = passport.parse(token.text)
    assert read == token
    assert read.claims.div == Identity("tn", source)
    assert read.claims.dest == tuple(Identity("tn", n) for n in sorted(set(dest)))
    assert (read.claims.orig.value, read.claims.iat) == (orig, iat)
    assert passport.lint(read) == ()


def test_uris_are_diverted_as_uris() -> None:
    dest, msgi = ("mailto:b@x",), digest_body(BODY).value()
    before = Claims.message("mailto:a@x", dest, IAT, msgi)

    said = before.diverted("mailto:b@x", ("mailto:c@y", CAROL))

    assert said.raw["orig"] == {"uri": "mailto:a@x"}
    assert said.raw["div"] == {"uri": "mailto:b@x"}
    assert said.raw["dest"] == {"tn": [CAROL], "uri": ["mailto:c@y"]}


@pytest.mark.conformance("V-19")
def test_the_token_of_rfc_8946_verifies() -> None:
    token = passport.parse(PRINTED)
    key = load_der_public_key(base64.b64decode(PRINTED_KEY))
    assert isinstance(key, ec.EllipticCurvePublicKey)

    jws.verify(token.signing_input, token.signature, key)

    assert token.claims.orig == ("tn", "12155551212")
    assert token.claims.div == ("tn", PRINTED_DIV)
    assert token.claims.dest == (("tn", "12155551214"),)
    assert passport.lint(token) == ()


def test_the_token_of_rfc_8946_is_what_we_write() -> None:
    dest, iat = (PRINTED_DIV,), 1443208345
    before = Claims.message("12155551212", dest, iat, digest_body(BODY).value())
    said = before.diverted(PRINTED_DIV, ("12155551214",))

    token = passport.issue(said, "https://www.example.com/cert.cer", SIGNING_KEY)

    assert token.text.rpartition(".")[0] == PRINTED.rpartition(".")[0]


def test_the_token_of_rfc_8946_does_not_continue_the_one_it_diverts() -> None:
    """One digit too many is another number, in the RFC as well."""
    dest, iat = ("12155551213",), 1443208345
    before = Claims.message("12155551212", dest, iat, digest_body(BODY).value())

    assert diversion.reach(before, [passport.parse(PRINTED)], 4) == {"12155551213"}


# Chains


@pytest.mark.parametrize(
    ("links", "steps", "people"),
    [
        pytest.param([], 4, {BOB}, id="nothing-diverts"),
        pytest.param([Link(BOB, (CAROL,))], 4, {BOB, CAROL}, id="once"),
        pytest.param([Link(BOB, (CAROL,))], 0, {BOB}, id="no-step-allowed"),
        pytest.param(
            [Link(CAROL, (DAVE,)), Link(BOB, (CAROL,))],
            4,
            {BOB, CAROL, DAVE},
            id="twice-and-written-backwards",
        ),
        pytest.param(
            [Link(BOB, (CAROL,)), Link(CAROL, (DAVE,))],
            1,
            {BOB, CAROL},
            id="longer-than-allowed",
        ),
        pytest.param(
            [Link(BOB, (CAROL,)), Link(BOB, (DAVE,))],
            1,
            {BOB, CAROL, DAVE},
            id="two-by-one-person-are-one-step",
        ),
        pytest.param([Link(CAROL, (DAVE,))], 4, {BOB}, id="middle-is-missing"),
        pytest.param([Link(BOB, (CAROL,), EVE)], 4, {BOB}, id="of-another-originator"),
        pytest.param(
            [Link(BOB, (CAROL,)), Link(CAROL, (DAVE,), EVE)],
            4,
            {BOB, CAROL},
            id="originator-changes-on-the-way",
        ),
        pytest.param([Link(ALICE, (CAROL,))], 4, {BOB}, id="by-the-originator"),
        pytest.param([Link(BOB, (BOB,))], 4, {BOB}, id="to-oneself"),
        pytest.param(
            [Link(BOB, (CAROL,)), Link(CAROL, (BOB,))], 9, {BOB, CAROL}, id="a-loop"
        ),
        pytest.param(
            [Link(CAROL, (DAVE,)), Link(DAVE, (CAROL,))],
            9,
            {BOB},
            id="a-loop-that-nothing-leads-to",
        ),
    ],
)
def test_reach_follows_the_claims(
    links: list[Link], steps: int, people: set[str]
) -> None:
    tokens = [link.token() for link in links]

    assert diversion.reach(innermost(), tokens, steps) == people


@pytest.mark.conformance("V-19")
@given(LINKS, st.integers(0, 4))
def test_reach_agrees_with_walking_every_line(links: list[Link], steps: int) -> None:
    tokens = [link.token() for link in links]

    found = diversion.reach(innermost(), tokens, steps)

    assert found == by_walking(BOB, links, steps)


@given(LINKS.flatmap(lambda links: st.tuples(st.just(links), st.permutations(links))))
def test_order_of_the_tokens_means_nothing(orders: tuple[list[Link], ...]) -> None:
    one, other = ([link.token() for link in order] for order in orders)

    assert diversion.reach(innermost(), one, 4) == diversion.reach(
        innermost(), other, 4
    )


@pytest.mark.parametrize(
    ("links", "people"),
    [
        pytest.param([], {BOB}, id="nobody-diverted"),
        pytest.param([Link(BOB, (CAROL,))], {CAROL}, id="one-did"),
        pytest.param([Link(BOB, (CAROL, DAVE))], {CAROL, DAVE}, id="one-did-to-two"),
        pytest.param([Link(BOB, (CAROL,)), Link(CAROL, (BOB,))], set(), id="a-loop"),
    ],
)
def test_last_are_those_who_kept_it(links: list[Link], people: set[str]) -> None:
    tokens = [link.token() for link in links]

    assert diversion.last(innermost(), tokens, 4) == people


@given(LINKS)
def test_last_are_reached_and_divert_nothing(links: list[Link]) -> None:
    tokens = [link.token() for link in links]

    found = diversion.last(innermost(), tokens, 4)

    reached = diversion.reach(innermost(), tokens, 4)
    onward = {
        token.claims.div.value
        for token in tokens
        if token.claims.div and diversion.continues(token.claims, innermost(), reached)
    }
    assert found == reached - onward


def test_a_number_and_a_uri_of_the_same_digits_are_two() -> None:
    """A URI always has a colon, so a chain cannot cross from one to the other."""
    before = innermost(f"sip:{BOB}@x.example")

    assert not diversion.continues(passport.parse(div()).claims, before, before.named)


def test_a_message_token_continues_nothing() -> None:
    claims = passport.parse(forge()).claims

    assert not diversion.continues(claims, innermost(), innermost().named)


def test_limits_of_dest_hold_for_diversions_too() -> None:
    many = [f"131255{n:05d}" for n in range(101)]

    assert passport.parse(div(dest={"tn": many[:100]}))
    assert reason_of(div(dest={"tn": many})) is Reason.MALFORMED


def test_repr_of_a_diversion_shows_no_number() -> None:
    shown = repr(passport.parse(div()))

    assert not any(number in shown for number in (ALICE, BOB, CAROL))
