"""The sample of an out-of-band draft: two access tokens and a PASSporT, badly signed.

Its key was left out of the folder, so what can be shown is who did not sign.
"""

import json
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from stirmilter.stir import jws
from stirmilter.stir.msgi import Digest, digest_body
from stirmilter.stir.result import Reason, Unverified
from tests.stir.tokens import KEY, forge
from tests.stir.vectors import reason_of, table
from tests.vectors.p256 import signers

NAMES = ["publish_access_jwt", "retrieve_access_jwt", "passport"]


def sample(vectors: Path) -> dict[str, Any]:
    content = table(vectors / "oob" / "vesper-oob.json")
    [passport] = content["publish_body"]["passports"]
    return {**content, "passport": passport}


def verifies(token: str, other: str) -> bool:
    """Tell whether a token was signed by who could have signed another."""
    signing_input, _, text = token.rpartition(".")
    found = []
    for key in signers(other):
        try:
            jws.verify(signing_input.encode(), jws.b64url_decode(text), key)
        except Unverified:
            continue
        found.append(key)
    return bool(found)


def test_the_signer_is_among_those_who_could_have_signed() -> None:
    assert KEY.public_key() in signers(forge())
    assert verifies(forge(), forge({"x5u": "https://certs.example/b.pem"}))


@pytest.mark.parametrize("name", NAMES)
def test_each_token_verifies_with_a_key_of_its_own(vectors: Path, name: str) -> None:
    token = sample(vectors)[name]

    assert verifies(token, token)


def test_no_two_of_the_tokens_have_a_signer_in_common(vectors: Path) -> None:
    """The draft gives one key for all, and its own checks found one token good."""
    content = sample(vectors)

    common = {
        (one, other)
        for one, other in permutations(NAMES, 2)
        if verifies(content[one], content[other])
    }

    assert common == set()
    assert [name for name in content["checks"] if content["checks"][name] == "OK"] == [
        "publish_access_signature"
    ]


@pytest.mark.parametrize("name", NAMES)
def test_none_of_the_tokens_vouches_for_a_message(vectors: Path, name: str) -> None:
    assert reason_of(sample(vectors)[name]) is Reason.UNSUPPORTED_PPT


@pytest.mark.parametrize(
    "spell",
    [
        pytest.param(lambda content: content["passport"], id="the-token"),
        pytest.param(
            lambda content: json.dumps([content["passport"]], separators=(",", ":")),
            id="an-array",
        ),
        pytest.param(lambda content: json.dumps([content["passport"]]), id="spaced"),
        pytest.param(lambda content: json.dumps(content["publish_body"]), id="body"),
    ],
)
def test_the_digest_of_the_passports_is_well_formed_and_of_nothing(
    vectors: Path,
    spell: Any,  # noqa: ANN401
) -> None:
    content = sample(vectors)
    claims = json.loads(jws.b64url_decode(content["publish_access_jwt"].split(".")[1]))

    digest = Digest.parse(claims["passports"])

    assert digest.algorithm == "sha256"
    assert digest_body(spell(content).encode()).match(digest) is None
    assert not content["checks"]["passports_digest_equals_sha256_of_compact_json_array"]
