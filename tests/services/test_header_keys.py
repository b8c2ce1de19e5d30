"""Keys and certificates that a token brings along are not looked at."""

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from stirmilter.stir import jws
from stirmilter.stir.result import Reason
from tests.laboratory import NOW, X5U, FolderRepository, message
from tests.services.world import World
from tests.stir.certificates import issue, leaf
from tests.stir.tokens import KEY, forge

URL = f"{X5U}one.pem"
THIEF = leaf(issue("thief", ca=True))


def jwk(key: ec.EllipticCurvePrivateKey) -> dict[str, str]:
    numbers = key.public_key().public_numbers()
    return {"kty": "EC", "crv": "P-256"} | {
        name: jws.b64url_encode(value.to_bytes(32, "big"))
        for name, value in (("x", numbers.x), ("y", numbers.y))
    }


def x5c(*chain: bytes) -> list[str]:
    return [base64.b64encode(der).decode() for der in chain]


def judge(world: World, token: str) -> tuple[Reason, list[str]]:
    """Return what was found, and what was fetched for it."""
    repository = FolderRepository(world.folder)
    service = world.verifier(repository=repository)
    return service.verify(message(), [token], NOW).result.reason, repository.fetched


@pytest.mark.conformance("C-18")
@pytest.mark.parametrize(
    "header",
    [
        pytest.param({"jwk": jwk(KEY)}, id="jwk"),
        pytest.param({"jku": f"{X5U}keys.json", "kid": "thief"}, id="jku"),
        pytest.param(
            {"x5c": x5c(THIEF.certificate.public_bytes(Encoding.DER))}, id="x5c"
        ),
    ],
)
def test_a_key_in_the_header_signs_for_nobody(
    world: World, header: dict[str, object]
) -> None:
    key = THIEF.key if "x5c" in header else KEY

    found = judge(world, forge({**header, "x5u": URL}, key=key))

    assert found == (Reason.BAD_SIGNATURE, [URL])


@pytest.mark.conformance("C-18")
def test_a_key_in_the_header_does_no_harm_either(world: World) -> None:
    header = {"jwk": jwk(KEY), "jku": f"{X5U}keys.json", "x5c": ["AAAA"]}

    found = judge(world, world.token("one", header=header))

    assert found == (Reason.VERIFIED, [URL])
