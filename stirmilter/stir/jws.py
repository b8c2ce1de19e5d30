"""ES256 and base64url, in exactly one spelling (RFC 7515, RFC 7518 §3.4).

The arithmetic is PyJWT's and cryptography's. What stands here pins it down: one
algorithm, one curve, one length, one text for each octet string.

Deviation: RFC 8225 §4.2 prefers deterministic ECDSA (RFC 6979). Then two messages with
the same numbers and body, sent within one second, would carry one and the same token,
and whoever watches for replays would refuse the second. Signatures are randomized.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Final, Protocol

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from jwt.algorithms import ECAlgorithm

from stirmilter.stir.result import Reason, Unverified

ALG: Final = "ES256"
SIGNATURE_OCTETS: Final = 64  # R and S, 32 octets each, never DER

_CURVE: Final = ec.SECP256R1.name
_ALPHABET: Final = re.compile(r"[A-Za-z0-9_-]*", re.ASCII)
# Whole groups of four have one spelling each. The last character of a shorter group has
# four or two bits left over, and those must be zero.
_LAST: Final = {2: "AQgw", 3: "AEIMQUYcgkosw048"}
_PADDING: Final = ("", "", "==", "=")
_ES256 = ECAlgorithm(SHA256, ec.SECP256R1)


class SigningKey(Protocol):
    """Signs for one public key; the private half may lie where no program reads it."""

    @property
    def public_key(self) -> ec.EllipticCurvePublicKey:
        """The P-256 key that its signatures are checked with."""
        ...

    def sign(self, signing_input: bytes) -> bytes:
        """Return the 64 octets R || S; R differs from one signature to the next.

        Raises:
            StoreError: what holds the key does not answer.
        """
        ...


class SoftwareKey:
    """A private key in our own memory."""

    __slots__ = ("private", "public_key")

    def __init__(self, private: object) -> None:
        """Take a key that ES256 may use.

        Raises:
            ValueError: it is none.
        """
        if not isinstance(private, ec.EllipticCurvePrivateKey) or not is_p256(private):
            raise ValueError("not a P-256 key, which ES256 needs")
        self.private = private
        self.public_key = private.public_key()

    def sign(self, signing_input: bytes) -> bytes:
        """Return the 64 octets R || S."""
        return _ES256.sign(signing_input, self.private)


def b64url_encode(octets: bytes) -> str:
    """Encode as base64url without padding (RFC 7515 §2)."""
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode("ascii")


def b64url_decode(text: str) -> bytes:
    """Decode base64url, accepting exactly one spelling of each octet string.

    Padding, line breaks, the standard alphabet and stray trailing bits all fail: a
    second spelling of the same token would be a second key in the replay store.

    Raises:
        Unverified: `Reason.MALFORMED`.
    """
    left = len(text) % 4
    if _ALPHABET.fullmatch(text) is None or left == 1:
        raise Unverified(Reason.MALFORMED, "not base64url", "RFC 7515 §2")
    if left and text[-1] not in _LAST[left]:
        detail = "base64url: not the canonical spelling"
        raise Unverified(Reason.MALFORMED, detail, "RFC 4648 §3.5")
    standard = text.replace("-", "+").replace("_", "/")
    return binascii.a2b_base64(standard + _PADDING[left])


def is_p256(key: object) -> bool:
    """Tell whether `key`, public or private, is one that ES256 may use."""
    return isinstance(
        key, ec.EllipticCurvePublicKey | ec.EllipticCurvePrivateKey
    ) and isinstance(key.curve, ec.SECP256R1)


def verify(
    signing_input: bytes, signature: bytes, key: ec.EllipticCurvePublicKey
) -> None:
    """Check a signature over the octets as they were received (RFC 7515 §5.2).

    Raises:
        Unverified: `Reason.BAD_SIGNATURE`; also for a key that is not on P-256, which
            `credential` has refused before this.
    """
    # The type of the key was checked where it was read; the curve costs nothing.
    if key.curve.name != _CURVE or not _ES256.verify(signing_input, key, signature):
        raise Unverified(
            Reason.BAD_SIGNATURE,
            "the key of the certificate did not sign",
            "RFC 8224 §6.2 step 5",
        )
