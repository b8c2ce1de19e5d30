"""A small document from the web as it is kept, and what its kind is held to."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from stirmilter.stores.response import Response

RECORD_OCTETS: Final = 2_048
"""Most that a record holds besides the body: a part of its form, as the validators'
lengths below are."""

_AHEAD: Final = 60.0
"""Seconds by which the clocks of relays that share a store may differ."""

_VALIDATOR: Final = re.compile(r"[\x20-\x7e]{0,512}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """What one kind of document is, and for how long it may be kept, in seconds."""

    name: str
    octets: int
    """Greatest size."""

    check: Callable[[bytes], object]
    """Raises StirmilterError for what must not be kept."""

    replaces: Callable[[bytes], object] = lambda _: None
    """Raises StirmilterError for what must not take the place of one that is fresh."""

    shared: Callable[[bytes], bool] | None = lambda _: True
    """Whether a document is worth a place in what workers or relays share; None keeps
    this kind out of there, coming and going."""

    accept: str = "*/*"
    """Media types to ask for."""

    floor: float = 3_600.0
    """Least time for which a document is used again, whatever its server says."""

    default: float = 86_400.0
    """The time when its server says nothing (ATIS-1000074)."""

    ceiling: float = 604_800.0
    """Greatest time, whatever its server says."""

    failure: float = 30.0
    """How long a failure is remembered."""

    stale: float = 86_400.0
    """How much longer a document is used while it cannot be had anew (RFC 5861 §4)."""

    def lifetime(self, lifetime: float | None) -> float:
        """Return for how long to keep what a server wants kept for so long."""
        if lifetime is None:
            return self.default
        return min(max(lifetime, self.floor), self.ceiling)


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A body, when it was fetched or confirmed, and until when it is fresh.

    Times are seconds since 1970: processes and machines share them. A clock may step,
    so what was fetched in the future counts as old.
    """

    body: bytes
    at: float
    until: float
    etag: str = ""
    last_modified: str = ""

    @classmethod
    def of(
        cls, response: Response, kind: Kind, now: float, known: Document | None
    ) -> Document | None:
        """Make one of an answer; None if it confirms what we do not have."""
        until = now + kind.lifetime(response.lifetime)
        if response.body is not None:
            return cls(
                body=response.body,
                at=now,
                until=until,
                etag=response.etag,
                last_modified=response.last_modified,
            )
        if known is None:
            return None
        return cls(
            body=known.body,
            at=now,
            until=until,
            etag=response.etag or known.etag,
            last_modified=response.last_modified or known.last_modified,
        )

    @classmethod
    def decode(cls, record: bytes, kind: Kind) -> Document:
        """Read what `encode` wrote; whoever can write to the store may have changed it.

        Raises:
            ValueError: it is no record.
            StirmilterError: the body is not one that may be kept.
        """
        first, _, body = record.partition(b"\n")
        at, until, etag, last_modified = first.decode("ascii").split("\t")
        document = cls(
            body=body,
            at=float(at),
            until=min(float(until), float(at) + kind.ceiling),
            etag=_validator(etag),
            last_modified=_validator(last_modified),
        )
        if not math.isfinite(document.at + document.until):
            raise ValueError("no time")
        if len(body) > kind.octets:
            raise ValueError("more octets than its kind may have")
        kind.check(body)
        return document

    def encode(self) -> bytes:
        """Write a record for a store that is shared."""
        validators = _validator(self.etag), _validator(self.last_modified)
        first = "\t".join([repr(self.at), repr(self.until), *validators])
        return first.encode("ascii") + b"\n" + self.body

    def fresh_at(self, now: float) -> bool:
        """Tell whether it may be used without asking again."""
        return self.at <= now + _AHEAD and now < self.until

    def usable_at(self, now: float, stale: float) -> bool:
        """Tell whether it may be used when asking again has failed."""
        return self.at <= now + _AHEAD and now < self.until + stale


def _validator(text: str) -> str:
    """Return what may be sent as a validator, or nothing."""
    return text if _VALIDATOR.fullmatch(text) else ""
