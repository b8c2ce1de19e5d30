"""Which credentials of ours were proven, in one small file.

A credential is proven when its x5u was seen to serve its chain. That is remembered, so
that a restart while the web server is down goes on signing, and for a while after the
credential was replaced: its tokens are still on their way.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, Self

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
)

from stirmilter.errors import StoreError
from stirmilter.stores import wholefile

_VERSION: Final = 1
QUEUED: Final = timedelta(days=5)
"""How long mail may wait in a queue (maximal_queue_lifetime of Postfix)."""

_MANY: Final = 1_000  # proofs, of keys of our own: a file of ours has an end
_NOT_OURS: Final = (
    KeyError,
    OverflowError,
    RecursionError,
    TypeError,
    UnsupportedAlgorithm,
    ValueError,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """One chain at one URL."""

    name: str
    """Of the signer that had it last, for people."""

    x5u: str
    chain: str
    """SHA-256 of the whole chain."""

    public_key: ec.EllipticCurvePublicKey
    proven: datetime
    fetched: bool
    """Whether the x5u was asked; not when ``sign.prove`` is off."""

    retired: datetime | None = None
    """When another took its place; None while it is used."""

    @classmethod
    def read(cls, table: dict[str, Any]) -> Self:
        """Read what `table` wrote; KeyError, TypeError, ValueError for the rest."""
        key = load_der_public_key(base64.b64decode(table["key"], validate=True))
        if not isinstance(key, ec.EllipticCurvePublicKey):
            raise TypeError("no key of ours")
        retired = table["retired"]
        return cls(
            name=str(table["name"]),
            x5u=str(table["x5u"]),
            chain=str(table["chain"]),
            public_key=key,
            proven=datetime.fromtimestamp(table["proven"], UTC),
            fetched=bool(table["fetched"]),
            retired=None if retired is None else datetime.fromtimestamp(retired, UTC),
        )

    def table(self) -> dict[str, Any]:
        """Return what is written: texts, whole seconds, the key as DER in base64."""
        key = self.public_key.public_bytes(
            Encoding.DER, PublicFormat.SubjectPublicKeyInfo
        )
        retired = None if self.retired is None else int(self.retired.timestamp())
        return {
            "name": self.name,
            "x5u": self.x5u,
            "chain": self.chain,
            "key": base64.b64encode(key).decode("ascii"),
            "proven": int(self.proven.timestamp()),
            "fetched": self.fetched,
            "retired": retired,
        }


@dataclass(frozen=True, slots=True)
class ProofFile:
    """The file; one process writes it, and others may read it at any time."""

    path: Path

    def load(self) -> tuple[Proof, ...]:
        """Return what is remembered: nothing, if there is no file yet.

        Raises:
            StoreError: the file cannot be read.
        """
        try:
            table = json.loads(self.path.read_bytes())
            if table["version"] != _VERSION:
                raise ValueError("of another version")
            return tuple(Proof.read(one) for one in table["proofs"])
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise StoreError(f"{self.path}: {error.strerror}") from None
        except _NOT_OURS:
            raise StoreError(f"{self.path}: not what we wrote") from None

    def save(self, proofs: Iterable[Proof]) -> None:
        """Write the file anew, all of it or nothing.

        Raises:
            StoreError: it cannot be written; what was there stays.
        """
        table = {"version": _VERSION, "proofs": [one.table() for one in proofs]}
        text = json.dumps(table, indent=1) + "\n"
        try:
            wholefile.replace(self.path, text.encode())
        except OSError as error:
            raise StoreError(f"{self.path}: {error.strerror}") from None


def recent(proofs: Iterable[Proof], since: datetime) -> tuple[Proof, ...]:
    """Leave out what was retired before `since`, and the oldest beyond a thousand."""
    kept = [p for p in proofs if p.retired is None or p.retired >= since]
    kept.sort(key=lambda proof: proof.retired or datetime.max.replace(tzinfo=UTC))
    return tuple(kept[-_MANY:])


def before(proofs: Iterable[Proof], x5u: str, chain: str) -> Proof | None:
    """Return the proof that a URL served another chain, if it did (RFC 8224 §7.3)."""
    return next((p for p in proofs if p.x5u == x5u and p.chain != chain), None)
