"""Public keys out of signatures: who could have signed, when the key is not told.

An ECDSA signature over known octets fits two keys, and they can be computed (SEC 1
§4.1.6). A second signature by the same signer fits one of them.
"""

from hashlib import sha256
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec

from stirmilter.stir import jws
from tests.stir.tokens import P256_ORDER

_P: Final = 2**256 - 2**224 + 2**192 + 2**96 - 1
Point = tuple[int, int]


def signers(token: str) -> list[ec.EllipticCurvePublicKey]:
    """Return the two keys that a token in full form verifies with."""
    signing_input, _, text = token.rpartition(".")
    signature = jws.b64url_decode(text)
    r, s = (int.from_bytes(half, "big") for half in (signature[:32], signature[32:]))
    e = int.from_bytes(sha256(signing_input.encode()).digest(), "big")
    inverse = pow(r, -1, P256_ORDER)
    found = []
    for sign in (b"\x02", b"\x03"):
        point = _point(
            ec.EllipticCurvePublicKey.from_encoded_point(
                ec.SECP256R1(), sign + signature[:32]
            )
        )
        base = ec.derive_private_key(-e * inverse % P256_ORDER, ec.SECP256R1())
        x, y = _add(_times(s * inverse % P256_ORDER, point), _point(base.public_key()))
        found.append(ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key())
    return found


def _point(key: ec.EllipticCurvePublicKey) -> Point:
    numbers = key.public_numbers()
    return numbers.x, numbers.y


def _add(one: Point, other: Point) -> Point:
    """Add two points that are not each other's negative."""
    (x1, y1), (x2, y2) = one, other
    if one == other:
        slope = (3 * x1 * x1 - 3) * pow(2 * y1, -1, _P)
    else:
        slope = (y2 - y1) * pow(x2 - x1, -1, _P)
    x = (slope * slope - x1 - x2) % _P
    return x, (slope * (x1 - x) - y1) % _P


def _times(factor: int, point: Point) -> Point:
    """Double and add, from the highest bit of a factor that is not zero."""
    result = point
    for bit in f"{factor:b}"[1:]:
        result = _add(result, result)
        if bit == "1":
            result = _add(result, point)
    return result
