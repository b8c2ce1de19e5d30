"""Our own DKIM signature over what we send (RFC 6376 §5, RFC 8463).

``msgi`` binds the body to the PASSporT and leaves the header open: who may change
Content-Type may show another message (docs/profile.md). So what gives the message its
meaning is signed, and sealed: named once more than it occurs, so that none can be
added (§5.4, §8.15). It comes last, over the fields that we insert as well.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)

from stirmilter.errors import SigningError
from stirmilter.mail.authres import FOLD_AT
from stirmilter.mail.checks.block import HeaderBlock
from stirmilter.mail.checks.canonical import BodyForm, Canonicalization, HashedBody
from stirmilter.mail.checks.signature import to_a_labels
from stirmilter.mail.checks.verification import signed_octets
from stirmilter.mail.transaction import Header, Insertion

NAME: Final = "DKIM-Signature"

NAMES: Final = (
    "From",
    "To",
    "Cc",
    "Date",
    "Subject",
    "Message-ID",
    "PASSporT",
    "MIME-Version",
    "Content-Type",
    "Content-Transfer-Encoding",
    "X-Mms-Message-Type",
    "X-Mms-Message-ID",
    "X-Mms-Transaction-ID",
    "X-Mms-*",
)
"""What is signed; a name with a star stands for all that occur and begin so. Of those
none can be added to, but one of another name can: the others are named in full."""

ADDED_BY_RELAYS: Final = frozenset({"date", "message-id"})
"""Not sealed while they are absent: Postfix adds them behind us."""

_SHORTEST: Final = 1024  # bits (RFC 8301 §3.2: signers should use 2048)
_NAME: Final = re.compile(r"[a-z0-9-]{1,64}", re.ASCII)
_STRING: Final = 255  # octets of a character string (RFC 1035 §3.3)

PrivateKey = RSAPrivateKey | Ed25519PrivateKey


def read_key(octets: bytes) -> PrivateKey:
    """Read a private key in PEM, RSA or Ed25519, without passphrase.

    Raises:
        ValueError: it is none, or too short for anybody to trust (RFC 8301 §3.2).
    """
    try:
        key = load_pem_private_key(octets, None)
    except (TypeError, UnsupportedAlgorithm) as error:
        raise ValueError(str(error)) from None
    if isinstance(key, RSAPrivateKey) and key.key_size < _SHORTEST:
        raise ValueError(f"an RSA key of {key.key_size} bits, fewer than {_SHORTEST}")
    if isinstance(key, PrivateKey):
        return key
    raise ValueError("neither an RSA nor an Ed25519 key")


def character_strings(text: str) -> str:
    """Quote the text of a TXT record as a zone file wants it (RFC 6376 §3.6.2.2).

    A key of 2048 bits is longer than one string may be; name servers refuse the file.
    """
    pieces = [text[at : at + _STRING] for at in range(0, len(text), _STRING)]
    return " ".join(f'"{piece}"' for piece in pieces)


@dataclass(frozen=True, slots=True, kw_only=True)
class DkimSigner:
    """Signs as one domain with one key; safe between threads."""

    domain: str
    selector: str
    key: PrivateKey
    names: tuple[str, ...] = NAMES
    header_form: Canonicalization = "relaxed"
    body_form: Canonicalization = "relaxed"
    lifetime: timedelta | None = None
    """Until ``x=``; None is for ever."""

    names_octets: int = 4096
    """Of ``h=``, without folds: verifiers read no field of any length."""

    def __post_init__(self) -> None:
        """Refuse what no verifier would accept.

        Raises:
            ValueError: domain, selector or a field is no name, or From is not signed.
        """
        for name in self.names:
            if not _NAME.fullmatch(name.lower().removesuffix("*")):
                raise ValueError(f"{name!r} is no name of a field")
        to_a_labels(f"{self.selector}._domainkey.{self.domain}")
        if "from" not in map(str.lower, self.names):
            raise ValueError("From must be signed (RFC 6376 §5.4)")

    @property
    def algorithm(self) -> str:
        """As ``a=`` names it."""
        kind = "rsa" if isinstance(self.key, RSAPrivateKey) else "ed25519"
        return f"{kind}-sha256"

    @property
    def body(self) -> BodyForm:
        """What must be hashed of the body; for `BodyHashes`."""
        return BodyForm(self.body_form, "sha256")

    @property
    def record(self) -> tuple[str, str]:
        """Name and text of the TXT record that verifiers look for (§3.6.1)."""
        public = self.key.public_key()
        if isinstance(self.key, RSAPrivateKey):
            octets = public.public_bytes(
                Encoding.DER, PublicFormat.SubjectPublicKeyInfo
            )
        else:
            octets = public.public_bytes(Encoding.Raw, PublicFormat.Raw)
        kind = self.algorithm.partition("-")[0]
        name = to_a_labels(f"{self.selector}._domainkey.{self.domain}")
        return name, f"v=DKIM1; k={kind}; p={_base64(octets)}"

    def sign(
        self,
        headers: Sequence[Header],
        inserted: Iterable[Insertion],
        body: HashedBody,
        now: datetime,
    ) -> Insertion:
        """Sign a message as it will leave us.

        Args:
            headers: the message's, without what will be removed.
            inserted: fields that will stand above them, topmost first.
            body: holds the digest of `self.body`.
            now: aware time of signing.

        Raises:
            SigningError: not a failure: the message has no From, or more fields to
                sign than a verifier would read.
        """
        fields = [*(_header(one) for one in inserted), *headers]
        signed = self._signed(HeaderBlock(fields))
        unsigned = _fold(
            [
                "v=1;",
                f"a={self.algorithm};",
                f"c={self.header_form}/{self.body_form};",
                f"d={to_a_labels(self.domain)};",
                f"s={to_a_labels(self.selector)};",
                *self._times(now),
                *_listed("h=", signed),
                f"bh={_base64(body.digests[self.body])};",
                "b=",
            ]
        )
        block = HeaderBlock([_header(Insertion(NAME, unsigned)), *fields])
        chosen = block.select(signed, but=0)
        octets = signed_octets(block, chosen.places, 0, self.header_form)
        return Insertion(NAME, unsigned + _wrapped(_base64(self._sign(octets))))

    def _signed(self, block: HeaderBlock) -> list[str]:
        """Return ``h=``: each name as often as it occurs, and once more.

        Raises:
            SigningError: see `sign`.
        """
        if not block.places("from"):
            raise SigningError("no-from", "DKIM signs none but authors")
        present = block.names
        names: list[str] = []
        for name in map(str.lower, self.names):
            if name.endswith("*"):
                names += sorted(
                    one
                    for one in present
                    if one.startswith(name[:-1]) and _NAME.fullmatch(one)
                )
            elif name in present or name not in ADDED_BY_RELAYS:
                names.append(name)
        signed = [
            name
            for name in dict.fromkeys(names)
            for _ in range(len(block.places(name)) + 1)
        ]
        if len(":".join(signed)) > self.names_octets:
            raise SigningError("too-many-fields", f"{len(signed)} to be signed")
        return signed

    def _times(self, now: datetime) -> list[str]:
        created = int(now.timestamp())
        if self.lifetime is None:
            return [f"t={created};"]
        return [
            f"t={created};",
            f"x={created + int(self.lifetime.total_seconds())};",
        ]

    def _sign(self, octets: bytes) -> bytes:
        digest = hashlib.sha256(octets).digest()
        if isinstance(self.key, RSAPrivateKey):
            return self.key.sign(digest, PKCS1v15(), Prehashed(SHA256()))
        return self.key.sign(digest)


def _header(field: Insertion) -> Header:
    """Return a field as it will be received, with the space that goes before it."""
    return Header(field.name, f" {field.value}".encode())


def _base64(octets: bytes) -> str:
    return base64.b64encode(octets).decode("ascii")


def _listed(tag: str, names: Sequence[str]) -> list[str]:
    """Spell a list so that it can be folded after each colon."""
    *most, last = names
    first, *rest = [*(f"{name}:" for name in most), f"{last};"]
    return [tag + first, *rest]


def _fold(words: Sequence[str]) -> str:
    """Join words, in lines below 78 columns; the last one stands alone."""
    lines = [""]
    room = FOLD_AT - len(f"{NAME}: ")
    for word in words[:-1]:
        glue = "" if not lines[-1] or lines[-1].endswith(":") else " "
        if lines[-1] and len(lines[-1]) + len(glue) + len(word) > room:
            lines.append(word)
            room = FOLD_AT - len("\t")
        else:
            lines[-1] += glue + word
    return "\n\t".join([*lines, words[-1]])


def _wrapped(text: str) -> str:
    """Cut a text that fills the rest of the line and more."""
    first = FOLD_AT - len("\tb=")
    pieces = [text[:first]]
    step = FOLD_AT - len("\t")
    pieces += [text[at : at + step] for at in range(first, len(text), step)]
    return "\n\t".join(pieces)
