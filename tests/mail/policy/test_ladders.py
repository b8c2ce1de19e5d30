"""Ladders: the date decides, and they only lead up."""

from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from stirmilter.mail.policy.actions import Action
from stirmilter.mail.policy.ladders import Ladder, Rung, Step
from stirmilter.stir.result import Reason
from tests.mail.policy.tables import facts

JUNE, SEPTEMBER, DECEMBER = date(2026, 6, 1), date(2026, 9, 1), date(2026, 12, 1)
LADDER = Ladder(
    (Step(JUNE, "none"), Step(SEPTEMBER, "tag"), Step(DECEMBER, "reject")),
    frozenset({"mm4_forward.req"}),
)


@pytest.mark.parametrize(
    ("now", "action"),
    [
        (datetime(2026, 1, 1, tzinfo=UTC), "accept"),
        (datetime(2026, 8, 31, 23, 59, 59, tzinfo=UTC), "accept"),
        (datetime(2026, 9, 1, tzinfo=UTC), "tag"),
        (datetime(2026, 11, 30, 23, 59, 59, tzinfo=UTC), "tag"),
        (datetime(2026, 12, 1, tzinfo=UTC), "reject"),
        (datetime(2030, 1, 1, tzinfo=UTC), "reject"),
    ],
)
def test_the_last_step_that_has_begun_counts(now: datetime, action: Action) -> None:
    assert LADDER.at(now) == action


def test_a_day_begins_at_midnight_utc_wherever_the_clock_is_read() -> None:
    east = timezone(timedelta(hours=9))

    assert LADDER.at(datetime(2026, 9, 1, 8, 59, tzinfo=east)) == "accept"
    assert LADDER.at(datetime(2026, 9, 1, 9, 0, tzinfo=east)) == "tag"


@pytest.mark.parametrize(
    ("second", "action", "problem"),
    [
        (JUNE, "reject", "2026-06-01 does not follow 2026-06-01"),
        (date(2026, 5, 31), "reject", "2026-05-31 does not follow 2026-06-01"),
        (SEPTEMBER, "tag", "tag is weaker than quarantine before it"),
        (SEPTEMBER, "none", "none is weaker than quarantine before it"),
    ],
)
def test_a_ladder_that_does_not_lead_up_is_refused(
    second: date, action: Rung, problem: str
) -> None:
    with pytest.raises(ValueError, match=problem):
        Ladder((Step(JUNE, "quarantine"), Step(second, action)))


def test_a_step_may_be_as_strict_as_the_one_before() -> None:
    ladder = Ladder((Step(JUNE, "tag"), Step(SEPTEMBER, "tag")))

    assert ladder.at(datetime(2027, 1, 1, tzinfo=UTC)) == "tag"


@pytest.mark.conformance("V-18")
@pytest.mark.parametrize(
    ("reason", "message_type", "dmarc", "bad"),
    [
        pytest.param(Reason.BODY_ALTERED, "", "none", True, id="fails"),
        pytest.param(Reason.MALFORMED, "", "pass", True, id="permerror"),
        pytest.param(
            Reason.NO_PASSPORT, "mm4_forward.req", "none", True, id="unsigned"
        ),
        pytest.param(
            Reason.NO_PASSPORT, "mm4_forward.req", "pass", True, id="dmarc-is-no-token"
        ),
        pytest.param(
            Reason.UNSUPPORTED_PPT, "mm4_forward.req", "none", True, id="other-token"
        ),
        pytest.param(Reason.NO_MSGI, "mm4_forward.req", "none", True, id="proves-less"),
        *(
            pytest.param(reason, "mm4_forward.req", "pass", True, id=f"{reason.code}-d")
            for reason in Reason
            if reason.word in ("none", "neutral", "policy")
        ),
        pytest.param(Reason.NO_PASSPORT, "several", "none", True, id="two-types"),
        pytest.param(
            Reason.NO_PASSPORT, "mm4_forward.req (x)", "none", True, id="comment"
        ),
        pytest.param(Reason.NO_PASSPORT, "plain", "none", True, id="says-plain"),
        pytest.param(Reason.VERIFIED, "several", "none", False, id="two-types-good"),
        pytest.param(Reason.NO_PASSPORT, "mm4_forward.res", "none", False, id="answer"),
        pytest.param(Reason.NO_PASSPORT, "", "none", False, id="plain-not-asked-for"),
        pytest.param(
            Reason.CREDENTIAL_UNAVAILABLE, "mm4_forward.req", "none", False, id="later"
        ),
        pytest.param(Reason.VERIFIED, "mm4_forward.req", "none", False, id="good"),
    ],
)
def test_what_is_bad(reason: Reason, message_type: str, dmarc: str, bad: bool) -> None:
    message = facts(reason, message_type=message_type, dmarc=dmarc)

    assert LADDER.is_bad(message) is bad


def test_plain_mail_can_be_asked_for() -> None:
    ladder = Ladder((), frozenset({"plain"}))

    assert ladder.is_bad(facts(Reason.NO_PASSPORT))
    for other in ("mm4_forward.req", "several", "weird"):
        assert not ladder.is_bad(facts(Reason.NO_PASSPORT, message_type=other))


@pytest.mark.parametrize("word", ["other", "several"])
def test_a_type_that_is_none_can_be_asked_for(word: str) -> None:
    ladder = Ladder((), frozenset({word}))

    assert ladder.is_bad(facts(Reason.NO_PASSPORT, message_type="weird"))
    assert ladder.is_bad(facts(Reason.NO_PASSPORT, message_type="several"))
    assert not ladder.is_bad(facts(Reason.NO_PASSPORT))
