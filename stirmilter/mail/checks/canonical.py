"""What a relay may change without breaking a signature (RFC 6376 §3.4).

A body is never kept: it is brought to its canonical forms as it streams in, in linear
time and constant memory, and only digests remain. Both forms of a body differ from it
in the run of empty lines at its end, which is held back as a count.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from stirmilter.stir.msgi import trailing_crlfs

Canonicalization = Literal["simple", "relaxed"]

CRLF: Final = b"\r\n"
_FLUSH: Final = 4096  # CRLFs handed to the hash at a time


class BodyForm(NamedTuple):
    """One digest that a signature asks for."""

    canonicalization: Canonicalization
    algorithm: str
    """As `hashlib` spells it."""

    length: int | None = None
    """``l=``: octets of the canonical body that count; None is all of them."""


@dataclass(frozen=True, slots=True)
class HashedBody:
    """What one pass over a body found."""

    digests: Mapping[BodyForm, bytes]
    lengths: Mapping[Canonicalization, int]
    """Octets of the whole body in each of the canonical forms that were needed."""


NOTHING_HASHED: Final = HashedBody({}, {})


class BodyHashes:
    """Hashes a body as it streams in, in chunks cut anywhere, in some forms at once."""

    def __init__(self, forms: Iterable[BodyForm] = ()) -> None:
        """Prepare for `forms`; one that is named twice is hashed once."""
        self._sinks = {form: _Sink(form) for form in dict.fromkeys(forms)}
        self._bodies: dict[Canonicalization, _Simple] = {}
        for name, kind in _BODIES.items():
            sinks = [s for form, s in self._sinks.items() if form[0] == name]
            if sinks:
                self._bodies[name] = kind(sinks)

    @property
    def forms(self) -> frozenset[BodyForm]:
        """What is hashed, so that two who need digests can share one pass."""
        return frozenset(self._sinks)

    def update(self, chunk: bytes) -> None:
        """Take the next octets of the body."""
        for body in self._bodies.values():
            body.update(chunk)

    def finish(self) -> HashedBody:
        """Return the digests; this object is spent."""
        lengths = {name: body.finish() for name, body in self._bodies.items()}
        digests = {form: sink.hash.digest() for form, sink in self._sinks.items()}
        return HashedBody(digests, lengths)


class _Sink:
    """A hash that stops at ``l=``."""

    def __init__(self, form: BodyForm) -> None:
        self.hash = hashlib.new(form.algorithm)
        self._left = form.length

    def update(self, octets: bytes) -> None:
        if self._left is not None:
            octets = octets[: self._left]
            self._left -= len(octets)
        self.hash.update(octets)


class _Simple:
    """RFC 6376 §3.4.3: as it is, with one CRLF at the end."""

    def __init__(self, sinks: Iterable[_Sink]) -> None:
        self._sinks = tuple(sinks)
        self._carry = b""  # what the next chunk may yet change
        self._held = 0  # CRLFs at the end of what was seen, not yet hashed
        self._length = 0

    def update(self, chunk: bytes) -> None:
        data = self._carry + chunk
        end = len(data) - data.endswith(b"\r")
        self._carry = data[end:]
        self._add(data[:end])

    def finish(self) -> int:
        """Close the body, and tell the octets of its canonical form."""
        self._add(self._carry)
        self._close()
        return self._length

    def _close(self) -> None:
        self._feed(CRLF)

    def _add(self, data: bytes) -> None:
        held = trailing_crlfs(data)
        content = data[: len(data) - 2 * held]
        if content:
            for _ in range(self._held // _FLUSH):
                self._feed(CRLF * _FLUSH)
            self._feed(CRLF * (self._held % _FLUSH))
            self._held = 0
            self._feed(content)
        self._held += held

    def _feed(self, octets: bytes) -> None:
        self._length += len(octets)
        for sink in self._sinks:
            sink.update(octets)


class _Relaxed(_Simple):
    """RFC 6376 §3.4.4: white space squeezed, none before a line end, none of nothing.

    White space that ends a body without a line end stays, as one space: the RFC speaks
    of ends of lines, and dkimpy reads it so.
    """

    def update(self, chunk: bytes) -> None:
        data = self._carry + chunk
        line = data[:-1] if data.endswith(b"\r") else data
        content = line.rstrip(b" \t")
        blank = b" " if len(content) < len(line) else b""
        self._carry = blank + data[len(line) :]
        # Behind the last blank and a line end there is nothing to change: base64.
        end = max(content.rfind(b" "), content.rfind(b"\t")) + len(b" \r\n")
        squeezed = squeeze(content[:end]).replace(b" \r\n", CRLF)
        self._add(squeezed + content[end:])

    def _close(self) -> None:
        if self._length:
            super()._close()


_BODIES: Final[dict[Canonicalization, type[_Simple]]] = {
    "simple": _Simple,
    "relaxed": _Relaxed,
}


def squeeze(octets: bytes) -> bytes:
    """Make each run of spaces and tabs one space.

    Every round halves the runs, at the speed of `bytes.replace`. A regular expression
    makes an object of each run, and one that goes on to look for a line end is
    quadratic in its length.
    """
    octets = octets.replace(b"\t", b" ")
    while b"  " in octets:
        octets = octets.replace(b"  ", b" ")
    return octets


def canonical_field(name: bytes, value: bytes, form: Canonicalization) -> bytes:
    """Return a header field as it is hashed, without its final CRLF (§3.4.1, §3.4.2).

    Args:
        name: as received.
        value: all after the colon; its folds are CRLF.
        form: which of the two.
    """
    if form == "simple":
        return name + b":" + value
    unfolded = squeeze(value.replace(CRLF, b"")).strip(b" ")
    return name.rstrip(b" \t").lower() + b":" + unfolded
