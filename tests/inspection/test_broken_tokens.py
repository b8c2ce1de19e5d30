"""Tokens of messages that are wrong: what is shown of them, and by which rule."""

import base64

import pytest

from tests.inspection.reports import explain, facts, message_token, problems
from tests.laboratory import X5U
from tests.stir.tokens import ABSENT, IAT, forge, seal

SHORT = "sha256-" + base64.b64encode(bytes(31)).decode()
RFC_9475 = "sha256-H8BRh8j48O9oYatfu5AZzq6A9R6dQZngK7T62em8MUt1FLm52t+eX6xO"
PARAMETERS = f";info=<{X5U}leaf.pem>;alg=ES256;ppt=msg"


@pytest.mark.parametrize(
    ("payload", "name", "value", "problem", "rule"),
    [
        pytest.param(
            {"iat": str(IAT)},
            "iat",
            f'"{IAT}", which would be 2026-01-02 12:00:00Z, 0 s ago',
            "malformed: iat: expected whole seconds since 1970",
            "RFC 8225 §5.1.1",
            id="iat as a string, as RFC 8225 prints it",
        ),
        pytest.param(
            {"iat": ABSENT},
            "iat",
            "none",
            "malformed: iat: expected whole seconds since 1970",
            "RFC 8225 §5.1.1",
            id="no iat",
        ),
        pytest.param(
            {"iat": 10**30},
            "iat",
            f"{10**30}",
            "malformed: iat: expected whole seconds since 1970",
            "RFC 8225 §5.1.1",
            id="iat beyond all time",
        ),
        pytest.param(
            {"msgi": SHORT},
            "msgi",
            SHORT,
            "malformed: msgi: not a sha256 digest",
            "RFC 9475 §3.2",
            id="digest an octet short",
        ),
        pytest.param(
            {"msgi": RFC_9475},
            "msgi",
            RFC_9475,
            "malformed: msgi: not a sha256 digest",
            "RFC 9475 §3.2",
            id="digest as RFC 9475 prints it",
        ),
        pytest.param(
            {"orig": '{"tn":"12025550123"}'},
            "orig",
            '{"tn":"12025550123"}',
            "malformed: orig: expected exactly one identity, tn or uri",
            "RFC 8225 §5.2.1",
            id="orig as a string of JSON",
        ),
        pytest.param(
            {"dest": {"tn": []}},
            "dest",
            '{"tn": []}',
            "malformed: dest: 0 entries, expected 1 to 100",
            "RFC 8225 §5.2.1",
            id="nobody in dest",
        ),
        pytest.param(
            {"dest": {"tn": ["+1 312"]}},
            "dest",
            "tn +1 312",
            "malformed: dest.tn: not canonical",
            "RFC 8225 §5.2.1",
            id="number with a plus",
        ),
    ],
)
def test_an_odd_claim_is_shown_and_named_with_its_rule(
    payload: dict[str, object], name: str, value: str, problem: str, rule: str
) -> None:
    report = explain(message_token(**payload))

    assert facts(report, name) == [value]
    assert problems(report) == [(problem, rule)]


def test_a_token_without_a_digest_is_never_a_pass() -> None:
    report = explain(message_token(msgi=ABSENT))

    assert problems(report) == [
        (
            "no-msgi: nothing binds the body; good STIR, but never a pass here",
            "profile §3",
        )
    ]


def test_a_part_that_is_no_text_is_shown_all_the_same() -> None:
    report = explain(seal(b"\xff{}", b"{}"))

    assert facts(report, "header") == ["\\xff{}"]


def test_a_token_cut_off_within_its_payload_shows_what_is_left() -> None:
    report = explain(message_token().partition(".")[0] + ".eyJpYXQiOjF9")

    assert facts(report, "payload") == ['{"iat":1}']
    assert facts(report, "iat")[0].startswith("1970-01-01 00:00:01Z")


@pytest.mark.parametrize(
    ("token", "problem", "rule"),
    [
        pytest.param(
            "..c2lnbmF0dXJl",
            "malformed: the compact form: ",
            "RFC 8225 §7",
            id="compact form",
        ),
        pytest.param(
            "..c2lnbmF0dXJl;info=<https://x.example>;alg=ES256;ppt=shaken",
            "malformed: the compact form: ",
            "RFC 8225 §7",
            id="compact form in a header value",
        ),
        pytest.param(
            message_token().rpartition(".")[0],
            "malformed: 2 of 3 parts: is the token cut off?",
            "RFC 7515 §7.1",
            id="without its signature",
        ),
        pytest.param(
            message_token().partition(".")[0],
            "malformed: 1 of 3 parts: is the token cut off?",
            "RFC 7515 §7.1",
            id="its header alone",
        ),
        pytest.param(
            message_token() + "\n" + message_token(),
            "malformed: 5 parts instead of 3: inspect one token at a time",
            "RFC 7515 §7.1",
            id="two tokens",
        ),
        pytest.param(
            forge({"alg": "none"}).rpartition(".")[0] + ".",
            "malformed: header, payload or signature is empty",
            "RFC 7515 §7.1",
            id="alg none and no signature",
        ),
        pytest.param(
            forge({"alg": "HS256"}),
            "unsupported-algorithm: alg HS256",
            "RFC 8225 §4.2",
            id="HS256",
        ),
        pytest.param(
            message_token()[:-2],
            "malformed: signature of 63 octets",
            "RFC 7518 §3.4",
            id="signature cut short",
        ),
        pytest.param(
            forge({"x5u": 1}),
            "malformed: x5u: expected a URL",
            "RFC 8225 §4.3",
            id="x5u that is a number",
        ),
        pytest.param(
            seal(b"[1]", b"{}"),
            "malformed: header: expected an object",
            "RFC 7519 §7.2",
            id="header that is an array",
        ),
        pytest.param(
            seal(b"{}", b'{"iat":1,"iat":2}'),
            "malformed: payload: a member name occurs twice",
            "RFC 8225 §9",
            id="claim twice",
        ),
        pytest.param(
            seal(b"{}", b"[" * 9 + b"]" * 9),
            "malformed: payload: nested deeper than 8",
            "RFC 8225 §9",
            id="JSON too deep",
        ),
        pytest.param(
            "eyJ" + "A" * 40_000,
            "malformed: field longer than 32768 octets",
            "RFC 8725 §3",
            id="longer than any",
        ),
        pytest.param(
            message_token() + PARAMETERS.replace("leaf", "other"),
            f"malformed: info={X5U}other.pem is not the token's x5u",
            "RFC 8224 §4.1",
            id="info that is not x5u",
        ),
        pytest.param(
            message_token() + PARAMETERS.replace("ES256", "ES384"),
            "malformed: alg=ES384 is not the token's alg",
            "RFC 8224 §4.1",
            id="alg of another key",
        ),
        pytest.param(
            message_token() + PARAMETERS.replace("msg", "shaken"),
            "malformed: ppt=shaken is not the token's ppt",
            "RFC 8224 §4.1",
            id="ppt of another type",
        ),
        pytest.param(
            message_token() + PARAMETERS + ";alg=ES256",
            "malformed: parameter alg occurs twice",
            "RFC 8224 §4",
            id="parameter twice",
        ),
    ],
)
def test_what_is_wrong_is_told_once_with_its_rule(
    token: str, problem: str, rule: str
) -> None:
    [(text, found)] = problems(explain(token))

    assert text.startswith(problem)
    assert found == rule
