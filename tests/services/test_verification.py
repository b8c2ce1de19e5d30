from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Final

import pytest

from stirmilter.services import VerificationPolicy
from stirmilter.stir.msgi import Form
from stirmilter.stir.passport import Limits
from stirmilter.stir.result import Authority, Reason
from tests.laboratory import (
    ALICE,
    BOB,
    BODY,
    CAROL,
    NOW,
    X5U,
    FolderRepository,
    message,
)
from tests.services.world import (
    DAY,
    HOUR,
    MINUTE,
    SECOND,
    Case,
    Closed,
    Silent,
    World,
)
from tests.stir.tokens import ABSENT, IAT

FUTURE_VERSIONS: Final = {
    Reason.CREDENTIAL_REVOKED,
    Reason.STATUS_UNAVAILABLE,
    Reason.HEADERS_UNPROTECTED,
}
"""What nothing of this version can find."""

BEFORE_ANY_FETCH = [
    pytest.param(
        Case(header={"ppt": "shaken"}), Reason.UNSUPPORTED_PPT, id="token-for-a-call"
    ),
    pytest.param(
        Case(header={"ppt": ABSENT}), Reason.UNSUPPORTED_PPT, id="token-without-ppt"
    ),
    pytest.param(
        Case(header={"ppt": "div"}, payload={"div": {"tn": CAROL}}),
        Reason.UNSUPPORTED_PPT,
        id="diverted-call",
    ),
    pytest.param(
        Case(header={"alg": "none"}), Reason.UNSUPPORTED_ALGORITHM, id="alg-none"
    ),
    pytest.param(
        Case(header={"alg": "HS256"}), Reason.UNSUPPORTED_ALGORITHM, id="alg-hmac"
    ),
    pytest.param(Case(header={"typ": "JWT"}), Reason.MALFORMED, id="typ"),
    pytest.param(Case(header={"crit": ["x"]}), Reason.MALFORMED, id="crit"),
    pytest.param(Case(payload={"iat": str(IAT)}), Reason.MALFORMED, id="iat-string"),
    pytest.param(Case(payload={"msgi": "sha1-AA"}), Reason.MALFORMED, id="msgi-sha1"),
    pytest.param(Case(parameters=".x"), Reason.MALFORMED, id="a-fourth-part"),
    pytest.param(
        Case(parameters=f";info=<{X5U}other.pem>"), Reason.MALFORMED, id="info-differs"
    ),
    pytest.param(Case(parameters=";ppt=shaken"), Reason.MALFORMED, id="ppt-differs"),
    pytest.param(Case(parameters=";alg=ES384"), Reason.MALFORMED, id="alg-differs"),
    pytest.param(
        Case(policy={"limits": Limits(token=100)}), Reason.MALFORMED, id="too-long"
    ),
    pytest.param(
        Case(payload={"orig": {"tn": CAROL}}), Reason.ORIG_MISMATCH, id="another-orig"
    ),
    pytest.param(
        Case(payload={"orig": {"uri": f"sip:{ALICE}@x.example"}}),
        Reason.ORIG_MISMATCH,
        id="orig-is-a-uri",
    ),
    pytest.param(
        Case(payload={"orig": {"uri": ALICE}}),
        Reason.MALFORMED,
        id="orig-is-a-uri-of-the-same-digits",
    ),
    pytest.param(
        Case(message={"orig": None}), Reason.ORIG_MISMATCH, id="message-without-orig"
    ),
    pytest.param(
        Case(message={"dest": (CAROL,)}), Reason.DEST_MISMATCH, id="another-recipient"
    ),
    pytest.param(
        Case(payload={"dest": {"uri": [BOB]}}),
        Reason.MALFORMED,
        id="dest-is-a-uri-of-the-same-digits",
    ),
    pytest.param(
        Case(message={"dest": (), "others": 1}),
        Reason.DEST_MISMATCH,
        id="no-recipient-is-a-number",
    ),
    pytest.param(Case(at=NOW + DAY + SECOND), Reason.STALE, id="a-day-and-a-second"),
    pytest.param(
        Case(at=NOW + MINUTE + SECOND, policy={"freshness": MINUTE}),
        Reason.STALE,
        id="older-than-the-policy-allows",
    ),
    pytest.param(
        Case(at=NOW + SECOND, message={"expires": NOW}), Reason.STALE, id="has-expired"
    ),
    pytest.param(
        Case(at=NOW - MINUTE - SECOND), Reason.FROM_THE_FUTURE, id="61-seconds-ahead"
    ),
    pytest.param(
        Case(at=NOW - SECOND, policy={"skew": timedelta(0)}),
        Reason.FROM_THE_FUTURE,
        id="further-ahead-than-the-policy-allows",
    ),
    pytest.param(
        Case(message={"body": b"Hullo Bob\r\n"}), Reason.BODY_ALTERED, id="letter"
    ),
    pytest.param(Case(message={"body": b""}), Reason.BODY_ALTERED, id="no-body"),
    pytest.param(
        Case(message={"body": BODY + b"\r\n"}, policy={"forms": ("exact",)}),
        Reason.BODY_ALTERED,
        id="empty-line-added-and-strict",
    ),
]
AFTER_THE_FETCH = [
    pytest.param(
        Case(signer="absent"), Reason.CREDENTIAL_UNAVAILABLE, id="nothing-at-x5u"
    ),
    pytest.param(
        Case(parts={"repository": Closed()}),
        Reason.CREDENTIAL_UNTRUSTED,
        id="x5u-refused-for-good",
    ),
    pytest.param(
        Case(signer="garbage"), Reason.CREDENTIAL_MALFORMED, id="web-page-at-x5u"
    ),
    pytest.param(Case(signer="p384"), Reason.CREDENTIAL_MALFORMED, id="key-on-p384"),
    pytest.param(
        Case(signer="untrusted"), Reason.CREDENTIAL_UNTRUSTED, id="unknown-root"
    ),
    pytest.param(
        Case(policy={"certificates": 1}),
        Reason.CREDENTIAL_UNTRUSTED,
        id="longer-than-the-policy-allows",
    ),
    pytest.param(Case(signer="expired"), Reason.CREDENTIAL_EXPIRED, id="expired"),
    pytest.param(
        Case(signer="old-intermediate"),
        Reason.CREDENTIAL_EXPIRED,
        id="expired-intermediate",
    ),
    pytest.param(
        Case(signer="short", payload={"iat": IAT + 3601}, at=NOW + HOUR + SECOND),
        Reason.CREDENTIAL_EXPIRED,
        id="signed-after-the-certificate-expired",
    ),
    pytest.param(
        Case(signer="other"), Reason.NOT_AUTHORIZED, id="certificate-for-another-number"
    ),
    pytest.param(
        Case(signer="limited"), Reason.NOT_AUTHORIZED, id="limited-by-its-issuer"
    ),
    pytest.param(Case(signer="no-list"), Reason.NOT_AUTHORIZED, id="no-TNAuthList"),
    pytest.param(
        Case(signer="constrained"),
        Reason.CLAIM_CONSTRAINED,
        id="certificate-excludes-msgi",
    ),
    pytest.param(
        Case(signer="range", header={"x5u": f"{X5U}one.pem"}),
        Reason.BAD_SIGNATURE,
        id="signed-with-another-key",
    ),
    pytest.param(
        Case(signer="spc", policy={"accept_spc": False}),
        Reason.SPC_NOT_ACCEPTED,
        id="carrier-code-alone",
    ),
    pytest.param(Case(payload={"msgi": ABSENT}), Reason.NO_MSGI, id="no-msgi"),
    pytest.param(
        Case(message={"dest": (BOB, CAROL)}), Reason.DEST_PARTIAL, id="one-more-number"
    ),
    pytest.param(
        Case(message={"others": 1}),
        Reason.DEST_PARTIAL,
        id="one-more-that-is-no-number",
    ),
    pytest.param(Case(before="earlier"), Reason.REPLAYED, id="seen-before"),
    pytest.param(
        Case(parts={"replays": Silent()}), Reason.REPLAY_UNKNOWN, id="store-is-silent"
    ),
    pytest.param(Case(), Reason.VERIFIED, id="untouched"),
    pytest.param(Case(before="first"), Reason.VERIFIED, id="retry-of-the-delivery"),
    pytest.param(Case(at=NOW + DAY), Reason.VERIFIED, id="a-day-old"),
    pytest.param(Case(at=NOW - MINUTE), Reason.VERIFIED, id="a-minute-ahead"),
    pytest.param(Case(message={"expires": NOW}), Reason.VERIFIED, id="about-to-expire"),
    pytest.param(
        Case(signer="short", at=NOW + 2 * HOUR),
        Reason.VERIFIED,
        id="signed-while-the-certificate-was-valid",
    ),
    pytest.param(
        Case(payload={"dest": {"tn": [BOB, CAROL], "uri": ["sip:x@y"]}}),
        Reason.VERIFIED,
        id="dest-names-more-than-this-delivery",
    ),
    pytest.param(
        Case(parameters=f';info=<{X5U}one.pem>;alg=ES256;ppt="msg"'),
        Reason.VERIFIED,
        id="mirrored",
    ),
    pytest.param(Case(parameters=";canon=x"), Reason.VERIFIED, id="unknown-parameter"),
    pytest.param(
        Case(payload={"attest": "A"}), Reason.VERIFIED, id="claim-that-we-do-not-know"
    ),
]


@pytest.mark.parametrize(("case", "reason"), [*BEFORE_ANY_FETCH, *AFTER_THE_FETCH])
@pytest.mark.conformance("F-03", "F-12", "F-14", "M-15", "M-17", "M-18", "H-03", "H-04")
@pytest.mark.conformance("V-02", "V-04", "V-05", "V-07", "V-08", "V-12", "V-16", "C-01")
@pytest.mark.conformance("C-02", "C-03", "C-05", "C-08")
def test_result_names_what_was_spoilt(world: World, case: Case, reason: Reason) -> None:
    found, _ = case.run(world)

    assert found.result.reason is reason
    assert found.passports == (found.result,)


@pytest.mark.parametrize(("case", "reason"), BEFORE_ANY_FETCH)
@pytest.mark.conformance("F-20", "V-21")
def test_nothing_is_fetched_for_what_fails_without(
    world: World, case: Case, reason: Reason
) -> None:
    found, fetched = case.run(world)

    assert found.result.reason is reason
    assert fetched == []


@pytest.mark.parametrize(("case", "reason"), AFTER_THE_FETCH)
def test_everything_else_costs_one_fetch(
    world: World, case: Case, reason: Reason
) -> None:
    found, fetched = case.run(world)

    assert found.result.reason is reason
    assert len(fetched) == 1


def test_every_reason_has_a_row() -> None:
    rows = {row.values[1] for row in [*BEFORE_ANY_FETCH, *AFTER_THE_FETCH]}
    of_the_message = {Reason.NO_PASSPORT, Reason.TOO_MANY_PASSPORTS}

    assert rows | of_the_message | FUTURE_VERSIONS == set(Reason)


@pytest.mark.parametrize(("case", "reason"), [*BEFORE_ANY_FETCH, *AFTER_THE_FETCH])
def test_details_are_one_line_and_name_no_number(
    world: World, case: Case, reason: Reason
) -> None:
    found, _ = case.run(world)

    detail = found.result.detail
    assert not detail or (detail.isascii() and detail.isprintable()), reason
    assert not any(number in detail for number in (ALICE, BOB, CAROL))


@pytest.mark.parametrize(
    "payload",
    [{"orig": {"tn": f"+{ALICE}"}}, {"dest": {"tn": [f"+{BOB}"]}}],
    ids=["orig", "dest"],
)
def test_details_of_malformed_numbers_name_no_number(
    world: World, payload: Mapping[str, object]
) -> None:
    found, _ = Case(payload=payload).run(world)

    assert found.result.reason is Reason.MALFORMED
    assert not any(number in found.result.detail for number in (ALICE, BOB))


@pytest.mark.parametrize(
    ("name", "authority"),
    [
        pytest.param("one", "tn", id="number"),
        pytest.param("range", "range", id="range"),
        pytest.param("spc", "spc", id="carrier-code"),
        pytest.param("other", "none", id="nothing"),
    ],
)
def test_result_tells_the_authority(
    world: World, name: str, authority: Authority
) -> None:
    found, _ = Case(signer=name).run(world)

    assert found.result.authority == authority


@pytest.mark.parametrize(
    ("case", "parsed"),
    [
        pytest.param(Case(header={"typ": "x"}), False, id="malformed"),
        pytest.param(Case(header={"ppt": "x"}), False, id="call"),
        pytest.param(Case(parameters=";ppt=x"), True, id="mirror-differs"),
        pytest.param(Case(signer="absent"), True, id="not-fetched"),
        pytest.param(Case(parts={"replays": Silent()}), True, id="silent-store"),
    ],
)
def test_result_keeps_the_token_that_was_parsed(
    world: World, case: Case, parsed: bool
) -> None:
    found, _ = case.run(world)

    assert (found.result.passport is not None) is parsed


@pytest.mark.conformance("V-07", "V-08")
def test_default_policy_is_that_of_the_profile() -> None:
    policy = VerificationPolicy()
    forms: tuple[Form, ...] = ("exact", "simple", "nocrlf")

    assert (policy.freshness, policy.skew) == (DAY, MINUTE)
    assert policy.forms == forms
    assert policy.passports == 8
    assert policy.accept_spc


@pytest.mark.parametrize(
    ("shown", "reason"),
    [
        pytest.param({BOB}, Reason.VERIFIED, id="the-recipient"),
        pytest.param(set(), Reason.VERIFIED, id="nobody"),
        pytest.param({BOB, "19995550001"}, Reason.DEST_PARTIAL, id="one-more"),
        pytest.param({"19995550001"}, Reason.DEST_PARTIAL, id="another"),
    ],
)
@pytest.mark.conformance("V-06")
def test_numbers_that_a_message_shows_must_be_in_dest_too(
    world: World, shown: set[str], reason: Reason
) -> None:
    """Some MMSCs deliver to To and Cc, whatever the envelope said."""
    there = replace(message(), shown=frozenset(shown))

    result = world.verifier().verify(there, [world.token("one")], NOW).result

    assert result.reason is reason


def test_a_message_has_so_many_urls_fetched_and_no_more(world: World) -> None:
    values = [
        world.token("one", header={"x5u": f"https://certs.example/{n}.pem"})
        for n in range(5)
    ]
    service = world.verifier()

    results = service.verify(message(), values, NOW).passports

    assert [r.reason for r in results[:3]] == [Reason.CREDENTIAL_UNAVAILABLE] * 3
    assert [r.reason for r in results[3:]] == [Reason.TOO_MANY_PASSPORTS] * 2
    assert isinstance(service.credentials.repository, FolderRepository)
    assert len(service.credentials.repository.fetched) == 3
