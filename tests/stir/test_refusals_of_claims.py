"""What is said of a payload that is refused: the claim, the fault, and the rule."""

from dataclasses import FrozenInstanceError
from datetime import timedelta
from typing import Final

import pytest

from stirmilter.stir import claims, passport
from stirmilter.stir.claims import Claims
from stirmilter.stir.msgi import digest_body
from stirmilter.stir.passport import Limits
from stirmilter.stir.result import Reason, Unverified
from tests.laboratory import ALICE, BOB, BODY, CAROL, NOW
from tests.stir.refusals import Said, said
from tests.stir.tokens import ABSENT, IAT, MSGI, forge

SECOND: Final = timedelta(seconds=1)
MINUTE: Final = timedelta(seconds=60)
LATEST: Final = 253_402_300_799

IDENTITIES: Final = "RFC 8225 §5.2.1"
DATE: Final = "RFC 8225 §5.1.1"
DIGEST: Final = "RFC 9475 §3.2"
DIVERSION: Final = "RFC 8946 §3"


def refusal(token: str, limits: Limits | None = None) -> Said:
    return said(lambda: passport.parse(token, limits or Limits()))


@pytest.mark.parametrize(
    ("payload", "detail", "rule"),
    [
        pytest.param(
            {"orig": ABSENT},
            "orig: expected exactly one identity, tn or uri",
            IDENTITIES,
            id="no-orig",
        ),
        pytest.param(
            {"orig": {"tn": ALICE, "uri": "sip:a@b"}},
            "orig: expected exactly one identity, tn or uri",
            IDENTITIES,
            id="two-identities-in-orig",
        ),
        pytest.param(
            {"orig": {"tn": f"+{ALICE}"}},
            "orig.tn: not canonical",
            IDENTITIES,
            id="number-with-a-plus-in-orig",
        ),
        pytest.param(
            {"orig": {"uri": ALICE}},
            "orig.uri: not canonical",
            IDENTITIES,
            id="uri-without-a-scheme-in-orig",
        ),
        pytest.param(
            {"dest": ABSENT}, "dest: expected tn or uri", IDENTITIES, id="no-dest"
        ),
        pytest.param(
            {"dest": {"tn": [BOB], "im": ["x"]}},
            "dest: expected tn or uri",
            IDENTITIES,
            id="unknown-kind-in-dest",
        ),
        pytest.param(
            {"dest": {"tn": BOB}},
            "dest.tn: expected an array",
            IDENTITIES,
            id="number-without-an-array-in-dest",
        ),
        pytest.param(
            {"dest": {"tn": [BOB], "uri": "sip:b@x"}},
            "dest.uri: expected an array",
            IDENTITIES,
            id="uri-without-an-array-in-dest",
        ),
        pytest.param(
            {"dest": {"tn": [BOB, f"+{CAROL}"]}},
            "dest.tn: not canonical",
            IDENTITIES,
            id="number-with-a-plus-in-dest",
        ),
        pytest.param(
            {"dest": {"uri": ["sip:b@x", BOB]}},
            "dest.uri: not canonical",
            IDENTITIES,
            id="uri-without-a-scheme-in-dest",
        ),
        pytest.param(
            {"dest": {}},
            "dest: 0 entries, expected 1 to 100",
            IDENTITIES,
            id="nobody-in-dest",
        ),
        pytest.param(
            {"dest": {"tn": [BOB] * 60, "uri": ["sip:b@x"] * 41}},
            "dest: 101 entries, expected 1 to 100",
            IDENTITIES,
            id="more-than-a-hundred-in-dest",
        ),
        pytest.param(
            {"iat": ABSENT},
            "iat: expected whole seconds since 1970",
            DATE,
            id="no-iat",
        ),
        pytest.param(
            {"iat": str(IAT)},
            "iat: expected whole seconds since 1970",
            DATE,
            id="iat-in-a-string",
        ),
        pytest.param(
            {"msgi": 1}, "msgi: expected a digest", DIGEST, id="msgi-a-number"
        ),
        pytest.param({"msgi": None}, "msgi: expected a digest", DIGEST, id="msgi-null"),
    ],
)
def test_refusals_of_a_message_token(
    payload: dict[str, object], detail: str, rule: str
) -> None:
    assert refusal(forge(payload=payload)) == (Reason.MALFORMED, detail, rule)


@pytest.mark.parametrize(
    ("payload", "detail", "rule"),
    [
        pytest.param(
            {},
            "div: expected exactly one identity, tn or uri",
            DIVERSION,
            id="no-div",
        ),
        pytest.param(
            {"div": {"tn": f"+{BOB}"}},
            "div.tn: not canonical",
            DIVERSION,
            id="number-with-a-plus-in-div",
        ),
        pytest.param(
            {"div": {"uri": BOB}},
            "div.uri: not canonical",
            DIVERSION,
            id="uri-without-a-scheme-in-div",
        ),
        pytest.param(
            {"div": {"tn": BOB}, "orig": {"tn": ALICE, "hi": "1"}},
            "orig: expected exactly one identity, tn or uri",
            IDENTITIES,
            id="history-index-in-orig",
        ),
    ],
)
def test_refusals_of_a_diversion(
    payload: dict[str, object], detail: str, rule: str
) -> None:
    token = forge({"ppt": "div"}, payload)

    assert refusal(token) == (Reason.MALFORMED, detail, rule)


@pytest.mark.parametrize(
    ("good", "claim"),
    [
        pytest.param({}, "orig", id="orig-first"),
        pytest.param({"orig": {"tn": ALICE}}, "dest", id="then-dest"),
        pytest.param({"orig": {"tn": ALICE}, "dest": {"tn": [BOB]}}, "iat", id="iat"),
        pytest.param(
            {"orig": {"tn": ALICE}, "dest": {"tn": [BOB]}, "iat": IAT},
            "msgi",
            id="msgi-last",
        ),
    ],
)
def test_of_several_faults_the_first_is_told(
    good: dict[str, object], claim: str
) -> None:
    faults = {"orig": 1, "dest": 1, "iat": "1", "msgi": 1}

    _, detail, _ = refusal(forge(payload={**faults, **good}))

    assert detail.startswith(f"{claim}: ")


@pytest.mark.parametrize(
    "uri",
    [
        pytest.param("a:b", id="as-short-as-can-be"),
        pytest.param("sip:b@x.example", id="sip"),
        pytest.param("Zz+1-9.a:!~", id="every-kind-of-character"),
        pytest.param("a::", id="colon-after-the-scheme"),
    ],
)
def test_an_identity_may_be_any_uri(uri: str) -> None:
    token = forge(payload={"orig": {"uri": uri}})

    assert passport.parse(token).claims.orig == ("uri", uri)


@pytest.mark.parametrize(
    "uri",
    [
        pytest.param("", id="nothing"),
        pytest.param("b@x", id="no-scheme"),
        pytest.param(":b", id="empty-scheme"),
        pytest.param("a:", id="scheme-alone"),
        pytest.param("1a:b", id="scheme-with-a-digit-first"),
        pytest.param("+a:b", id="scheme-with-a-plus-first"),
        pytest.param("a_b:c", id="scheme-with-an-underscore"),
        pytest.param("\u00e9:b", id="scheme-beyond-ascii"),
        pytest.param("a:b c", id="blank"),
        pytest.param("a:b\x7f", id="delete-character"),
        pytest.param("a:b\n", id="line-end"),
        pytest.param("a:\u00e9", id="beyond-ascii"),
    ],
)
def test_an_identity_that_is_no_uri_is_refused(uri: str) -> None:
    token = forge(payload={"orig": {"uri": uri}})

    assert refusal(token) == (
        Reason.MALFORMED,
        "orig.uri: not canonical",
        IDENTITIES,
    )


def test_the_limit_that_was_set_is_told() -> None:
    token = forge(payload={"dest": {"tn": [BOB, CAROL]}})

    _, detail, _ = refusal(token, Limits(dest=1))

    assert detail == "dest: 2 entries, expected 1 to 1"


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param({"orig": {"tn": f"+{ALICE}"}}, id="in-orig"),
        pytest.param({"dest": {"tn": [f"+{BOB}"]}}, id="in-dest"),
        pytest.param({"orig": {"uri": ALICE}}, id="as-a-uri"),
    ],
)
def test_no_number_is_told(payload: dict[str, object]) -> None:
    """Details are logged, and sent back in header fields."""
    _, detail, _ = refusal(forge(payload=payload))

    assert ALICE not in detail
    assert BOB not in detail


@pytest.mark.parametrize(
    "iat",
    [pytest.param(0, id="1970"), pytest.param(LATEST, id="last-second-of-9999")],
)
def test_every_second_from_1970_to_9999_is_a_date(iat: int) -> None:
    assert passport.parse(forge(payload={"iat": iat})).claims.iat == iat


def test_one_recipient_is_enough() -> None:
    token = forge(payload={"dest": {"tn": [], "uri": ["sip:b@x"]}})

    assert passport.parse(token, Limits(dest=1)).claims.named == {"sip:b@x"}


@pytest.mark.parametrize(
    ("iat", "reason", "detail"),
    [
        pytest.param(IAT - 61, Reason.STALE, "iat is 61 s old", id="too-old"),
        pytest.param(IAT + 2, Reason.FROM_THE_FUTURE, "iat is 2 s ahead", id="ahead"),
    ],
)
def test_refusals_of_an_iat(iat: int, reason: Reason, detail: str) -> None:
    content = Claims.message(ALICE, (BOB,), iat, digest_body(BODY).value())

    found = said(lambda: claims.check_freshness(content, NOW, MINUTE, SECOND))

    assert found == (reason, detail, "RFC 8224 §6.2 step 4")


def test_ages_are_whole_seconds() -> None:
    """A token serves through the second at which it reaches its limit."""
    content = Claims.message(ALICE, (BOB,), IAT - 60, digest_body(BODY).value())

    claims.check_freshness(content, NOW + timedelta(milliseconds=999), MINUTE, SECOND)
    with pytest.raises(Unverified):
        claims.check_freshness(content, NOW + SECOND, MINUTE, SECOND)


def test_claims_we_make_hold_the_digest_and_nobody_diverts() -> None:
    made = Claims.message(ALICE, (BOB,), IAT, digest_body(BODY).value())

    assert str(made.msgi) == MSGI
    assert made.div is None


@pytest.mark.parametrize(
    ("orig", "dest", "div"),
    [
        pytest.param(f"+{ALICE}", BOB, None, id="plus-in-orig"),
        pytest.param(ALICE, f"+{BOB}", None, id="plus-in-dest"),
        pytest.param(ALICE, "", None, id="nobody-in-dest"),
        pytest.param(ALICE, BOB, "bob", id="name-in-div"),
        pytest.param("mailto: a@x", BOB, None, id="blank-in-the-uri-of-orig"),
        pytest.param(ALICE, "sip:", None, id="uri-of-nobody-in-dest"),
        pytest.param(ALICE, BOB, "sip:b\nx", id="line-end-in-the-uri-of-div"),
    ],
)
def test_claims_that_we_would_refuse_are_not_made(
    orig: str, dest: str, div: str | None
) -> None:
    """What a library's caller hands in; our own code has looked before."""
    digest = digest_body(BODY).value()

    with pytest.raises(
        ValueError, match=r"^an identity is neither a canonical number nor a URI$"
    ):
        Claims.message(orig, (CAROL, dest), IAT, digest).diverted(div or CAROL, (BOB,))


def test_claims_are_made_of_service_codes_and_uris() -> None:
    made = Claims.message("*123", ("sip:b@x",), IAT, digest_body(BODY).value())

    assert made.diverted("sip:b@x", ("#1",)).named == {"#1"}


def test_claims_stay_as_they_were_made() -> None:
    made = Claims.message(ALICE, (BOB,), IAT, digest_body(BODY).value())

    with pytest.raises(FrozenInstanceError):
        made.iat = 0  # type: ignore[misc]
