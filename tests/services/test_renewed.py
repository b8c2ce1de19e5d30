"""A signer that renews under its old URL: another chain is asked for, and counts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from cryptography import x509

from stirmilter.errors import FetchError
from stirmilter.services import Verification, VerificationPolicy, VerificationService
from stirmilter.stir import credential
from stirmilter.stir.result import Reason
from stirmilter.stores.replay import MemoryReplayStore
from tests.laboratory import BOB, CAROL, NOW, X5U, message
from tests.services.forwarders import MSG, with_forwarders
from tests.services.world import World

Chain = tuple[x509.Certificate, ...]

URL = f"{X5U}one.pem"
HEADER = {"x5u": URL}
GOOD = Reason.VERIFIED
BAD = Reason.BAD_SIGNATURE
NOTE = "the x5u serves another chain than before"


@dataclass
class Changing:
    """A repository that keeps the chain of ``one``, until it is asked again."""

    world: World
    name: str = "range"
    """Whose chain is served by now, if any."""

    broken: Exception | None = None
    """What the repository answers once it was asked again."""

    asked: list[tuple[str, float]] = field(default_factory=list)
    kept: dict[str, Chain] = field(default_factory=dict)

    def chain(self, x5u: str) -> Chain:
        if self.broken and self.asked:
            raise self.broken
        if x5u not in self.kept:
            self.kept[x5u] = self.read(x5u.removeprefix(X5U).removesuffix(".pem"))
        return self.kept[x5u]

    def read(self, name: str) -> Chain:
        path = self.world.folder / f"{name}.pem"
        return credential.load_chain(path.read_bytes())

    def again(self, x5u: str, seconds: float) -> None:
        self.asked.append((x5u, seconds))
        if self.name:
            self.kept[x5u] = self.read(self.name)


def service(
    repository: Changing,
    **policy: Any,  # noqa: ANN401
) -> VerificationService:
    return VerificationService(
        repository=repository,
        anchors=repository.world.trusted,
        replays=MemoryReplayStore(),
        policy=VerificationPolicy(**policy),
        again=repository.again,
    )


def judge(
    repository: Changing,
    signer: str = "range",
    payload: Mapping[str, object] | None = None,
    **policy: Any,  # noqa: ANN401
) -> Verification:
    """Judge a token that names the URL of ``one``, whoever signs it."""
    value = repository.world.token(signer, HEADER, payload)
    return service(repository, **policy).verify(message(), [value], NOW)


def test_a_token_of_the_new_key_passes(world: World) -> None:
    repository = Changing(world)

    found = judge(repository).result

    assert found.reason is GOOD
    assert found.notes == (NOTE,)
    assert found.credential
    assert found.credential.certificate == repository.read("range")[0]
    [(url, seconds)] = repository.asked
    assert url == URL
    assert 0 < seconds <= 5


def test_the_next_token_needs_no_question(world: World) -> None:
    repository = Changing(world)
    asking = service(repository)
    for number in range(3):
        value = world.token("range", HEADER)
        sent = message(delivery=str(number))
        assert asking.verify(sent, [value], NOW).result.reason is GOOD

    assert len(repository.asked) == 1


def test_nobody_is_asked_without_a_way_to(world: World) -> None:
    repository = Changing(world)
    value = world.token("range", HEADER)
    verifier = world.verifier(repository=repository)

    assert verifier.verify(message(), [value], NOW).result.reason is BAD
    assert repository.asked == []


@pytest.mark.parametrize(
    ("name", "broken"),
    [
        pytest.param("", None, id="nothing-comes"),
        pytest.param("one", None, id="the-same-comes"),
        pytest.param("", FetchError("forgotten meanwhile"), id="it-is-lost-meanwhile"),
    ],
)
def test_without_another_chain_the_verdict_stays(
    world: World, name: str, broken: Exception | None
) -> None:
    repository = Changing(world, name, broken)

    found = judge(repository).result

    assert found.reason is BAD
    assert found.notes == ()
    assert found.authority == "tn"
    assert found.credential
    assert found.credential.certificate == Changing(world).chain(URL)[0]
    assert len(repository.asked) == 1


@pytest.mark.parametrize(
    ("name", "signer", "reason"),
    [
        pytest.param("range", "spc", BAD, id="signed-with-neither-key"),
        pytest.param("range", "one", GOOD, id="signed-with-the-old-key"),
        pytest.param("other", "range", Reason.NOT_AUTHORIZED, id="of-other-numbers"),
        pytest.param("expired", "expired", Reason.CREDENTIAL_EXPIRED, id="of-then"),
    ],
)
def test_a_token_is_judged_with_the_chain_that_is_there(
    world: World, name: str, signer: str, reason: Reason
) -> None:
    """Once, and by that one alone: nothing of the old one stays in the evidence."""
    repository = Changing(world, name)

    found = judge(repository, signer).result

    assert found.reason is reason
    if signer == "one":
        assert repository.asked == []
        return
    assert len(repository.asked) == 1
    assert found.notes == (NOTE,)
    if found.credential is None:
        assert found.authority == "none"
    else:
        assert found.credential.certificate == repository.read(name)[0]


def test_a_token_of_the_former_key_fails_once_the_new_chain_is_there(
    world: World,
) -> None:
    """Only the newest chain is kept: who wants both to count uses two URLs."""
    repository = Changing(world)
    assert judge(repository).result.reason is GOOD

    assert judge(repository, "one").result.reason is BAD
    assert len(repository.asked) == 2


def test_what_fails_before_the_signature_costs_no_question(world: World) -> None:
    repository = Changing(world)

    for payload in ({"dest": {"tn": [CAROL]}}, {"iat": 1}, {"orig": {"tn": BOB}}):
        assert not judge(repository, payload=payload).result.passed

    assert repository.asked == []


def test_a_signature_that_fits_costs_no_question(world: World) -> None:
    """Whatever else is wrong: the same key would be under another chain."""
    repository = Changing(world)
    value = world.token("other", {"x5u": f"{X5U}other.pem"})

    found = service(repository).verify(message(), [value], NOW).result

    assert found.reason is Reason.NOT_AUTHORIZED
    assert repository.asked == []


def test_a_certificate_of_no_use_is_no_reason_not_to_ask(world: World) -> None:
    """It is not for this number, and it is not what signed."""
    repository = Changing(world)
    repository.kept[URL] = repository.read("other")

    assert judge(repository).result.reason is GOOD


def test_a_chain_that_another_thread_has_fetched_counts(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It came between our look at the old one and our look at the signature."""
    repository = Changing(world)
    asking = service(repository)
    at = asking.credentials.at
    looked: list[object] = []

    def late(*arguments: Any) -> Any:  # noqa: ANN401
        looked.append(found := at(*arguments))
        repository.kept[URL] = repository.read("range")
        return found

    monkeypatch.setattr(asking.credentials, "at", late)
    found = asking.verify(message(), [world.token("range", HEADER)], NOW).result

    assert found.reason is GOOD
    assert len(looked) == 2
    assert repository.asked == []


def test_all_tokens_of_a_message_wait_within_one_patience(world: World) -> None:
    repository = Changing(world, name="")
    values = [
        world.token("range", HEADER),
        world.token("spc", {"x5u": f"{X5U}range.pem"}),
    ]

    found = service(repository, list_seconds=0.0).verify(message(), values, NOW)

    assert [one.reason for one in found.passports] == [BAD, BAD]
    assert [seconds for _, seconds in repository.asked] == [0.0, 0.0]


def test_a_url_beyond_those_that_a_message_may_name_is_not_asked(world: World) -> None:
    repository = Changing(world, name="")
    values = [
        world.token("range", HEADER),
        world.token("spc", {"x5u": f"{X5U}range.pem"}),
    ]

    service(repository, x5u=1).verify(message(), values, NOW)

    assert [url for url, _ in repository.asked] == [URL]


@pytest.fixture(scope="module")
def forwarding(world: World, tmp_path_factory: pytest.TempPathFactory) -> World:
    return with_forwarders(world, tmp_path_factory.mktemp("renewed"))


@pytest.mark.parametrize(
    ("name", "passed"),
    [pytest.param("bob-new", True, id="renewed"), pytest.param("", False, id="not")],
)
def test_whoever_diverts_may_renew_too(
    forwarding: World, name: str, *, passed: bool
) -> None:
    url = f"{X5U}bob.pem"
    repository = Changing(forwarding, name)
    repository.kept[url] = repository.read("bob")
    diverted = forwarding.token(
        "bob-new",
        {"ppt": "div", "x5u": url},
        {"dest": {"tn": [CAROL]}, "div": {"tn": BOB}},
    )

    found = service(repository).verify(
        message(dest=(CAROL,)), [MSG.write(forwarding), diverted], NOW
    )

    assert found.result.passed is passed
    assert [one.reason for one in found.passports] == (
        [GOOD, GOOD] if passed else [Reason.DEST_MISMATCH, BAD]
    )
    assert found.passports[1].notes == ((NOTE,) if passed else ())
    assert [asked for asked, _ in repository.asked] == [url]
