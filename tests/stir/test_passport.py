import base64
import json
from dataclasses import replace
from time import process_time

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_der_private_key
from hypothesis import given
from hypothesis import strategies as st

from stirmilter.stir import jws, passport, strictjson
from stirmilter.stir.claims import Claims, Identity
from stirmilter.stir.msgi import digest_body
from stirmilter.stir.passport import Limits
from stirmilter.stir.result import Reason, Unverified
from tests.laboratory import ALICE, BOB, BODY, CAROL, X5U
from tests.stir.tokens import (
    ABSENT,
    HEADER,
    IAT,
    KEY,
    MSGI,
    PAYLOAD,
    SIGNING_KEY,
    forge,
    seal,
    twin,
)

NUMBERS = st.text("0123456789#*", min_size=1, max_size=15)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)

# RFC 8946 appendix A prints the key pair; token and body are of our own making.
GOLDEN_KEY = (
    "MHcCAQEEIFKCsFZ4Wsw3ZpBxgc4Z0sOjaXDdMk07Ny1fKg6OntAkoAoGCCqGSM49AwEHoUQDQgAE"
    "mzGM1VsO+3IqbMF54rQMaYKQftO4hUYm9wv5wutLgEd9FsiTy3+4+Wa2O7pffOXPC0QzO+yD8hGE"
    "XGP/2mZo6w=="
)
GOLDEN_BODY = (
    b"--b1\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\nHello\r\n--b1--\r\n"
)
GOLDEN = (
    "eyJhbGciOiJFUzI1NiIsInBwdCI6Im1zZyIsInR5cCI6InBhc3Nwb3J0IiwieDV1IjoiaHR0cHM6Ly93"
    "d3cuZXhhbXBsZS5jb20vY2VydC5jZXIifQ"
    ".eyJkZXN0Ijp7InRuIjpbIjEyMTU1NTUxMjEzIl19LCJpYXQiOjE0NDMyMDgzNDUsIm1zZ2kiOiJzaGE"
    "yNTYtcXM5Q0FXdFE5T21GT25kZm5EYWhBYW10YjQyVzNSNXhzbVV6bXpCekZ5dz0iLCJvcmlnIjp7InR"
    "uIjoiMTIxNTU1NTEyMTIifX0"
    ".GVFkKxP3LgjCnaDiHMviFXbkgKU0YwEBDVACP8y-E09E1cuzlt8jnOnhGLDU74CQ0f6JlUHPgFqmazB"
    "umywTFA"
)


def claims(*dest: str) -> Claims:
    return Claims.message(ALICE, dest or (BOB,), IAT, digest_body(BODY).value())


def reason_of(token: str, limits: Limits | None = None) -> Reason:
    with pytest.raises(Unverified) as caught:
        passport.parse(token, limits or Limits())
    return caught.value.reason


@pytest.mark.conformance("F-01", "F-02", "F-06", "F-09")
def test_golden_token_is_issued_octet_for_octet() -> None:
    key = load_der_private_key(base64.b64decode(GOLDEN_KEY), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    said = Claims.message(
        "12155551212", ("12155551213",), 1443208345, digest_body(GOLDEN_BODY).value()
    )

    token = passport.issue(
        said, "https://www.example.com/cert.cer", jws.SoftwareKey(key)
    )

    signed, _, signature = GOLDEN.rpartition(".")
    assert token.text.rpartition(".")[0] == signed
    assert len(token.text) == len(GOLDEN)
    assert token.text.rpartition(".")[2] != signature, "signatures are randomized"
    golden = passport.parse(GOLDEN)
    assert golden.claims == token.claims
    jws.verify(golden.signing_input, golden.signature, key.public_key())
    jws.verify(token.signing_input, token.signature, key.public_key())


@given(
    NUMBERS,
    st.lists(NUMBERS, min_size=1, max_size=5),
    st.integers(0, 253402300799),
    st.sampled_from(["sha256", "sha384", "sha512"]),
    st.binary(max_size=9),
)
@pytest.mark.conformance("F-02", "F-07", "F-13", "F-15", "F-16", "F-17")
def test_what_is_issued_is_parsed(
    orig: str, dest: list[str], iat: int, algorithm: str, body: bytes
) -> None:
    said = Claims.message(orig, tuple(dest), iat, digest_body(body).value(algorithm))

    token = passport.issue(said, f"{X5U}a.pem", SIGNING_KEY)

    assert passport.parse(token.text) == token
    assert token.claims.dest == tuple(Identity("tn", n) for n in sorted(set(dest)))


@pytest.mark.conformance("F-01", "F-05", "F-06", "F-07", "F-09", "F-17", "M-01")
def test_issued_parts_are_deterministic_json() -> None:
    token = passport.issue(claims(CAROL, BOB, CAROL), f"{X5U}a.pem", SIGNING_KEY)

    header, payload, _ = token.text.split(".")

    assert jws.b64url_decode(header).decode() == (
        '{"alg":"ES256","ppt":"msg","typ":"passport","x5u":"https://certs.example/a.pem"}'
    )
    assert jws.b64url_decode(payload).decode() == (
        '{"dest":{"tn":["13125550100","13125550101"]},"iat":1767355200,'
        f'"msgi":"{MSGI}","orig":{{"tn":"12025550123"}}}}'
    )


@pytest.mark.conformance("F-09")
def test_json_is_sorted_at_every_level_and_not_escaped() -> None:
    part = {"b": {"z": 1, "a": [2, 1]}, "a": "\u00e9", "B": None, "aa": True}

    assert strictjson.serialize(part) == (
        '{"B":null,"a":"\u00e9","aa":true,"b":{"a":[2,1],"z":1}}'.encode()
    )


def test_issuing_twice_gives_two_replay_keys() -> None:
    """Equal messages of one second are two messages."""
    one, other = (
        passport.issue(claims(), X5U, SIGNING_KEY),
        passport.issue(claims(), X5U, SIGNING_KEY),
    )

    assert one.signing_input == other.signing_input
    assert one.fingerprint != other.fingerprint


@pytest.mark.conformance("F-10")
def test_signed_octets_are_those_received() -> None:
    """RFC 7515 §5.2: never those of a JSON text that we wrote again."""
    header = b' {"x5u":"https://a.example/","typ":"passport","ppt":"msg","alg":"ES256"}'
    payload = json.dumps(PAYLOAD, indent=1).encode()
    text = seal(header, payload)

    token = passport.parse(text)

    assert token.signing_input.decode() == text.rpartition(".")[0]
    jws.verify(token.signing_input, token.signature, KEY.public_key())


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        pytest.param({"ppt": "shaken"}, Reason.UNSUPPORTED_PPT, id="call"),
        pytest.param({"ppt": "div"}, Reason.MALFORMED, id="diversion-from-nobody"),
        pytest.param({"ppt": "div-o"}, Reason.UNSUPPORTED_PPT, id="diversion-by-oob"),
        pytest.param({"ppt": ABSENT}, Reason.UNSUPPORTED_PPT, id="no-ppt"),
        pytest.param({"ppt": "MSG"}, Reason.UNSUPPORTED_PPT, id="ppt-upper-case"),
        pytest.param({"ppt": ["msg"]}, Reason.UNSUPPORTED_PPT, id="ppt-array"),
        pytest.param({"ppt": None}, Reason.UNSUPPORTED_PPT, id="ppt-null"),
        pytest.param({"alg": "none"}, Reason.UNSUPPORTED_ALGORITHM, id="alg-none"),
        pytest.param({"alg": "HS256"}, Reason.UNSUPPORTED_ALGORITHM, id="alg-hmac"),
        pytest.param({"alg": "RS256"}, Reason.UNSUPPORTED_ALGORITHM, id="alg-rsa"),
        pytest.param({"alg": "ES384"}, Reason.UNSUPPORTED_ALGORITHM, id="alg-es384"),
        pytest.param({"alg": "es256"}, Reason.UNSUPPORTED_ALGORITHM, id="alg-lower"),
        pytest.param({"alg": ["ES256"]}, Reason.UNSUPPORTED_ALGORITHM, id="alg-array"),
        pytest.param({"alg": ABSENT}, Reason.UNSUPPORTED_ALGORITHM, id="no-alg"),
        pytest.param({"typ": "JWT"}, Reason.MALFORMED, id="typ-jwt"),
        pytest.param({"typ": ABSENT}, Reason.MALFORMED, id="no-typ"),
        pytest.param({"crit": ["b64"]}, Reason.MALFORMED, id="crit"),
        pytest.param({"crit": []}, Reason.MALFORMED, id="crit-empty"),
        pytest.param({"crit": None}, Reason.MALFORMED, id="crit-null"),
        pytest.param({"x5u": ABSENT}, Reason.MALFORMED, id="no-x5u"),
        pytest.param({"x5u": ["a"]}, Reason.MALFORMED, id="x5u-array"),
        pytest.param({"x5u": "https://a\r\nb"}, Reason.MALFORMED, id="x5u-crlf"),
        pytest.param({"x5u": "https://\u00e9"}, Reason.MALFORMED, id="x5u-not-ascii"),
        pytest.param({"x5u": "https://a/>;x=<"}, Reason.MALFORMED, id="x5u-brackets"),
        pytest.param({"x5u": 'https://a/"'}, Reason.MALFORMED, id="x5u-quote"),
        pytest.param({"x5u": "https://a/\\"}, Reason.MALFORMED, id="x5u-backslash"),
        pytest.param({"x5u": "\x00"}, Reason.MALFORMED, id="x5u-control-character"),
    ],
)
@pytest.mark.conformance("F-03", "F-12", "V-01", "V-02")
def test_headers_are_refused(header: dict[str, object], reason: Reason) -> None:
    assert reason_of(forge(header)) is reason


@pytest.mark.parametrize(
    "rest",
    [
        pytest.param({"alg": "none"}, id="algorithm"),
        pytest.param({"typ": "JWT", "crit": [1], "x5u": ABSENT}, id="everything"),
    ],
)
@pytest.mark.conformance("V-01")
def test_a_token_of_another_type_is_ignored_whatever_else_it_holds(
    rest: dict[str, object],
) -> None:
    header = json.dumps(
        {k: v for k, v in {**HEADER, "ppt": "rcd", **rest}.items() if v is not ABSENT}
    )

    assert reason_of(seal(header.encode(), b"no JSON")) is Reason.UNSUPPORTED_PPT


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"[]", id="array"),
        pytest.param(b'"msg"', id="string"),
        pytest.param(b"null", id="null"),
        pytest.param(b'{"ppt":"msg"', id="cut-off"),
        pytest.param(b'{"ppt":"msg"} {}', id="two-objects"),
        pytest.param(b'{"ppt":msg}', id="unquoted"),
        pytest.param(b"{'ppt':'msg'}", id="single-quotes"),
        pytest.param(b'{"ppt":"msg",}', id="trailing-comma"),
        pytest.param(b'{"ppt":"msg","ppt":"msg"}', id="member-twice"),
        pytest.param(b'{"ppt":"msg","a":{"b":1,"b":1}}', id="inner-member-twice"),
        pytest.param(b'{"ppt":"msg","\\u0070pt":"x"}', id="member-twice-by-escape"),
        pytest.param(b'{"ppt":"msg","a":NaN}', id="nan"),
        pytest.param(b'{"ppt":"msg","a":"\\ud800"}', id="half-a-surrogate-pair"),
        pytest.param(b'{"ppt":"msg","\\udfff":1}', id="half-a-pair-in-a-name"),
        pytest.param(b'{"ppt":"msg","a":-Infinity}', id="infinity"),
        pytest.param(b'{"ppt":"msg","a":"\n"}', id="raw-line-end-in-a-string"),
        pytest.param(b'{"ppt":"m\xffsg"}', id="not-utf-8"),
        pytest.param(b'{"ppt":"m\xed\xa0\x80sg"}', id="surrogate-in-utf-8"),
        pytest.param(b'\xef\xbb\xbf{"ppt":"msg"}', id="byte-order-mark"),
        pytest.param('{"ppt":"msg"}'.encode("utf-16"), id="utf-16"),
        pytest.param(b'{"ppt":"msg","a":' + b"1" * 5000 + b"}", id="huge-integer"),
        pytest.param(b"[" * 9000, id="nine-thousand-brackets"),
        pytest.param(b'{"a":' * 3000, id="three-thousand-objects"),
    ],
)
@pytest.mark.parametrize("place", ["header", "payload"])
@pytest.mark.conformance("F-11")
def test_only_strict_json_objects_are_read(text: bytes, place: str) -> None:
    good = json.dumps(HEADER).encode()
    token = seal(text, b"{}") if place == "header" else seal(good, text)

    assert reason_of(token) is Reason.MALFORMED


def test_a_string_that_never_ends_is_refused_at_once() -> None:
    token = seal(b'{"ppt":"' + b'\\"' * 5900, b"{}")

    begun = process_time()
    assert reason_of(token) is Reason.MALFORMED
    assert process_time() - begun < 0.1


@pytest.mark.parametrize(
    "form",
    [
        pytest.param("{header}.{payload}", id="two-parts"),
        pytest.param("{header}.{payload}.{signature}.{signature}", id="four-parts"),
        pytest.param("..{signature}", id="compact-form"),
        pytest.param("{header}.{payload}.", id="no-signature"),
        pytest.param("{header}..{signature}", id="no-payload"),
        pytest.param(".{payload}.{signature}", id="no-header"),
        pytest.param("", id="nothing"),
        pytest.param("{header}=.{payload}.{signature}", id="header-padded"),
        pytest.param("{header}.{payload}.{signature}==", id="signature-padded"),
        pytest.param("{header}.{payload}.{signature} ", id="blank-at-the-end"),
        pytest.param("{header}.{payload}.{cut}B", id="stray-bits"),
        pytest.param("{header}.{payload}.{short}", id="signature-of-63-octets"),
        pytest.param("{header}.{payload}.{signature}AAA", id="signature-of-66-octets"),
        pytest.param("{header}.{payload}\u00e9.{signature}", id="beyond-ascii"),
    ],
)
@pytest.mark.conformance("F-02", "F-08", "F-19")
def test_only_the_full_form_is_read(form: str) -> None:
    header, payload, signature = forge().split(".")
    token = form.format(
        header=header,
        payload=payload,
        signature=signature,
        cut=signature[:-1],
        short=signature[:-2],
    )

    assert reason_of(token) is Reason.MALFORMED


def nested(depth: int) -> dict[str, object]:
    value: object = "deep"
    for _ in range(depth - 1):  # the payload itself is the first level
        value = [value]
    return {"x": value}


@pytest.mark.parametrize(
    ("limits", "most", "more"),
    [
        pytest.param(
            Limits(dest=2),
            {"dest": {"tn": [BOB], "uri": ["sip:b@x"]}},
            {"dest": {"tn": [BOB, CAROL], "uri": ["sip:b@x"]}},
            id="entries-of-dest",
        ),
        pytest.param(Limits(depth=4), nested(4), nested(5), id="depth"),
        pytest.param(Limits(), nested(8), nested(9), id="default-depth"),
        pytest.param(
            Limits(),
            {"dest": {"tn": [BOB] * 100}},
            {"dest": {"tn": [BOB] * 101}},
            id="default-entries-of-dest",
        ),
    ],
)
@pytest.mark.conformance("F-20")
def test_limits_hold(
    limits: Limits, most: dict[str, object], more: dict[str, object]
) -> None:
    assert passport.parse(forge(payload=most), limits)
    assert reason_of(forge(payload=more), limits) is Reason.MALFORMED


def test_brackets_inside_strings_are_not_depth() -> None:
    assert passport.parse(forge(payload={"x": '[[[[[[[[[[{{{{"\\'}))


@pytest.mark.conformance("F-20")
def test_token_length_is_limited() -> None:
    token = forge()

    assert passport.parse(token, Limits(token=len(token)))
    assert reason_of(token, Limits(token=len(token) - 1)) is Reason.MALFORMED
    assert reason_of("x" * 16_385) is Reason.MALFORMED


@given(st.text(max_size=60) | st.text("ey.J\n=A", max_size=20))
def test_parse_refuses_text_in_one_way(text: str) -> None:
    with pytest.raises(Unverified):
        passport.parse(text)


@given(st.sampled_from([*HEADER, *PAYLOAD, "crit", "x"]), JSON, st.booleans())
def test_parse_refuses_values_in_one_way(name: str, value: object, nest: bool) -> None:
    change = {name: {"tn": value} if nest else value}
    try:
        passport.parse(forge(change, change))
    except Unverified as error:
        assert error.detail.isprintable()  # noqa: PT017 - the other way is none


@given(st.binary(max_size=40), st.binary(max_size=40))
def test_parse_refuses_octets_in_one_way(header: bytes, payload: bytes) -> None:
    with pytest.raises(Unverified):
        passport.parse(seal(header, payload))
    with pytest.raises(Unverified):
        passport.parse(seal(json.dumps(HEADER).encode(), payload))


@pytest.mark.conformance("V-09")
def test_twin_signature_has_the_same_fingerprint() -> None:
    """(R, n - S) verifies too, and anybody can compute it."""
    text = forge()
    token, other = passport.parse(text), passport.parse(twin(text))

    jws.verify(other.signing_input, other.signature, KEY.public_key())
    assert other.signature != token.signature
    assert other.fingerprint == token.fingerprint


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param({"iat": IAT + 1}, id="another-second"),
        pytest.param({"dest": {"tn": [CAROL]}}, id="another-recipient"),
    ],
)
def test_other_tokens_have_other_fingerprints(payload: dict[str, object]) -> None:
    fingerprint = passport.parse(forge()).fingerprint

    assert passport.parse(forge(payload=payload)).fingerprint != fingerprint


def test_another_signing_of_the_same_claims_has_another_fingerprint() -> None:
    token = passport.parse(forge())
    again = replace(token, signature=bytes(32) + token.signature[32:])

    assert again.fingerprint != token.fingerprint


def test_repr_shows_no_number_and_no_signature() -> None:
    token = passport.parse(forge())

    shown = repr(token) + str(token)

    assert ALICE not in shown
    assert BOB not in shown
    assert token.text.rpartition(".")[2] not in shown
