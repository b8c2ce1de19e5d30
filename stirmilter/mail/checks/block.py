"""The header block as signatures see it: fields, chosen from the bottom up.

Every field is brought to a canonical form once and every name is looked up in an index,
so that a signature costs the octets that it covers. To search the header for each name
in ``h=`` would cost their product, and a stranger chooses both.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from stirmilter.mail.checks.canonical import Canonicalization, canonical_field
from stirmilter.mail.transaction import Header

_LINE_END: Final = re.compile(rb"\r?\n")


class Field(NamedTuple):
    """A header field as it crossed SMTP."""

    name: bytes
    value: bytes
    """All after the colon, folds as CRLF, without the final one."""


class Coverage(NamedTuple):
    """What ``h=`` says of the message at hand; see `results.DkimSignature`."""

    covers: frozenset[str]
    sealed: frozenset[str]


class HeaderBlock:
    """The header of one message, for any number of signatures."""

    def __init__(self, headers: Iterable[Header]) -> None:
        self.fields = [_field(header) for header in headers]
        self._places: defaultdict[str, list[int]] = defaultdict(list)
        for at, field in enumerate(self.fields):
            self._places[_key(field.name)].append(at)
        self._canonical: dict[tuple[int, Canonicalization], bytes] = {}

    @property
    def names(self) -> frozenset[str]:
        """The names that occur, in lower case."""
        return frozenset(self._places)

    def places(self, name: str) -> Sequence[int]:
        """Return where fields of a name (in lower case) stand, from the top."""
        return self._places.get(name, ())

    def canonical(self, at: int, form: Canonicalization) -> bytes:
        """Return a field in a canonical form, without its final CRLF."""
        key = at, form
        if key not in self._canonical:
            self._canonical[key] = canonical_field(*self.fields[at], form)
        return self._canonical[key]

    def select(self, names: Iterable[str], but: int | None = None) -> list[int]:
        """Choose fields for the names in ``h=`` (RFC 6376 §5.4.2).

        A name stands for the lowest field of it that was not chosen yet, or for
        nothing at all. `but` is the signature itself: it was not there when it was
        made.
        """
        left = {
            name: [at for at in self.places(name) if at != but] for name in set(names)
        }
        return [left[name].pop() for name in names if left[name]]

    def coverage(self, names: Sequence[str], but: int | None = None) -> Coverage:
        """Compare how often a name is signed with how often it occurs."""
        covers, sealed = set(), set()
        for name, signed in Counter(names).items():
            places = self.places(name)
            occurs = len(places) - (but in places)
            if signed >= occurs:
                covers.add(name)
            if signed > occurs:
                sealed.add(name)
        return Coverage(frozenset(covers), frozenset(sealed))


def _field(header: Header) -> Field:
    name = header.name.encode("utf-8", "surrogateescape")
    value = header.value
    return Field(name, _LINE_END.sub(b"\r\n", value) if b"\n" in value else value)


def _key(name: bytes) -> str:
    return name.rstrip(b" \t").lower().decode("utf-8", "surrogateescape")
