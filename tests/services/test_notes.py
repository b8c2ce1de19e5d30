"""What is odd about a token and costs no pass: an ``iat`` far from Date (V-11)."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from stirmilter.services import Verification
from stirmilter.stir.result import Reason
from tests.laboratory import CAROL, NOW, message
from tests.services.world import HOUR, MINUTE, SECOND, World
from tests.stir.tokens import ABSENT

TOKYO = timezone(timedelta(hours=9))


def judge(
    world: World,
    date: datetime | None,
    values: list[str] | None = None,
    **policy: Any,  # noqa: ANN401
) -> Verification:
    dated = replace(message(), date=date)
    service = world.verifier(policy=policy)
    return service.verify(dated, values or [world.token("one")], NOW)


@pytest.mark.conformance("V-11")
@pytest.mark.parametrize(
    ("date", "notes"),
    [
        pytest.param(NOW, (), id="the-same-second"),
        pytest.param(NOW + MINUTE, (), id="a-minute-after"),
        pytest.param(NOW - MINUTE, (), id="a-minute-before"),
        pytest.param(NOW - MINUTE - SECOND, ("iat is 61 s after Date",), id="61-s-ago"),
        pytest.param(
            NOW + MINUTE + SECOND, ("iat is 61 s before Date",), id="61-s-ahead"
        ),
        pytest.param(NOW - 72 * HOUR, ("iat is 259200 s after Date",), id="deferred"),
        pytest.param(NOW.astimezone(TOKYO), (), id="the-same-second-in-tokyo"),
        pytest.param(
            NOW.replace(tzinfo=TOKYO), ("iat is 32400 s after Date",), id="9-h"
        ),
        pytest.param(
            datetime(1, 1, 1, tzinfo=UTC), ("iat is 63902952000 s after Date",), id="1"
        ),
        pytest.param(None, (), id="no-date"),
    ],
)
def test_a_date_far_from_iat_is_noted_and_costs_no_pass(
    world: World, date: datetime | None, notes: tuple[str, ...]
) -> None:
    result = judge(world, date).result

    assert result.passed
    assert result.notes == notes


@pytest.mark.conformance("V-11")
@pytest.mark.parametrize(
    ("skew", "noted"), [(HOUR, False), (HOUR - SECOND, True)], ids=["within", "beyond"]
)
def test_how_far_is_far_is_the_skew_of_the_policy(
    world: World, skew: timedelta, noted: bool
) -> None:
    result = judge(world, NOW - HOUR, skew=skew).result

    assert bool(result.notes) is noted


def test_a_token_that_fails_is_noted_as_well(world: World) -> None:
    values = [world.token("untrusted"), world.token("one")]

    results = judge(world, NOW - HOUR, values).passports

    assert [one.reason for one in results] == [
        Reason.CREDENTIAL_UNTRUSTED,
        Reason.VERIFIED,
    ]
    assert [one.notes for one in results] == [("iat is 3600 s after Date",)] * 2


def test_what_was_not_read_or_is_a_diversion_has_no_note(world: World) -> None:
    """A diversion keeps the iat of the message, whose token is noted."""
    claims = {"div": {"tn": CAROL}, "dest": {"tn": [CAROL]}, "msgi": ABSENT}
    values = ["rubbish", world.token("one", {"ppt": "div"}, claims)]

    results = judge(world, NOW - HOUR, values).passports

    assert [one.notes for one in results] == [(), ()]
