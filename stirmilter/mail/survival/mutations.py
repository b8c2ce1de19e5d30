"""What programs on the way are known to do to a whole body, each with how to undo it.

An undoing may guess; whether it guessed right, the digest says. Sources: Postfix
(smtp_proto.c, ``smtp_text_out``), sendmail (deliver.c, ``putbody``), RFC 3676 §4.3 for
the separator of signatures, RFC 4155 for ``>From``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from stirmilter.mail.survival.hazards import LONGEST_LINE

_CRLF: Final = b"\r\n"
_OLD_LIMIT: Final = 990  # Postfix before 2.9


class Mutation(NamedTuple):
    """One change of a whole body."""

    text: str
    """What happened, as it is told."""

    undo: Callable[[bytes], bytes]
    by_line: bool = False
    """Whether undoing it looks at each line."""


def unwrap(body: bytes, limit: int) -> bytes:
    """Join the lines that Postfix broke after `limit` octets.

    It writes CRLF and a space there, and the space counts for the next line, so that
    every piece but the last is of exactly `limit` octets.
    """
    if _CRLF + b" " not in body:
        return body
    first, *lines = body.split(_CRLF)
    joined = [first]
    full = len(first) == limit
    for line in lines:
        if full and line.startswith(b" "):
            joined.append(line[1:])
        else:
            joined += (_CRLF, line)
        full = len(line) == limit
    return b"".join(joined)


def _at_line_starts(old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    def undo(body: bytes) -> bytes:
        return (_CRLF + body).replace(_CRLF + old, _CRLF + new)[2:]

    return undo


def _everywhere(old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    return lambda body: body.replace(old, new)


def _without_trailing_blanks(body: bytes) -> bytes:
    if not (b" \r\n" in body or b"\t\r\n" in body or body.endswith((b" ", b"\t"))):
        return body
    return _CRLF.join(line.rstrip(b" \t") for line in body.split(_CRLF))


def _single_line_ends(body: bytes) -> bytes:
    if b"\r\r\n" not in body and body.count(b"\n") == body.count(_CRLF):
        return body
    *lines, last = body.split(b"\n")
    return b"".join(line.rstrip(b"\r") + _CRLF for line in lines) + last


WRAPPINGS: Final = (
    Mutation(
        f"wrapped at {LONGEST_LINE}",
        lambda body: unwrap(body, LONGEST_LINE),
        by_line=True,
    ),
    Mutation(
        f"wrapped at {_OLD_LIMIT}", lambda body: unwrap(body, _OLD_LIMIT), by_line=True
    ),
    Mutation("wrapped with exclamation marks", _everywhere(b"!\r\n ", b"")),
)
"""Changes that others may follow on."""

OTHERS: Final = (
    Mutation("spaces added at line ends", _without_trailing_blanks, by_line=True),
    Mutation(
        "space lost at the signature separator", _at_line_starts(b"--\r", b"-- \r")
    ),
    Mutation("dots at line starts doubled", _at_line_starts(b"..", b".")),
    Mutation("dots at line starts halved", _at_line_starts(b".", b"..")),
    Mutation("From at line starts escaped", _at_line_starts(b">From ", b"From ")),
    Mutation("CR added at line ends", _single_line_ends, by_line=True),
    Mutation("LF made CRLF", _everywhere(_CRLF, b"\n")),
    Mutation("empty lines added between lines", _everywhere(_CRLF * 2, _CRLF)),
)
