"""The header value around a token: ``token;info=<x5u>;alg=ES256;ppt=msg``.

SIP's Identity value (RFC 8224 §4), which docs/profile.md moves to a mail header field.
White space means nothing outside quoted strings, so that a relay may refold the field
wherever it likes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from stirmilter.stir import jws
from stirmilter.stir.passport import Passport
from stirmilter.stir.result import Reason, Unverified

X5U_LENGTH: Final = 900
"""Longest URL that `write` can put on a line: 998 octets with all else (RFC 5322)."""

FOLD_AT: Final = 78  # RFC 5322 §2.1.1, SHOULD
_PARAMETER: Final = re.compile(
    r"""
    ; ( [!%'*+.0-9A-Z_`a-z~-]+ )                 # name
    (?: = (?: < ( [^<>"]* ) >                    # a URL
        |     " ( (?: [^"\\]++ | \\. )*+ ) "     # a quoted string
        |       ( [^;"<>]* ) ) )?                # a token
    """,
    re.VERBOSE | re.ASCII,
)
_ESCAPE: Final = re.compile(r"\\(.)", re.DOTALL)
# One that is never closed takes the rest: were it no match, the next quotation mark
# would be tried, and the next, each up to the end.
_QUOTED: Final = re.compile(r'("(?:[^"\\]++|\\.)*+"?)', re.DOTALL)


@dataclass(frozen=True, slots=True)
class IdentityValue:
    """The value of one header field, split; parameter names are in lower case."""

    token: str
    parameters: dict[str, str]


def parse(value: str, limit: int = 32_768) -> IdentityValue:
    """Split a field value, folded or not.

    Raises:
        Unverified: `Reason.MALFORMED`; a parameter twice is refused, since peers differ
            in which of the two they believe.
    """
    if len(value) > limit:
        raise Unverified(
            Reason.MALFORMED, f"field longer than {limit} octets", "RFC 8725 §3"
        )
    if '"' in value:
        pieces = _QUOTED.split(value)
        pieces[::2] = map(_unspaced, pieces[::2])
        text = "".join(pieces)
    else:
        text = _unspaced(value)
    token, semicolon, rest = text.partition(";")
    rest = semicolon + rest
    parameters: dict[str, str] = {}
    position = 0
    while position < len(rest):
        match = _PARAMETER.match(rest, position)
        if match is None:
            detail = f"parameter: {rest[position:]}"
            raise Unverified(Reason.MALFORMED, detail, "RFC 8224 §4")
        given, angle, quoted, bare = match.groups()
        name = given.lower()
        if name in parameters:
            detail = f"parameter {name} occurs twice"
            raise Unverified(Reason.MALFORMED, detail, "RFC 8224 §4")
        parameters[name] = (
            _ESCAPE.sub(r"\1", quoted) if quoted is not None else angle or bare or ""
        )
        position = match.end()
    return IdentityValue(token, parameters)


def _unspaced(text: str) -> str:
    for space in " \t\r\n":
        text = text.replace(space, "")
    return text


def check_mirrors(value: IdentityValue, passport: Passport) -> None:
    """Compare the parameters with what the token itself says.

    Source: RFC 8224 §4.1 and §4.1.1 (``info`` is ``x5u``, by simple comparison), §9.

    Raises:
        Unverified: `Reason.MALFORMED`, naming the parameter.
    """
    mirrored = {"info": passport.x5u, "alg": jws.ALG, "ppt": passport.ppt}
    for name, expected in mirrored.items():
        if value.parameters.get(name, expected) != expected:
            detail = f"{name}={value.parameters[name]} is not the token's"
            raise Unverified(Reason.MALFORMED, detail, "RFC 8224 §4.1")


def value_of(passport: Passport) -> str:
    """Write the value on one line, as SIP's Identity field has it (RFC 8224 §4)."""
    return passport.text + "".join(_parameters(passport))


def write(passport: Passport, name: str) -> str:
    """Write the value of header field `name`, folded at 78 columns.

    Folds are LF and one space, which is what libmilter wants. The token is cut
    anywhere, since a reader removes white space inside it; a parameter is not cut.
    """
    pieces = _parameters(passport)
    lines: list[str] = []
    room = FOLD_AT - len(name) - len(": ")
    text = passport.text
    while len(text) > room:
        lines.append(text[:room])
        text, room = text[room:], FOLD_AT - 1
    line, room = text, room - len(text)
    for piece in pieces:
        if len(piece) > room:
            lines.append(line)
            line, room = "", FOLD_AT - 1
        line += piece
        room -= len(piece)
    return "\n ".join([*lines, line])


def _parameters(passport: Passport) -> list[str]:
    return [f";info=<{passport.x5u}>", f";alg={jws.ALG}", f";ppt={passport.ppt}"]
