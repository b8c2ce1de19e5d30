"""Keys of signatures: records in the DNS and what they allow (RFC 6376 §3.6).

How the question ended is part of the answer, so "there is no key" and "nobody could
say" are never mixed up.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final, Literal

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from stirmilter.mail.checks import taglist
from stirmilter.mail.checks.dns import Resolver
from stirmilter.mail.checks.signature import Signature
from stirmilter.mail.checks.taglist import Refused
from stirmilter.mail.checks.verification import DkimLimits
from stirmilter.mail.results import BUDGET
from stirmilter.stir.remembering import remembered

Kind = Literal["rsa", "ed25519"]

_PADDING: Final = PKCS1v15()
_DIGEST: Final = Prehashed(SHA256())

_EXPONENT_BITS: Final = 64
"""OpenSSL's own limit for keys over 3072 bits (OPENSSL_RSA_MAX_PUBEXP_BITS), held
against all. The owner of a key chooses its exponent: one as long as the modulus makes
each verification a hundred times dearer. No setting: a wider one would not count where
OpenSSL refuses, a narrower one has no use, since keys in use have 17 bits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRecord:
    """A key and what its owner allows."""

    key: RSAPublicKey | Ed25519PublicKey
    testing: bool = False
    """``t=y``: the domain tries DKIM out."""

    strict: bool = False
    """``t=s``: ``i=`` may not be of a subdomain."""

    @property
    def kind(self) -> Kind:
        """As ``k=`` and the beginning of ``a=`` name it."""
        return "rsa" if isinstance(self.key, RSAPublicKey) else "ed25519"

    def verifies(self, octets: bytes, signed: bytes) -> bool:
        """Check a signature over `signed` (RFC 8017 §8.2.2, RFC 8463 §3)."""
        digest = hashlib.sha256(signed).digest()
        try:
            if isinstance(self.key, RSAPublicKey):
                self.key.verify(octets, digest, _PADDING, _DIGEST)
            else:
                self.key.verify(octets, digest)
        except InvalidSignature:
            return False
        return True


class Keys:
    """The keys that one message needs, each asked for once."""

    def __init__(self, resolver: Resolver, limits: DkimLimits) -> None:
        """Trust RSA keys of the lengths that `limits` gives."""
        self._resolver = resolver
        self._sizes = range(limits.shortest_key, limits.longest_key + 1)
        self._records = limits.key_records
        self._known: dict[str, KeyRecord | Refused] = {}

    def of(self, signature: Signature) -> KeyRecord:
        """Return the key that a signature names (§6.1.2).

        Raises:
            Refused: ``temperror`` if the DNS has no answer now, ``permerror`` if there
                is no usable key, ``policy`` if it is one that we do not trust.
        """
        name = signature.key_name
        if name not in self._known:
            self._known[name] = self._ask(name)
        found = self._known[name]
        if isinstance(found, Refused):
            raise Refused(found.word, found.reason)
        if not signature.algorithm.startswith(found.kind):
            raise Refused("permerror", "key-of-another-algorithm")
        if isinstance(found.key, RSAPublicKey):
            self._check_size(found.key.key_size)
        return found

    def _check_size(self, bits: int) -> None:
        if bits < self._sizes.start:
            raise Refused("policy", "short-key")
        if bits not in self._sizes:
            raise Refused("policy", "long-key")

    def _ask(self, name: str) -> KeyRecord | Refused:
        """Return the first usable record, or why the first of them is not."""
        answer = self._resolver.ask(name, "TXT")
        match answer.outcome:
            case "temporary":
                spent = answer.cause == "spent"
                return Refused("temperror", BUDGET if spent else "dns")
            case "malformed":
                return Refused("permerror", "malformed-key")
            case "no-data" | "no-name":
                return Refused("permerror", "no-key")
        refusals = [Refused("permerror", "no-key")]
        for record in answer.records[: self._records]:
            try:
                return read(record)
            except Refused as refused:
                refusals.append(refused)
        return refusals[:2][-1]


@remembered(2_048)
def read(record: str) -> KeyRecord:
    """Read a key record (§3.6.1); the last few good ones are remembered.

    Raises:
        Refused: ``permerror``.
    """
    tags = taglist.parse(record.encode("latin-1", "replace"), "malformed-key")
    if tags.get("v", b"DKIM1") != b"DKIM1" or "p" not in tags:
        raise Refused("permerror", "malformed-key")
    if not tags["p"]:
        raise Refused("permerror", "key-revoked")
    if "sha256" not in taglist.items(tags.get("h", b"sha256")):
        raise Refused("permerror", "key-for-another-hash")
    if not {"*", "email"} & set(taglist.items(tags.get("s", b"*"))):
        raise Refused("permerror", "key-for-another-service")
    flags = taglist.items(tags.get("t", b""))
    return KeyRecord(
        key=_public_key(tags.get("k", b"rsa"), tags["p"]),
        testing="y" in flags,
        strict="s" in flags,
    )


def _public_key(kind: bytes, encoded: bytes) -> RSAPublicKey | Ed25519PublicKey:
    """Decode ``p=``: RFC 8463 §4, or both of the forms of RSA keys in use.

    RFC 6376 §3.6.1 means a SubjectPublicKeyInfo and says RSAPublicKey (erratum 3017).
    """
    try:
        octets = taglist.decode_base64(encoded)
        if kind == b"ed25519":
            return Ed25519PublicKey.from_public_bytes(octets)
        if kind != b"rsa":
            raise Refused("permerror", "unsupported-key-type")
        key = load_der_public_key(octets)
        if (
            isinstance(key, RSAPublicKey)
            and key.public_numbers().e.bit_length() <= _EXPONENT_BITS
        ):
            return key
    except (ValueError, UnsupportedAlgorithm):
        pass
    raise Refused("permerror", "malformed-key")
