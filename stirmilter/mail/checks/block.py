"""The header block as signatures see it: fields, chosen from the bottom up.

A field is brought to a canonical form when it is wanted, and once, and every name is
looked up in an index, so that a signature costs the octets that it covers. To search
the header for each name in ``h=`` would cost their product, and a stranger chooses
both.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from stirmilter.mail.checks.canonical import (
    CRLF,
    Canonicalization,
    canonical_field,
)
from stirmilter.mail.transaction import Header


class Field(NamedTuple):
    """A header field as it crossed SMTP."""

    name: bytes
    value: bytes
    """All after the colon, folds as CRLF, without the final one."""


class Chosen(NamedTuple):
    """What ``h=`` says of the message at hand; see `results.DkimSignature`."""

    places: list[int]
    """Of the fields that are signed, in the order of hashing."""

    covers: frozenset[str]
    sealed: frozenset[str]


class HeaderBlock:
    """The header of one message, for any number of signatures."""

    def __init__(self, headers: Iterable[Header]) -> None:
        self._headers = tuple(headers)
        self._places: defaultdict[str, list[int]] = defaultdict(list)
        for at, header in enumerate(self._headers):
            self._places[_key(header.name)].append(at)
        self._fields: dict[int, Field] = {}
        self._canonical: dict[tuple[int, Canonicalization], bytes] = {}

    @property
    def names(self) -> frozenset[str]:
        """The names that occur, in lower case."""
        return frozenset(self._places)

    def places(self, name: str) -> Sequence[int]:
        """Return where fields of a name (in lower case) stand, from the top."""
        return self._places.get(name, ())

    def field(self, at: int) -> Field:
        """Return the field at a place."""
        found = self._fields.get(at)
        if found is None:
            found = self._fields[at] = _field(self._headers[at])
        return found

    def canonical(self, at: int, form: Canonicalization) -> bytes:
        """Return a field in a canonical form, without its final CRLF."""
        key = at, form
        found = self._canonical.get(key)
        if found is None:
            name, value = _field(self._headers[at])
            found = self._canonical[key] = canonical_field(name, value, form)
        return found

    def select(self, names: Iterable[str], but: int | None = None) -> Chosen:
        """Choose fields for the names in ``h=`` (RFC 6376 §5.4.2).

        A name stands for the lowest field of it that was not chosen yet, or for
        nothing at all. `but` is the signature itself: it was not there when it was
        made.
        """
        left: dict[str, list[int]] = {}
        if but is not None:
            own = _key(self._headers[but].name)
            left[own] = [at for at in self.places(own) if at != but]
        places: list[int] = []
        signed, sealed = set(), set()
        for name in names:
            signed.add(name)
            if name not in left:
                left[name] = list(self.places(name))
            if left[name]:
                places.append(left[name].pop())
            else:
                sealed.add(name)
        covers = frozenset(name for name in signed if not left[name])
        return Chosen(places, covers, frozenset(sealed))


def _field(header: Header) -> Field:
    name = header.name.encode("utf-8", "surrogateescape")
    value = header.value
    if b"\n" in value:
        value = value.replace(CRLF, b"\n").replace(b"\n", CRLF)
    return Field(name, value)


def _key(name: str) -> str:
    """Return a name in lower case, of ASCII alone: ``K`` is not the Kelvin sign."""
    name = name.rstrip(" \t")
    if name.isascii():
        return name.lower()
    octets = name.encode("utf-8", "surrogateescape")
    return octets.lower().decode("utf-8", "surrogateescape")
