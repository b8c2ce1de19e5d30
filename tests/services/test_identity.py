from collections.abc import Sequence

import pytest

from stirmilter.stir.result import Reason
from tests.laboratory import NOW, FolderRepository, message
from tests.services.world import Case, World
from tests.stir.tokens import ABSENT


def test_no_value_is_no_passport(world: World) -> None:
    found = world.verifier().verify(message(), [], NOW)

    assert found.result.reason is Reason.NO_PASSPORT
    assert found.passports == ()


@pytest.mark.parametrize(
    ("count", "reason"), [(8, Reason.VERIFIED), (9, Reason.TOO_MANY_PASSPORTS)]
)
@pytest.mark.conformance("H-08")
def test_more_than_eight_values_are_not_judged(
    world: World, count: int, reason: Reason
) -> None:
    repository = FolderRepository(world.folder)
    service = world.verifier(repository=repository)

    found = service.verify(message(), [world.token("one")] * count, NOW)

    assert found.result.reason is reason
    assert bool(repository.fetched) == (reason is Reason.VERIFIED)


def test_limit_on_values_is_the_policys(world: World) -> None:
    service = world.verifier(policy={"passports": 1})

    found = service.verify(message(), [world.token("one")] * 2, NOW)

    assert found.result.reason is Reason.TOO_MANY_PASSPORTS
    assert found.result.detail == "2 header fields, at most 1"


@pytest.mark.parametrize(
    ("cases", "reasons", "speaks"),
    [
        pytest.param(
            [Case(header={"typ": "x"}), Case(signer="other"), Case()],
            [Reason.MALFORMED, Reason.NOT_AUTHORIZED, Reason.VERIFIED],
            2,
            id="one-good-token-is-enough",
        ),
        pytest.param(
            [Case(), Case(signer="untrusted")],
            [Reason.VERIFIED, Reason.CREDENTIAL_UNTRUSTED],
            0,
            id="a-bad-token-beside-it-does-no-harm",
        ),
        pytest.param(
            [Case(signer="untrusted"), Case(payload={"iat": 1}), Case(header={"a": 1})],
            [Reason.CREDENTIAL_UNTRUSTED, Reason.STALE, Reason.VERIFIED],
            2,
            id="order-does-not-matter",
        ),
        pytest.param(
            [
                Case(header={"ppt": "x"}),
                Case(header={"typ": "x"}),
                Case(signer="other"),
            ],
            [Reason.UNSUPPORTED_PPT, Reason.MALFORMED, Reason.NOT_AUTHORIZED],
            2,
            id="the-failure-that-got-furthest",
        ),
        pytest.param(
            [Case(payload={"msgi": ABSENT}), Case(signer="absent")],
            [Reason.NO_MSGI, Reason.CREDENTIAL_UNAVAILABLE],
            0,
            id="policy-knows-more-than-a-failed-fetch",
        ),
        pytest.param(
            [Case(header={"ppt": "shaken"}), Case(header={"ppt": "rcd"})],
            [Reason.UNSUPPORTED_PPT, Reason.UNSUPPORTED_PPT],
            0,
            id="calls-alone",
        ),
    ],
)
@pytest.mark.conformance("H-07", "V-01", "V-02", "V-13", "V-14")
def test_best_informed_result_speaks_and_all_are_kept(
    world: World, cases: Sequence[Case], reasons: Sequence[Reason], speaks: int
) -> None:
    values = [world.token(c.signer, c.header, c.payload) for c in cases]

    found = world.verifier().verify(message(), values, NOW)

    assert [result.reason for result in found.passports] == reasons
    assert found.result is found.passports[speaks]
