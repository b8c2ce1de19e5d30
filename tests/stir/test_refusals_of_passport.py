"""What is said of a token that is refused before its claims are looked at."""

import json
from dataclasses import FrozenInstanceError, replace
from string import ascii_letters, digits
from typing import Final

import pytest

from stirmilter.stir import jws, passport
from stirmilter.stir.passport import Limits
from stirmilter.stir.result import Reason
from tests.stir.refusals import Said, said
from tests.stir.tokens import ABSENT, HEADER, forge

IGNORED: Final = "RFC 8224 §6.2 step 1"
MOST: Final = 16_384
"""Characters of the longest token, unless set otherwise."""

MARKS: Final = "._~:/?#[]@!$&'()*+,;=%-"
URL: Final = frozenset(ascii_letters + digits + MARKS)
"""What RFC 3986 §2 lets a URL hold."""


def refusal(token: str, limits: Limits | None = None) -> Said:
    return said(lambda: passport.parse(token, limits or Limits()))


def of_length(length: int) -> str:
    """Make a good token of so many characters."""
    guess = (length - len(forge())) * 3 // 4
    tokens = (forge(payload={"x": "a" * n}) for n in range(guess - 20, guess + 20))
    return next(token for token in tokens if len(token) == length)


def header_of(length: int) -> str:
    """Make a good token, the header of which has so many characters."""
    plain = len(json.dumps({**HEADER, "x": ""}))
    token = forge({"x": "a" * (length * 3 // 4 - plain)})
    assert len(token.partition(".")[0]) == length
    return token


@pytest.mark.parametrize(
    ("ppt", "what"),
    [
        pytest.param("shaken", "RFC 8588", id="of-a-call"),
        pytest.param("rcd", "RFC 9795", id="of-a-name-to-show"),
        pytest.param("rph", "RFC 8443", id="of-a-priority"),
        pytest.param("rsp", "connected identity", id="of-an-answer"),
        pytest.param("msec", "RFC 8862", id="of-media-keys"),
        pytest.param("div-o", "RFC 8946, out of band", id="of-a-call-diverted"),
    ],
)
def test_a_token_of_a_call_is_recognized(ppt: str, what: str) -> None:
    assert refusal(forge({"ppt": ppt})) == (
        Reason.UNSUPPORTED_PPT,
        f"ppt {ppt}: {what}, which vouches for no message",
        IGNORED,
    )


@pytest.mark.parametrize("ppt", [ABSENT, None], ids=["absent", "null"])
def test_a_token_without_a_type_is_of_a_call_too(ppt: object) -> None:
    assert refusal(forge({"ppt": ppt})) == (
        Reason.UNSUPPORTED_PPT,
        "no ppt: a baseline token, which vouches for no message",
        IGNORED,
    )


@pytest.mark.parametrize(
    ("ppt", "detail"),
    [
        pytest.param("MSG", "ppt MSG", id="text"),
        pytest.param("", "ppt ", id="empty"),
        pytest.param(["msg"], "ppt ['msg']", id="array"),
        pytest.param({"msg": 1}, "ppt {'msg': 1}", id="object"),
        pytest.param(1, "ppt 1", id="number"),
        pytest.param(False, "ppt False", id="false"),
    ],
)
def test_a_token_of_an_unknown_type_is_quoted(ppt: object, detail: str) -> None:
    assert refusal(forge({"ppt": ppt})) == (Reason.UNSUPPORTED_PPT, detail, IGNORED)


@pytest.mark.parametrize(
    ("header", "reason", "detail", "rule"),
    [
        pytest.param(
            {"alg": "ES384"},
            Reason.UNSUPPORTED_ALGORITHM,
            "alg ES384",
            "RFC 8225 §4.2",
            id="another-algorithm",
        ),
        pytest.param(
            {"alg": ABSENT},
            Reason.UNSUPPORTED_ALGORITHM,
            "alg None",
            "RFC 8225 §4.2",
            id="no-algorithm",
        ),
        pytest.param(
            {"typ": "JWT"},
            Reason.MALFORMED,
            "typ JWT",
            "RFC 8225 §4.1",
            id="another-typ",
        ),
        pytest.param(
            {"typ": ABSENT}, Reason.MALFORMED, "typ None", "RFC 8225 §4.1", id="no-typ"
        ),
        pytest.param(
            {"crit": ["b64"]}, Reason.MALFORMED, "crit", "RFC 7515 §4.1.11", id="crit"
        ),
        pytest.param(
            {"x5u": ABSENT},
            Reason.MALFORMED,
            "x5u: expected a URL",
            "RFC 8225 §4.3",
            id="no-x5u",
        ),
        pytest.param(
            {"x5u": ""},
            Reason.MALFORMED,
            "x5u: expected a URL",
            "RFC 8225 §4.3",
            id="empty-x5u",
        ),
    ],
)
def test_refusals_of_a_header(
    header: dict[str, object], reason: Reason, detail: str, rule: str
) -> None:
    assert refusal(forge(header)) == (reason, detail, rule)


@pytest.mark.parametrize(
    ("form", "detail", "rule"),
    [
        pytest.param(
            "{header}.{payload}",
            "not a token in full form",
            "RFC 8225 §7",
            id="two-parts",
        ),
        pytest.param(
            "..{signature}",
            "not a token in full form",
            "RFC 8225 §7",
            id="compact-form",
        ),
        pytest.param(
            "{header}.{payload}.{signature}.",
            "not a token in full form",
            "RFC 8225 §7",
            id="four-parts",
        ),
        pytest.param(
            "{header}.{payload}.{signature}A",
            "signature of 65 octets",
            "RFC 7518 §3.4",
            id="long-signature",
        ),
        pytest.param(
            "{header}.{payload}.AA",
            "signature of 1 octets",
            "RFC 7518 §3.4",
            id="short-signature",
        ),
        pytest.param(
            "W10.{payload}.{signature}",
            "header: expected an object",
            "RFC 7519 §7.2",
            id="header-an-array",
        ),
        pytest.param(
            "{header}.W10.{signature}",
            "payload: expected an object",
            "RFC 7519 §7.2",
            id="payload-an-array",
        ),
    ],
)
def test_refusals_of_a_form(form: str, detail: str, rule: str) -> None:
    header, payload, signature = forge().split(".")
    token = form.format(header=header, payload=payload, signature=signature)

    assert refusal(token) == (Reason.MALFORMED, detail, rule)


@pytest.mark.parametrize(
    ("header", "detail"),
    [
        pytest.param({}, "ppt 1", id="ppt-first"),
        pytest.param({"ppt": "msg"}, "alg 1", id="then-alg"),
        pytest.param({"ppt": "msg", "alg": "ES256"}, "typ 1", id="then-typ"),
        pytest.param(
            {"ppt": "msg", "alg": "ES256", "typ": "passport"}, "crit", id="then-crit"
        ),
    ],
)
def test_of_several_faults_in_a_header_the_first_is_told(
    header: dict[str, object], detail: str
) -> None:
    faults = {"ppt": 1, "alg": 1, "typ": 1, "crit": 1, "x5u": 1}

    assert refusal(forge({**faults, **header}))[1] == detail


@pytest.mark.parametrize(
    ("header", "payload", "signature", "detail"),
    [
        pytest.param(b"[]", b"[]", b"", "header: expected an object", id="header"),
        pytest.param(None, b"[]", b"", "payload: expected an object", id="payload"),
        pytest.param(None, b"{}", b"\x00", "signature of 1 octets", id="signature"),
        pytest.param(
            None,
            b"{}",
            bytes(64),
            "orig: expected exactly one identity, tn or uri",
            id="claims-last",
        ),
    ],
)
def test_of_several_faulty_parts_the_first_is_told(
    header: bytes | None, payload: bytes, signature: bytes, detail: str
) -> None:
    good = json.dumps(HEADER).encode()
    parts = (header or good, payload, signature or b"\x00")

    token = ".".join(map(jws.b64url_encode, parts))

    assert refusal(token)[1] == detail


def test_the_longest_token_has_so_many_characters() -> None:
    long = of_length(MOST + 2)

    assert passport.parse(of_length(MOST))
    assert refusal(long) == (
        Reason.MALFORMED,
        "token longer than 16384 octets",
        "RFC 8725 §3",
    )


def test_length_is_looked_at_before_anything_else() -> None:
    assert refusal("." * 9, Limits(token=8))[1] == "token longer than 8 octets"


@pytest.mark.parametrize("place", ["header", "payload"])
def test_depth_is_limited_in_both_parts(place: str) -> None:
    deep = {"x": [["deep"]]}
    token = forge(deep) if place == "header" else forge(payload=deep)

    assert passport.parse(token, Limits(depth=3))
    assert refusal(token, Limits(depth=2)) == (
        Reason.MALFORMED,
        f"{place}: nested deeper than 2",
        "RFC 8225 §9",
    )


def test_a_header_that_is_remembered_is_held_to_the_limits_of_today() -> None:
    token = forge({"x": [["deep"]]})
    assert passport.parse(token, Limits(depth=9))

    assert refusal(token, Limits(depth=2))[1] == "header: nested deeper than 2"


@pytest.mark.parametrize(
    ("length", "hits"),
    [
        pytest.param(1024, 1, id="of-usual-length"),
        pytest.param(1028, 0, id="too-long-to-be-worth-it"),
    ],
)
def test_short_headers_are_remembered(length: int, hits: int) -> None:
    token = header_of(length)
    passport.parse(token)
    before = passport._header.cache_info()

    read = passport.parse(token)

    after = passport._header.cache_info()
    assert after.hits - before.hits == hits
    assert after.misses == before.misses
    assert read.x5u == HEADER["x5u"]


def test_a_stranger_fills_no_memory_with_headers() -> None:
    assert passport._header.cache_info().maxsize == 256


def test_a_long_header_is_refused_like_a_short_one() -> None:
    token = forge({"x": "a" * 2000, "alg": "none"})

    assert refusal(token)[0] is Reason.UNSUPPORTED_ALGORITHM


@pytest.mark.parametrize("place", [0, 31], ids=["first-octet", "last-octet"])
def test_every_octet_of_the_first_half_makes_another_fingerprint(place: int) -> None:
    token = passport.parse(forge())
    signature = bytearray(token.signature)
    signature[place] ^= 1

    other = replace(token, signature=bytes(signature))

    assert other.fingerprint != token.fingerprint


def test_an_x5u_may_hold_every_character_of_a_url() -> None:
    url = f"https://a.example/{ascii_letters}{digits}{MARKS}"

    assert passport.parse(forge({"x5u": url})).x5u == url


@pytest.mark.parametrize("character", sorted({*map(chr, range(128))} - URL))
def test_an_x5u_may_hold_no_other(character: str) -> None:
    """An angle bracket would end the info parameter, which repeats it."""
    url = f"https://a.example/{character}"

    assert refusal(forge({"x5u": url}))[1] == "x5u: expected a URL"


def test_repr_shows_where_the_chain_is_and_nothing_else() -> None:
    assert repr(passport.parse(forge())) == f"Passport(x5u='{HEADER['x5u']}')"


def test_a_token_stays_as_it_was_read() -> None:
    token = passport.parse(forge())

    with pytest.raises(FrozenInstanceError):
        token.x5u = "https://b.example/"  # type: ignore[misc]


def test_limits_that_all_share_stay_as_they_are() -> None:
    with pytest.raises(FrozenInstanceError):
        Limits().token = 0  # type: ignore[misc]
