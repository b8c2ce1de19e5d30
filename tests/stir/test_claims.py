import json
from datetime import UTC, datetime, timedelta

import pytest

from stirmilter.stir import passport
from stirmilter.stir.claims import Claims, check_freshness
from stirmilter.stir.msgi import Digest, digest_body
from stirmilter.stir.result import Reason, Unverified
from tests.laboratory import ALICE, BOB, BODY, CAROL, NOW
from tests.stir.tokens import ABSENT, HEADER, IAT, MSGI, PAYLOAD, forge, seal

DAY = timedelta(hours=24)
MINUTE = timedelta(seconds=60)


def claims(iat: int = IAT) -> Claims:
    return Claims.message(ALICE, (BOB,), iat, digest_body(BODY).value())


def test_claims_are_read() -> None:
    token = passport.parse(
        forge(payload={"dest": {"uri": ["sip:b@x.example"], "tn": [BOB, CAROL]}})
    )

    assert token.x5u == HEADER["x5u"]
    assert token.claims.orig == ("tn", ALICE)
    assert token.claims.dest == (("tn", BOB), ("tn", CAROL), ("uri", "sip:b@x.example"))
    assert token.claims.iat == IAT
    assert token.claims.msgi == Digest.parse(MSGI)


def test_unknown_members_are_kept_for_the_constraints() -> None:
    token = passport.parse(
        forge({"x5c": ["MII"], "jku": "x", "kid": "1"}, {"attest": "A"})
    )

    assert token.claims.raw["attest"] == "A"


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param({"iat": ABSENT}, id="no-iat"),
        pytest.param({"iat": str(IAT)}, id="iat-string"),
        pytest.param({"iat": float(IAT)}, id="iat-float"),
        pytest.param({"iat": True}, id="iat-bool"),
        pytest.param({"iat": None}, id="iat-null"),
        pytest.param({"iat": -1}, id="iat-negative"),
        pytest.param({"iat": 253402300800}, id="iat-after-the-year-9999"),
        pytest.param({"iat": 10**400}, id="iat-of-400-digits"),
        pytest.param({"iat": 10**5000}, id="iat-of-5000-digits"),
        pytest.param({"orig": ABSENT}, id="no-orig"),
        pytest.param({"orig": {}}, id="orig-empty"),
        pytest.param({"orig": ALICE}, id="orig-string"),
        pytest.param({"orig": [ALICE]}, id="orig-array"),
        pytest.param({"orig": {"tn": [ALICE]}}, id="orig-tn-array"),
        pytest.param({"orig": {"tn": ALICE, "uri": "sip:a@b"}}, id="orig-two"),
        pytest.param({"orig": {"tn": ALICE, "x": "y"}}, id="orig-unknown-kind"),
        pytest.param({"orig": {"tn": f"+{ALICE}"}}, id="orig-plus"),
        pytest.param({"orig": {"tn": f"{ALICE}\n"}}, id="orig-line-end"),
        pytest.param({"orig": {"tn": "\u0661\u0662"}}, id="orig-arabic-digits"),
        pytest.param({"orig": {"tn": 12025550123}}, id="orig-number"),
        pytest.param({"orig": {"tn": None}}, id="orig-null"),
        pytest.param({"orig": {"tn": ""}}, id="orig-nothing"),
        pytest.param({"orig": {"uri": ""}}, id="orig-uri-nothing"),
        pytest.param({"dest": ABSENT}, id="no-dest"),
        pytest.param({"dest": {}}, id="dest-empty"),
        pytest.param({"dest": {"tn": []}}, id="dest-no-entry"),
        pytest.param({"dest": {"tn": [], "uri": []}}, id="dest-no-entry-of-both"),
        pytest.param({"dest": {"tn": BOB}}, id="dest-tn-string"),
        pytest.param({"dest": {"tn": {}}}, id="dest-tn-object"),
        pytest.param({"dest": BOB}, id="dest-string"),
        pytest.param({"dest": [BOB]}, id="dest-array"),
        pytest.param({"dest": {"tn": [BOB, 1]}}, id="dest-number"),
        pytest.param({"dest": {"tn": [BOB, f"+{CAROL}"]}}, id="dest-plus"),
        pytest.param({"dest": {"tn": ["1" * 16]}}, id="dest-sixteen-digits"),
        pytest.param({"dest": {"tn": [BOB], "im": ["x"]}}, id="dest-unknown-kind"),
        pytest.param({"dest": {"tn": [BOB], "uri": "sip:b@x"}}, id="dest-uri-string"),
        pytest.param({"msgi": 1}, id="msgi-number"),
        pytest.param({"msgi": [MSGI]}, id="msgi-array"),
        pytest.param({"msgi": "sha256-AAAA"}, id="msgi-too-short"),
        pytest.param({"msgi": ""}, id="msgi-empty"),
    ],
)
@pytest.mark.conformance("F-13", "F-14", "F-15", "F-16", "F-18")
def test_payloads_are_refused(payload: dict[str, object]) -> None:
    if payload.get("iat") == 10**5000:  # json.dumps cannot write it
        text = json.dumps(PAYLOAD).replace(str(IAT), "1" + "0" * 5000)
        token = seal(json.dumps(HEADER).encode(), text.encode())
    else:
        token = forge(payload=payload)

    with pytest.raises(Unverified) as caught:
        passport.parse(token)
    assert caught.value.reason is Reason.MALFORMED


@pytest.mark.parametrize(
    ("at", "reason"),
    [
        pytest.param(NOW, None, id="at-once"),
        pytest.param(NOW + DAY, None, id="at-the-limit"),
        pytest.param(NOW + DAY + timedelta(seconds=1), Reason.STALE, id="after-it"),
        pytest.param(NOW - MINUTE, None, id="as-far-ahead-as-allowed"),
        pytest.param(
            NOW - MINUTE - timedelta(seconds=1), Reason.FROM_THE_FUTURE, id="further"
        ),
        pytest.param(
            datetime(1990, 1, 1, tzinfo=UTC), Reason.FROM_THE_FUTURE, id="1990"
        ),
        pytest.param(datetime(9999, 1, 1, tzinfo=UTC), Reason.STALE, id="9999"),
    ],
)
@pytest.mark.conformance("V-07", "V-08")
def test_freshness_has_two_ends(at: datetime, reason: Reason | None) -> None:
    if reason is None:
        check_freshness(claims(), at, DAY, MINUTE)
        return

    with pytest.raises(Unverified) as caught:
        check_freshness(claims(), at, DAY, MINUTE)
    assert caught.value.reason is reason


@pytest.mark.parametrize(
    ("iat", "detail"), [(IAT - 90000, "90000 s old"), (IAT + 61, "61 s ahead")]
)
def test_freshness_tells_the_seconds(iat: int, detail: str) -> None:
    with pytest.raises(Unverified, match=detail):
        check_freshness(claims(iat=iat), NOW, DAY, MINUTE)
