"""Which known change makes another body of it: the digest is the judge.

For people, and never for a verdict: whoever wrote the token chose its digest, and the
token is not yet believed when the body is held against it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from io import BytesIO
from typing import Final

from stirmilter.mail.survival import parts
from stirmilter.mail.survival.boundaries import PartLimits
from stirmilter.mail.survival.mutations import OTHERS, WRAPPINGS, Mutation
from stirmilter.stir.msgi import Digest

_CRLF: Final = b"\r\n"
# What is looked for is no limit of anybody's: the effort that is given for it is one.
_LINES: Final = 1_000  # at the end, that may all have been appended
_BANNER: Final = 20  # lines at the start, that may all have been put there
_EMPTY_LINES: Final = 10  # at the end, that may have been lost
# Octets whose digest takes as long; measured.
_LINE_COST: Final = 256  # finishing a digest
_JOIN_COST: Final = 256  # looking at one line of many
_UNDOING: Final = 4  # how much less than a digest it costs to undo a change
_PREAMBLES: Final = (
    b"\r\n",
    b"This is a multi-part message in MIME format.\r\n",
    b"This is a multi-part message in MIME format.\r\n\r\n",
    b"This is a MIME-encapsulated message\r\n\r\n",
)


def explain(
    body: bytes,
    claim: Digest,
    header: Iterable[tuple[str, bytes]],
    effort: int,
    limits: PartLimits = PartLimits(),  # noqa: B008 - frozen
) -> str | None:
    """Name the change after which `claim` is no longer the digest of a body, or None.

    Args:
        body: as it arrived.
        claim: digest of what it was.
        header: fields of the message's header, as they arrived.
        effort: octets that may be digested, all attempts together; what else costs time
            counts as so many octets.
        limits: how far a multipart is taken apart.
    """
    search = _Search(claim, effort, limits)
    try:
        return next(search.run(body, tuple(header)), None)
    except _SpentError:
        return None


class _SpentError(Exception):
    """What may be tried was tried."""


class _Search:
    def __init__(self, claim: Digest, effort: int, limits: PartLimits) -> None:
        self._claim = claim
        self._left = effort
        self._limits = limits

    def run(self, body: bytes, header: Sequence[tuple[str, bytes]]) -> Iterator[str]:
        """Yield explanations, what costs least first."""
        yield from self._end("", body)
        bodies = [("", body)]
        for mutation in WRAPPINGS:
            undone = self._changed(body, mutation)
            if undone is not None:
                bodies.append((f"{mutation.text}; ", undone))
                yield from self._is(mutation.text, undone)
        for mutation in OTHERS:
            undone = self._changed(body, mutation)
            if undone is not None:
                yield from self._is(mutation.text, undone)
        for before, one in bodies:
            for restored in parts.restored(one, header, self._limits, self._spend):
                yield from self._is(f"{before}8-bit parts recoded", restored)
        for before, one in bodies[1:]:
            yield from self._end(before, one)
        yield from self._start(body)

    def _end(self, before: str, body: bytes) -> Iterator[str]:
        """Look for something that was appended, or was cut off, at the end."""
        begin = _last_lines(body, _LINES)
        head = self._digest(body[:begin])
        closing = _closing_line(body)
        if head.digest() == self._claim.octets:
            yield before + _appended(body, begin)
        for line in BytesIO(body[begin:]):  # which knows no other line end than LF
            self._spend(2 * _LINE_COST + len(line))
            content = line.removesuffix(_CRLF)
            if closing is not None and content == closing[:-2]:
                for end in (closing, closing + _CRLF):
                    self._spend(_LINE_COST)
                    grown = head.copy()
                    grown.update(end)
                    if grown.digest() == self._claim.octets:
                        yield f"{before}part added to the multipart"
            head.update(content)
            if head.digest() == self._claim.octets:
                yield before + _appended(body, begin + len(content))
            head.update(line[len(content) :])
            begin += len(line)
            if head.digest() == self._claim.octets:
                yield before + _appended(body, begin)
        for _ in range(_EMPTY_LINES):
            self._spend(_LINE_COST)
            head.update(_CRLF)
            if head.digest() == self._claim.octets:
                yield f"{before}empty lines removed from the end"

    def _start(self, body: bytes) -> Iterator[str]:
        """Look for something that was put at the start, or was cut off there."""
        for preamble in _PREAMBLES:
            if not body.startswith(preamble):
                yield from self._is("preamble removed", preamble + body)
        at = 0
        for _ in range(_BANNER):
            at = body.find(_CRLF, at) + 2
            if at < 2:  # noqa: PLR2004 - not found
                return
            rest = body[at:]
            what = "preamble added" if rest.startswith(b"--") else "lines put in front"
            yield from self._is(f"{what} ({at} octets)", rest)

    def _is(self, text: str, body: bytes) -> Iterator[str]:
        digest = self._digest(body).digest()
        if digest == self._claim.octets:
            yield text

    def _changed(self, body: bytes, mutation: Mutation) -> bytes | None:
        lines = body.count(b"\n") if mutation.by_line else 0
        self._spend(len(body) // _UNDOING + _JOIN_COST * lines)
        undone = mutation.undo(body)
        return None if undone == body else undone

    def _digest(self, octets: bytes) -> hashlib._Hash:
        self._spend(len(octets) + _LINE_COST)
        return hashlib.new(self._claim.algorithm, octets)

    def _spend(self, octets: int) -> None:
        self._left -= octets
        if self._left < 0:
            raise _SpentError


def _last_lines(body: bytes, count: int) -> int:
    """Return where the last `count` lines begin."""
    at = len(body)
    for _ in range(count + 1):
        at = body.rfind(b"\n", 0, at)
        if at < 0:
            return 0
    return at + 1


def _closing_line(body: bytes) -> bytes | None:
    """Return the last line that may close a multipart, or None."""
    for line in reversed(body[_last_lines(body, _BANNER) :].split(_CRLF)):
        if line.startswith(b"--") and line.endswith(b"--") and len(line) > 4:  # noqa: PLR2004 - more than hyphens
            return line
    return None


def _appended(body: bytes, end: int) -> str:
    more = body[end:]
    if not more:
        return "nothing"
    if not more.strip(_CRLF):
        return "empty lines added at the end"
    if not more.strip():
        return "spaces added at the end"
    return f"footer appended ({len(more)} octets)"
