"""Tokens of calls: explained, and set aside in a message."""

import pytest

from tests.inspection.reports import CALL, ORIGID, explain, facts, problems, shaken
from tests.laboratory import ALICE, BOB
from tests.stir.tokens import ABSENT, forge, seal

ASIDE = "RFC 8224 §6.2 step 1"


def call(ppt: object, **payload: object) -> str:
    return forge({"ppt": ppt}, {"msgi": ABSENT, **payload})


@pytest.mark.parametrize(
    ("attest", "meaning"),
    [
        pytest.param("A", "A: full: the provider knows the caller, and", id="full"),
        pytest.param("B", "B: partial: the provider knows the caller, not", id="part"),
        pytest.param("C", "C: gateway: the provider knows neither", id="gateway"),
    ],
)
def test_an_attestation_is_told_in_words(attest: str, meaning: str) -> None:
    report = explain(shaken(attest=attest))

    [found] = facts(report, "attest")
    assert found.startswith(meaning)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        pytest.param("ppt", "shaken: vouches for a call (RFC 8588)", id="type"),
        pytest.param("orig", f"tn {ALICE}", id="caller"),
        pytest.param("dest", f"tn {BOB}", id="called"),
        pytest.param("iat", "2026-01-02 12:00:00Z, 0 s ago", id="time"),
        pytest.param("origid", ORIGID, id="origin"),
        pytest.param("x5u", CALL, id="certificate"),
    ],
)
def test_a_shaken_token_is_explained_and_set_aside(name: str, expected: str) -> None:
    report = explain(shaken())

    assert facts(report, name) == [expected]
    assert problems(report) == [
        ("unsupported-ppt: ppt shaken: set aside in a message", ASIDE)
    ]


@pytest.mark.parametrize(
    ("ppt", "claims", "words", "name", "value"),
    [
        pytest.param(
            ABSENT,
            {},
            "none: a baseline token, for a call (RFC 8225)",
            "orig",
            f"tn {ALICE}",
            id="baseline",
        ),
        pytest.param(
            "rcd",
            {"rcd": {"nam": "Q"}},
            "rcd: tells about the caller (RFC 9795)",
            "claim rcd",
            '{"nam": "Q"}',
            id="rich call data",
        ),
        pytest.param(
            "rph",
            {"rph": {"auth": ["ets.0"]}},
            "rph: lets a call have priority (RFC 8443)",
            "claim rph",
            '{"auth": ["ets.0"]}',
            id="priority",
        ),
        pytest.param(
            "div-o",
            {"div": {"tn": BOB}, "opt": "e.y.J"},
            "div-o: tells that a call was forwarded, out of band (RFC 8946 section 5)",
            "diverted from",
            f"tn {BOB}",
            id="diversion out of band",
        ),
        pytest.param(
            "msec",
            {"mky": [{"alg": "sha-256"}]},
            "msec: binds the media keys of a call (RFC 8862)",
            "claim mky",
            '[{"alg": "sha-256"}]',
            id="media keys",
        ),
        pytest.param(
            "rsp",
            {},
            "rsp: tells who answered a call (connected identity)",
            "orig",
            f"tn {ALICE}",
            id="connected identity",
        ),
    ],
)
def test_each_type_of_a_call_says_what_it_is_for(
    ppt: object, claims: dict[str, object], words: str, name: str, value: str
) -> None:
    report = explain(call(ppt, **claims))

    assert facts(report, "ppt") == [words]
    assert facts(report, name) == [value]
    [(_, rule)] = problems(report)
    assert rule == ASIDE


@pytest.mark.parametrize(
    ("token", "problem", "rule"),
    [
        pytest.param(
            shaken(attest="D"),
            "malformed: attest: expected A, B or C",
            "RFC 8588 §4",
            id="attestation that does not exist",
        ),
        pytest.param(
            shaken(attest=["A"]),
            "malformed: attest: expected A, B or C",
            "RFC 8588 §4",
            id="attestation in an array",
        ),
        pytest.param(
            shaken(origid="ref"),
            "malformed: origid: expected a UUID",
            "RFC 8588 §5",
            id="origid that is no UUID",
        ),
        pytest.param(
            shaken(iat="1443208345"),
            "malformed: iat: expected whole seconds since 1970",
            "RFC 8225 §5.1.1",
            id="iat as a string",
        ),
        pytest.param(
            call("rcd", rcd={"jcl": "https://x.example"}),
            "malformed: rcd: expected an object with nam",
            "RFC 9795 §5",
            id="rich call data without a name",
        ),
        pytest.param(
            call("rph"),
            "malformed: rph: expected an object with auth",
            "RFC 8443 §3",
            id="priority without an authority",
        ),
        pytest.param(
            call("div-o", div={"tn": BOB}),
            "malformed: opt: expected the token that was there before",
            "RFC 8946 §6",
            id="diversion without the token before it",
        ),
        pytest.param(
            call("div-o", opt="e.y.J"),
            "malformed: div: expected exactly one identity, tn or uri",
            "RFC 8946 §3",
            id="diversion from nobody",
        ),
        pytest.param(
            forge({"ppt": "shaken", "alg": "RS256"}, {"attest": "A", "origid": ORIGID}),
            "unsupported-algorithm: alg RS256, expected ES256",
            "RFC 8225 §4.2",
            id="RS256",
        ),
        pytest.param(
            forge({"ppt": ABSENT, "x5u": ABSENT}),
            "malformed: x5u: expected a URL",
            "RFC 8225 §4.3",
            id="no certificate",
        ),
        pytest.param(
            shaken() + ";info=<https://other.example>",
            "malformed: info=https://other.example is not the token's x5u",
            "RFC 8224 §4.1",
            id="info that is not x5u",
        ),
        pytest.param(
            shaken()[:-2],
            "malformed: signature of 63 octets",
            "RFC 7518 §3.4",
            id="signature cut short",
        ),
    ],
)
def test_a_call_is_held_to_the_rules_of_its_type(
    token: str, problem: str, rule: str
) -> None:
    assert (problem, rule) in problems(explain(token))


def test_a_digest_means_nothing_in_a_call() -> None:
    report = explain(shaken(msgi="x"))

    assert facts(report, "msgi") == ["x"]
    assert len(report.problems) == 1


@pytest.mark.parametrize(
    ("ppt", "words", "problem"),
    [
        pytest.param(
            "xyz",
            "xyz: unknown",
            "unsupported-ppt: ppt xyz: set aside in a message;"
            " nobody has registered it",
            id="unregistered",
        ),
        pytest.param(
            ["msg"],
            "['msg']: unknown",
            "unsupported-ppt: ppt ['msg']: set aside in a message;"
            " nobody has registered it",
            id="no string",
        ),
    ],
)
def test_a_type_that_nobody_knows_is_set_aside(
    ppt: object, words: str, problem: str
) -> None:
    report = explain(call(ppt))

    assert facts(report, "ppt") == [words]
    assert problems(report) == [(problem, ASIDE)]


def test_a_token_of_something_else_is_no_passport() -> None:
    report = explain(seal(b'{"alg":"ES256","typ":"JWT"}', b'{"sub":"x"}'))

    assert facts(report, "claim sub") == ["x"]
    assert [facts(report, name) for name in ("ppt", "orig", "x5u")] == [["none"]] * 3
    assert problems(report) == [("malformed: typ JWT: no PASSporT", "RFC 8225 §4.1")]
