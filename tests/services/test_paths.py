"""A validated path is remembered, and judged again where that could matter."""

from dataclasses import dataclass, field

import pytest
from cryptography import x509

from stirmilter.haste import TakesLong, haste
from stirmilter.services import VerificationService
from stirmilter.stir.result import Reason
from tests.laboratory import NOW, X5U, FolderRepository, message
from tests.services.world import HOUR, MINUTE, World
from tests.stir.tokens import IAT

EXPIRED = Reason.CREDENTIAL_EXPIRED
GOOD = Reason.VERIFIED


@dataclass
class Kept:
    """A repository that returns the chain that it has, as the store does."""

    behind: FolderRepository
    chains: dict[str, tuple[x509.Certificate, ...]] = field(default_factory=dict)

    def chain(self, x5u: str) -> tuple[x509.Certificate, ...]:
        if x5u not in self.chains:
            self.chains[x5u] = self.behind.chain(x5u)
        return self.chains[x5u]


def keeping(world: World, **policy: int) -> VerificationService:
    repository = Kept(FolderRepository(world.folder))
    return world.verifier(repository=repository, policy=policy)


def reason(service: VerificationService, world: World, name: str, iat: int) -> Reason:
    """Judge a token of the signer whose certificate expires in an hour."""
    value = world.token(name, payload={"iat": iat})
    sent = message(delivery=f"{name} {iat}")
    return service.verify(sent, [value], NOW + HOUR + MINUTE).result.reason


@pytest.mark.conformance("V-12")
@pytest.mark.parametrize(
    ("times", "expected"),
    [
        pytest.param((0, 0), [GOOD, GOOD], id="twice-while-valid"),
        pytest.param((0, 3600), [GOOD, GOOD], id="up-to-the-last-second"),
        pytest.param((0, 3601), [GOOD, EXPIRED], id="after-it-has-expired"),
        pytest.param((3601, 0), [EXPIRED, GOOD], id="while-it-was-valid"),
        pytest.param((0, 3601, 0), [GOOD, EXPIRED, GOOD], id="in-between"),
    ],
)
def test_a_remembered_path_is_held_against_each_iat(
    world: World, times: tuple[int, ...], expected: list[Reason]
) -> None:
    service = keeping(world)

    found = [reason(service, world, "short", IAT + later) for later in times]

    assert found == expected


def test_a_chain_that_was_replaced_is_validated(world: World) -> None:
    """The same URL, another certificate: nothing of the first one counts."""
    service = keeping(world)
    assert isinstance(service.credentials.repository, Kept)
    assert reason(service, world, "one", IAT) is GOOD

    chains = service.credentials.repository.chains
    chains[f"{X5U}one.pem"] = service.credentials.repository.behind.chain(
        f"{X5U}untrusted.pem"
    )

    assert reason(service, world, "one", IAT + 1) is Reason.CREDENTIAL_UNTRUSTED


def test_only_so_many_paths_are_remembered(world: World) -> None:
    service = keeping(world, paths=2)

    for number, name in enumerate(["one", "range", "spc", "short", "one"]):
        assert reason(service, world, name, IAT + number) is GOOD
        assert len(service.credentials._paths) <= 2


def test_paths_that_need_no_validation_are_counted(world: World) -> None:
    service = keeping(world)
    paths = service.credentials

    for _ in range(3):
        reason(service, world, "one", IAT)

    assert (paths.hits, paths.misses, paths.entries) == (2, 1, 1)


def test_a_path_that_was_refused_is_not_remembered(world: World) -> None:
    service = keeping(world)

    for later in range(2):
        found = reason(service, world, "untrusted", IAT + later)
        assert found is Reason.CREDENTIAL_UNTRUSTED

    assert not service.credentials._paths


def test_only_a_path_that_is_known_is_judged_in_haste(world: World) -> None:
    service = keeping(world)
    for name in ("one", "range"):
        with pytest.raises(TakesLong), haste():
            reason(service, world, name, IAT)
    paths = service.credentials
    assert (paths.hits, paths.misses, paths.entries) == (0, 0, 0)

    assert reason(service, world, "short", IAT) is GOOD
    with haste():
        assert reason(service, world, "short", IAT) is GOOD
    with pytest.raises(TakesLong), haste():  # another time to validate it at
        reason(service, world, "short", IAT + 3601)
    assert paths.misses == 1
