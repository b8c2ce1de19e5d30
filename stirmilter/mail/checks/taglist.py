"""Tag lists: the syntax of signatures and of key records (RFC 6376 §3.2)."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from stirmilter.mail.results import Word
from stirmilter.stir.remembering import remembered

_NAME: Final = re.compile(rb"[A-Za-z][A-Za-z0-9_]*")
_VALUE: Final = re.compile(rb"[!-:<-~\x80-\xff \t\r\n]*")  # UTF-8: RFC 8616 §3
_SPACE: Final = b" \t\r\n"


class Refused(Exception):  # noqa: N818 - not an error: a result that is on its way
    """A signature that does not pass; whoever judges it makes a result of this."""

    def __init__(self, word: Word, reason: str) -> None:
        super().__init__(reason)
        self.word = word
        self.reason = reason


def parse(octets: bytes, reason: str) -> Mapping[str, bytes]:
    """Split a tag list into names and values, white space around them removed.

    Raises:
        Refused: it is none, or names a tag twice; the word is ``permerror``, and
            `reason` the reason.
    """
    tags = _split(octets)
    if tags is None:
        raise Refused("permerror", reason)
    return tags


@remembered(2_048)
def _split(octets: bytes) -> Mapping[str, bytes] | None:
    """Return the tags, or None if it is no tag list; the last few are remembered.

    A field is read when the header is complete, and again for each thing that is asked
    of it.
    """
    tags: dict[str, bytes] = {}
    specs = octets.split(b";")
    if len(specs) > 1 and not specs[-1].strip(_SPACE):
        specs.pop()
    for spec in specs:
        name, equals, value = spec.partition(b"=")
        name = name.strip(_SPACE)
        if not (equals and _NAME.fullmatch(name) and _VALUE.fullmatch(value)):
            return None
        tag = name.decode("ascii")
        if tag in tags:
            return None
        tags[tag] = value.strip(_SPACE)
    return MappingProxyType(tags)


def without_value(octets: bytes, tag: bytes) -> bytes:
    """Empty the value of one tag, with the white space around it (RFC 6376 §3.7)."""
    specs = octets.split(b";")
    for at, spec in enumerate(specs):
        name, equals, _ = spec.partition(b"=")
        if equals and name.strip(_SPACE) == tag:
            specs[at] = name + equals
    return b";".join(specs)


def decode_base64(value: bytes) -> bytes:
    """Decode base64 with white space anywhere in it (RFC 6376 §2.10).

    Raises:
        ValueError: it is none.
    """
    try:
        return base64.b64decode(unspaced(value), validate=True)
    except binascii.Error as error:
        raise ValueError(str(error)) from None


def unspaced(value: bytes) -> bytes:
    """Remove all white space."""
    return value.translate(None, _SPACE)


@remembered(1_024, entries=100)
def items(value: bytes) -> tuple[str, ...]:
    """Split a list at its colons, in lower case, each item without white space.

    The last few are remembered: a domain's signatures name the same fields.
    """
    text = value.decode("utf-8", "surrogateescape").lower()
    return tuple(item.strip(" \t\r\n") for item in text.split(":"))
