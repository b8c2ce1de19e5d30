"""What in a body a relay may not carry as it is (RFC 5321 §4.5.3.1.6, RFC 6152).

Looked at while the body streams by, beside the digest: so cheap that it does not show.
No octet is looked at in Python. Lines are not counted but leapt over: every window of
`LONGEST_LINE` octets must hold a line end. Part headers are only looked for where there
is a hyphen, which base64, most of an MMS, never holds.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final, Literal, get_args

from stirmilter.mail.survival.boundaries import PartLimits, boundary_of, encoding_of

Hazard = Literal["long-lines", "8bit", "binary", "no-final-newline"]
"""A line over 998 octets; octets over 127, or a part that says ``8bit``; NUL, CR and LF
apart from each other, or a part that says ``binary``; no line end at the end."""

HAZARDS: Final[tuple[Hazard, ...]] = get_args(Hazard)

LONGEST_LINE: Final = 998
"""Octets of a line without its end (RFC 5322 §2.1.1)."""

_WINDOW: Final = LONGEST_LINE + 1  # with the CR
_LARGE: Final = 16_384  # octets of a chunk for which it pays to look for even lines
_DASH: Final = ord("-")
_TELLING: Final = frozenset({"content-type", "content-transfer-encoding"})
_LINES: Final = re.compile(rb"(?s:(?:.{0,%d}\n)*+)" % _WINDOW)
_FIELD_END: Final = re.compile(rb"\r\n(?![ \t])")
_BOUNDARY_LINE: Final = 80  # octets, with room for white space at the end


class BodyHazards:
    """Looks for hazards in a body as it streams in, in chunks cut anywhere.

    CR and LF apart are only looked for among octets that are no text: to look
    everywhere would cost more than the digest, and Postfix sends no such thing.
    """

    def __init__(
        self,
        header: Iterable[tuple[str, bytes]] = (),
        limits: PartLimits = PartLimits(),  # noqa: B008 - frozen
    ) -> None:
        """Begin, with the fields of the message's header.

        What is said in a part beyond `limits` is not a hazard; its octets are.
        """
        self._limits = limits
        self._found: set[Hazard] = set()
        self._boundaries: list[bytes] = []
        self._parts = 0  # that were read
        self._line = 0  # octets since the last LF
        self._end = b""  # the last two octets
        self._rest = b""  # what may be the beginning of a part's header
        for name, value in header:
            if (lower := name.lower()) in _TELLING:
                self._read_field(lower.encode(), value)

    def update(self, chunk: bytes) -> None:
        """Take the next octets of the body."""
        if not chunk:
            return
        found = self._found
        if "long-lines" not in found:
            self._measure(chunk)
        if "8bit" not in found or "binary" not in found:
            self._classify(chunk)
        if self._boundaries and (self._rest or _DASH in chunk):
            self._look_for_parts(chunk)
        self._end = chunk[-2:] if len(chunk) > 1 else self._end[-1:] + chunk

    def finish(self) -> frozenset[Hazard]:
        """Return what was found; this object is spent."""
        if self._end and self._end != b"\r\n":
            self._found.add("no-final-newline")
        if self._line - self._end.endswith(b"\r") > LONGEST_LINE:
            self._found.add("long-lines")
        return frozenset(self._found)

    def _measure(self, chunk: bytes) -> None:
        begin = 0
        if self._line:
            begin = chunk.find(b"\n", 0, max(0, _WINDOW + 1 - self._line)) + 1
            if not begin:
                self._line += len(chunk)
        if begin or not self._line:
            if len(chunk) > _LARGE:
                begin = _past_even_lines(chunk, begin)
            if len(chunk) - begin > _WINDOW + 1:
                match = _LINES.match(chunk, begin)
                begin = match.end() if match else begin
            else:  # whatever is in there, no line of it is too long
                begin = chunk.rfind(b"\n", begin) + 1 or begin
            self._line = len(chunk) - begin
        if self._line > _WINDOW:
            self._found.add("long-lines")

    def _classify(self, chunk: bytes) -> None:
        text = chunk.isascii()
        if not text:
            self._found.add("8bit")
        if 0 in chunk or (not text and _has_bare_newline(chunk)):
            self._found.add("binary")

    def _look_for_parts(self, chunk: bytes) -> None:
        at_line_start = bool(self._rest) or self._end[-1:] in (b"\n", b"")
        data, self._rest = self._rest + chunk, b""
        for boundary in self._boundaries:  # grows while parts are read
            at = data.find(boundary)
            while at >= 0:
                if data[at - 1 : at] == b"\n" or (at == 0 and at_line_start):
                    if self._parts == self._limits.parts:
                        self._boundaries.clear()  # nobody looks for more
                        return
                    self._read_part(data[at : at + self._limits.header_octets])
                at = data.find(boundary, at + 1)
        line = data.rfind(b"\n", -_BOUNDARY_LINE) + 1
        last = data[line:]
        known = bool(line) or at_line_start
        if known and not self._rest and last[:1] == b"-" and len(last) < _BOUNDARY_LINE:
            self._rest = last

    def _read_part(self, octets: bytes) -> None:
        """Read the header of a part, its boundary line included, or wait for more."""
        head, end, _ = octets.partition(b"\r\n\r\n")
        if not end and len(octets) < self._limits.header_octets:
            if len(octets) > len(self._rest):
                self._rest = octets
            return
        self._parts += 1
        for line in _FIELD_END.split(head)[1:]:
            name, _, value = line.partition(b":")
            self._read_field(name.strip().lower(), value)

    def _read_field(self, name: bytes, value: bytes) -> None:
        if name == b"content-transfer-encoding":
            encoding = encoding_of(value)
            if encoding == b"8bit":
                self._found.add("8bit")
            elif encoding == b"binary":
                self._found.add("binary")
        elif (
            name == b"content-type" and len(self._boundaries) < self._limits.boundaries
        ):
            boundary = boundary_of(value)
            if boundary and b"--" + boundary not in self._boundaries:
                self._boundaries.append(b"--" + boundary)


def _past_even_lines(chunk: bytes, begin: int) -> int:
    """Return the beginning of a line before which none is longer than they may be.

    Encoded data has lines of one length. A line feed at each multiple of it shows as
    much as all line feeds do, and is a slice; what is uneven is left to be looked at.
    """
    length = chunk.find(b"\n", begin, begin + _WINDOW + 1) + 1 - begin
    if length <= 0:
        return begin
    step = (_WINDOW + 1) // length * length
    ends = chunk[begin + step - 1 :: step]
    return begin + step * (len(ends) - len(ends.lstrip(b"\n")))


def _has_bare_newline(chunk: bytes) -> bool:
    """Tell whether CR and LF do not always come in pairs; a pair may be cut in two."""
    pairs = chunk.count(b"\r\n")
    begun, ended = chunk.endswith(b"\r"), chunk.startswith(b"\n")
    return chunk.count(b"\n") - ended > pairs or chunk.count(b"\r") - begun > pairs
