from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from stirmilter.stir.msgi import BodyDigester
from stirmilter.stir.result import BodyMatch
from tests.laboratory import BODY, NOW, message
from tests.services.world import Case, World
from tests.stir.tokens import ABSENT


@pytest.mark.parametrize(
    ("body", "form"),
    [
        pytest.param(BODY, "exact", id="untouched"),
        pytest.param(BODY + b"\r\n", "simple", id="empty-line-added"),
        pytest.param(BODY[:-2], "simple", id="final-crlf-dropped"),
        pytest.param(b"x" + BODY, "altered", id="octet-added"),
    ],
)
@pytest.mark.conformance("M-16", "M-17")
def test_result_tells_the_form_of_the_body(
    world: World, body: bytes, form: BodyMatch
) -> None:
    found, _ = Case(message={"body": body}).run(world)

    assert found.result.msgi == form
    assert found.result.passed == (form != "altered")


def test_result_without_msgi_says_so(world: World) -> None:
    found, _ = Case(payload={"msgi": ABSENT}).run(world)

    assert found.result.msgi == "absent"


@pytest.mark.parametrize(
    ("payloads", "needed"),
    [
        pytest.param([], set(), id="no-token"),
        pytest.param([{}], {"sha256"}, id="one"),
        pytest.param([{"msgi": ABSENT}], set(), id="no-msgi"),
        pytest.param([{"msgi": "md5-x"}, {}], {"sha256"}, id="malformed"),
        pytest.param(
            [{"msgi": str(message().body.value("sha512"))}, {}],
            {"sha256", "sha512"},
            id="two-algorithms",
        ),
        pytest.param(
            [{"msgi": ABSENT}] * 8 + [{}], set(), id="the-ninth-is-not-judged"
        ),
    ],
)
def test_digests_are_named_before_the_body(
    world: World, payloads: Sequence[Mapping[str, object]], needed: set[str]
) -> None:
    values = [world.token("one", payload=payload) for payload in payloads]

    assert world.verifier().algorithms(values) == needed


@pytest.mark.conformance("M-02")
def test_digests_of_calls_are_not_needed(world: World) -> None:
    value = world.token("one", header={"ppt": "shaken"})

    assert world.verifier().algorithms([value, "rubbish"]) == set()


@pytest.mark.parametrize("algorithm", ["sha256", "sha384", "sha512"])
@pytest.mark.conformance("M-04")
def test_the_digests_named_are_enough(world: World, algorithm: str) -> None:
    payload = {"msgi": str(message().body.value(algorithm))}
    service, value = world.verifier(), world.token("one", payload=payload)
    digester = BodyDigester(service.algorithms([value]))
    digester.update(BODY)
    there = replace(message(), body=digester.finish())

    assert service.verify(there, [value], NOW).result.passed
