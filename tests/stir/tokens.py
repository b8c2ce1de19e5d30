"""Tokens that say and hold anything, signed all the same."""

import json
from collections.abc import Mapping
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec

from stirmilter.stir import jws
from stirmilter.stir.msgi import digest_body
from tests.laboratory import ALICE, BOB, BODY, NOW, X5U

ABSENT: Final = object()
"""As the value of a member: leave it out."""

KEY: Final = ec.derive_private_key(0x5EED, ec.SECP256R1())
SIGNING_KEY: Final = jws.SoftwareKey(KEY)
P256_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551

IAT: Final = int(NOW.timestamp())
MSGI: Final = str(digest_body(BODY).value())
HEADER: Final = {"alg": "ES256", "ppt": "msg", "typ": "passport", "x5u": f"{X5U}a.pem"}
PAYLOAD: Final = {
    "dest": {"tn": [BOB]},
    "iat": IAT,
    "msgi": MSGI,
    "orig": {"tn": ALICE},
}


def seal(header: bytes, payload: bytes, key: ec.EllipticCurvePrivateKey = KEY) -> str:
    """Sign two parts, whatever they are."""
    signing_input = f"{jws.b64url_encode(header)}.{jws.b64url_encode(payload)}"
    signature = jws.SoftwareKey(key).sign(signing_input.encode())
    return f"{signing_input}.{jws.b64url_encode(signature)}"


def forge(
    header: Mapping[str, object] | None = None,
    payload: Mapping[str, object] | None = None,
    key: ec.EllipticCurvePrivateKey = KEY,
) -> str:
    """Sign the usual header and payload with these members changed."""
    return seal(
        _dump({**HEADER, **(header or {})}), _dump({**PAYLOAD, **(payload or {})}), key
    )


def twin(token: str) -> str:
    """Return the other token that verifies: (R, n - S) for (R, S)."""
    signing_input, _, text = token.rpartition(".")
    signature = jws.b64url_decode(text)
    s = P256_ORDER - int.from_bytes(signature[32:], "big")
    return (
        f"{signing_input}.{jws.b64url_encode(signature[:32] + s.to_bytes(32, 'big'))}"
    )


def _dump(part: Mapping[str, object]) -> bytes:
    return json.dumps({k: v for k, v in part.items() if v is not ABSENT}).encode()
