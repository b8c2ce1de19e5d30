"""Writes a field of ours (RFC 8601 §2.2).

No comments: a consumer that cuts a field at each semicolon, or knows no comments, must
not be shown a result that stands in one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

from stirmilter.mail.authres.values import FOLD_AT, KEYWORD, NAME, Property, ResInfo
from stirmilter.stir.remembering import remembered

_TOKEN: Final = re.compile(r"[!#-'*+.0-9A-Z^-~-]+", re.ASCII)  # of MIME, no quotes
# Addresses need no quotes, but one of MM4 (+1/TYPE=PLMN@host) does: OpenDMARC reads
# nothing of a field that has an equals sign in a value without them.
_ADDRESS: Final = re.compile(
    r"""
    (?: [!#-'*+/0-9?A-Z^-~-]+ (?: \. [!#-'*+/0-9?A-Z^-~-]+ )* )? @
    (?: [0-9A-Za-z] (?: -* [0-9A-Za-z] )* \. )+ [0-9A-Za-z] (?: -* [0-9A-Za-z] )*
    """,
    re.ASCII | re.VERBOSE,
)


def field(authserv_id: str, resinfos: Sequence[ResInfo] = ()) -> str:
    """Write a field value, folded below 78 columns with LF and a tab.

    A value cannot be folded, so one that is longer stands alone in its line. Values
    are quoted where they must be; no other field can be made of them.

    Args:
        authserv_id: who asserts it.
        resinfos: one for each method or signature; ``none`` is written without any.

    Raises:
        ValueError: a control character in a value, or a name that is no keyword.
    """
    if not resinfos:
        return f"{authserv_id}; none"
    several = len(resinfos) > 1
    lines = [f"{authserv_id};"]
    room = FOLD_AT - len(NAME) - len(": ")
    for number, resinfo in enumerate(resinfos, 1):
        words = list(_words(resinfo))
        if number < len(resinfos):
            words[-1] += ";"
        for place, word in enumerate(words):
            line = f"{lines[-1]} {word}"
            if (several and place == 0) or len(line) > room:
                lines.append(word)
                room = FOLD_AT - len("\t")
            else:
                lines[-1] = line
    return "\n\t".join(lines)


def write(
    authserv_id: str,
    method: str,
    result: str,
    reason: str,
    properties: Iterable[tuple[str, str]] = (),
) -> str:
    """Write a field value with one method; see `field`.

    Args:
        authserv_id: who asserts it.
        method: a keyword.
        result: a keyword.
        reason: free text.
        properties: ``ptype.property`` and value.
    """
    found = tuple(Property(name, value) for name, value in properties)
    return field(authserv_id, [ResInfo(method, result, reason, found)])


def _words(resinfo: ResInfo) -> Iterable[str]:
    """Name what cannot be folded."""
    yield f"{_keyword(resinfo.method)}={_keyword(resinfo.result)}"
    if resinfo.reason is not None:
        yield f"reason={_pvalue(resinfo.reason)}"
    for name, value in resinfo.properties:
        yield f"{_property(name)}={_pvalue(value)}"


@remembered(64)
def _property(name: str) -> str:
    """Check the name of a property, of which there are a few."""
    ptype, _, kind = name.partition(".")
    return f"{_keyword(ptype)}.{_keyword(kind)}"


def _keyword(name: str) -> str:
    if not KEYWORD.fullmatch(name):
        raise ValueError(f"not a keyword: {name!r}")
    return name


def _pvalue(value: str) -> str:
    if _TOKEN.fullmatch(value) or _ADDRESS.fullmatch(value):
        return value
    if not value.isprintable():
        raise ValueError("a control character in a header field")
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
