"""A body whose 8-bit parts were rewritten, put back: guesses for the digest to judge.

A relay whose next hop lacks 8BITMIME writes a part as quoted-printable or base64, and
says so in the part's header (RFC 6152 §3). The content can be decoded without loss.
What the field said before, and where it stood, can only be tried: Postfix
(mime_state.c) puts its own at the end of the header, sendmail adds a field
X-MIME-Autoconverted.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, islice
from typing import Final

from stirmilter.mail.survival.boundaries import PartLimits, boundary_of, encoding_of

_FIELDS: Final = re.compile(rb"\r\n(?![ \t])")
_ENCODING: Final = b"content-transfer-encoding"
_AUTOCONVERTED: Final = b"x-mime-autoconverted"
_SPELLINGS: Final = (
    b"Content-Transfer-Encoding: 8bit",
    b"Content-Transfer-Encoding: binary",
    b"Content-Transfer-Encoding: 8BIT",
    b"Content-transfer-encoding: 8bit",
    b"content-transfer-encoding: 8bit",
)
_CRLF: Final = b"\r\n"
# What is tried is no limit of anybody's: the effort that is given for it is one.
_ALONE: Final = 4  # parts up to which each is also tried alone
_PLACES: Final = 8  # in a header, where the field may have stood
# Octets whose digest takes as long; measured.
_LINE_COST: Final = 256  # a line that may be a boundary
_FIELD_COST: Final = 3_072  # a field of a part's header
_PIECE_COST: Final = 512  # a part that is written anew


@dataclass(frozen=True, slots=True)
class _Part:
    begin: int
    """Where its header begins, after the boundary line."""

    content: int
    """Where its content begins."""

    end: int
    """Where that ends; the CRLF after it belongs to the boundary."""

    fields: tuple[bytes, ...]
    rest: bytes
    """The lines of its header but for those of the encoding."""

    places: tuple[int, ...]
    """Where in it a field can stand, the first few."""

    decoded: bytes | None
    """The content without its encoding, if it has one."""

    multipart: bool = False

    @property
    def like_postfix(self) -> bool:
        """Whether the encoding stands where Postfix writes it: last."""
        *_, last = self.fields
        value = b"7bit" if self.multipart else b"quoted-printable"
        return _split(last) == (_ENCODING, value)

    @property
    def like_sendmail(self) -> bool:
        """Whether it says that it was converted."""
        return any(_split(field)[0] == _AUTOCONVERTED for field in self.fields)

    @property
    def recoded(self) -> bool:
        """Whether it has an encoding, and more need of one than ASCII."""
        return self.decoded is not None and not self.decoded.isascii()


def restored(
    body: bytes,
    header: Iterable[tuple[str, bytes]],
    limits: PartLimits,
    spend: Callable[[int], None],
) -> Iterator[bytes]:
    """Yield what the body may have been before parts of it were recoded.

    Args:
        body: as it arrived.
        header: fields of the message's header, as they arrived.
        limits: beyond them, nothing is tried.
        spend: told beforehand what comes costs, as octets that are digested; it may
            raise something. What is yielded is not yet paid for.
    """
    fields = {name.lower(): value for name, value in header}
    boundary = boundary_of(fields.get("content-type", b""))
    if boundary is None:
        encoding = fields.get("content-transfer-encoding", b"")
        content = _decoded(body, encoding_of(encoding))
        if content is not None:
            yield content
        return
    parts = list(islice(_parts(body, boundary, limits, spend), limits.parts + 1))
    if len(parts) > limits.parts:
        return
    for chosen in _choices(parts):
        places = min(_PLACES, max(len(part.fields) for part in chosen))
        for spelling in _SPELLINGS:
            for place in range(places):
                spend(_PIECE_COST * len(chosen))
                yield _rewritten(body, chosen, spelling, place)


def _parts(
    body: bytes, boundary: bytes, limits: PartLimits, spend: Callable[[int], None]
) -> Iterator[_Part]:
    """Yield the parts of a multipart, and those of multiparts in it, in their order."""
    boundaries = {b"--" + boundary}
    begin = -1
    fields: tuple[bytes, ...] = ()
    content = 0
    for at in _delimiters(body):
        spend(_LINE_COST)
        if at < content or not body.startswith(tuple(boundaries), at):
            continue
        if begin >= 0:
            yield _part(body, begin, content, at - 2, fields)
        begin = body.find(b"\r\n", at) + 2
        head = body.find(b"\r\n\r\n", begin - 2, begin + limits.header_octets)
        closing = body[at:begin].rstrip().endswith(b"--")
        if begin < 2 or closing or head < 0:  # noqa: PLR2004 - not found
            begin, content = -1, at + 2
            continue
        content = head + 4
        spend(_FIELD_COST * (1 + body.count(_CRLF, begin, max(begin, head))))
        fields = tuple(_FIELDS.split(body[begin:head])) if head >= begin else (b"",)
        inner = _inner_boundary(fields)
        if inner is not None and len(boundaries) < limits.boundaries:
            boundaries.add(b"--" + inner)


def _delimiters(body: bytes) -> Iterator[int]:
    """Yield where lines begin that may be boundaries."""
    if body.startswith(b"--"):
        yield 0
    at = -1
    while (at := body.find(b"\r\n--", at + 1)) >= 0:
        yield at + 2


def _part(
    body: bytes, begin: int, content: int, end: int, fields: tuple[bytes, ...]
) -> _Part:
    multipart = _inner_boundary(fields) is not None
    end = max(content, end)
    named = [(*_split(field), field) for field in fields]
    encoding = b"".join(value for name, value, _ in named if name == _ENCODING)
    gone = (_ENCODING, _AUTOCONVERTED)
    rest = [field + _CRLF for name, _, field in named if name not in gone]
    return _Part(
        begin,
        content,
        end,
        fields,
        b"".join(rest),
        tuple(accumulate(map(len, rest[:_PLACES]), initial=0)),
        _decoded(body[content:end], encoding),
        multipart,
    )


def _inner_boundary(fields: Iterable[bytes]) -> bytes | None:
    for field in fields:
        name, _, value = field.partition(b":")
        if name.strip().lower() == b"content-type":
            return boundary_of(value)
    return None


def _choices(parts: Sequence[_Part]) -> Iterator[tuple[_Part, ...]]:
    """Yield parts that may have been recoded together, likely ones first."""
    recoded = [part for part in parts if part.recoded]
    postfix = [part for part in parts if part.like_postfix]
    choices = [
        [part for part in parts if part.like_sendmail],
        postfix,
        recoded,
        [part for part in postfix if part.recoded],
    ]
    if len(recoded) <= _ALONE:
        choices += [[part] for part in recoded]
    yield from dict.fromkeys(tuple(one) for one in choices if one)


def _rewritten(
    body: bytes, chosen: Iterable[_Part], spelling: bytes, place: int
) -> bytes:
    pieces: list[bytes] = []
    copied = 0
    for part in chosen:
        at = part.places[min(place, len(part.places) - 1)]
        content = part.decoded
        if content is None:
            content = body[part.content : part.end]
        pieces += (body[copied : part.begin], part.rest[:at], spelling, _CRLF)
        pieces += (part.rest[at:], _CRLF, content)
        copied = part.end
    return b"".join([*pieces, body[copied:]])


def _decoded(content: bytes, encoding: bytes) -> bytes | None:
    if encoding == b"quoted-printable":
        return binascii.a2b_qp(content)
    if encoding == b"base64":
        try:
            return binascii.a2b_base64(content)
        except binascii.Error:
            return None
    return None


def _split(field: bytes) -> tuple[bytes, bytes]:
    """Return the name of a field in lower case, and the token that it holds."""
    name, _, value = field.partition(b":")
    return name.strip().lower(), encoding_of(value)
