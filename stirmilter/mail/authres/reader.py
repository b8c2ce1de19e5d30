"""Reads a field that somebody else wrote, for its values alone (RFC 8601 §2.2).

Wider than the grammar where OpenDKIM, OpenDMARC and rspamd are:

* a value without quotes may hold all but white space, quotes, parentheses, semicolon
  and backslash (``header.b=a/b=``, ``smtp.mailfrom=<>``, an IPv6 address),
* a value may be missing before a semicolon or the end (``smtp.mailfrom=;``),
* the last semicolon may have nothing behind it,
* ``reason`` may stand behind properties.

Everything else that is not in the grammar makes the whole field malformed: what one
reader guesses, another guesses differently. Comments are passed over, never read.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from stirmilter.mail.addresses import end_of_comment
from stirmilter.mail.authres.values import (
    KEYWORD,
    Malformed,
    Parsed,
    Property,
    ResInfo,
)

_SPACE: Final = re.compile(r"[ \t\r\n]*+")
_QUOTED: Final = re.compile(r'"((?:[^"\\]++|\\.)*+)"', re.DOTALL)
_PAIR: Final = re.compile(r"\\(.)|\r?\n", re.DOTALL)
_ID: Final = re.compile(r'[^\x00-\x20\x7f()<>@,;:\\"/\[\]?=]++')
_BARE: Final = re.compile(r'[^\x00-\x20\x7f"();\\]++')
_NUMBER: Final = re.compile(r"[0-9]{1,4}+(?![0-9A-Za-z.-])", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much of a field is read."""

    length: int = 16_384
    """Characters of the value."""

    depth: int = 16
    """Comments in comments."""

    resinfos: int = 64
    properties: int = 32
    """For each method."""


class _Refused(Exception):  # noqa: N818 - never leaves this module
    """What is not in the grammar."""


def parse(value: str, limits: Limits = Limits()) -> Parsed | Malformed:
    """Read a field value; never raises, in time that grows with its length alone.

    What it says is not to be believed for its being read: see `mail.upstream`.
    """
    if len(value) > limits.length:
        return Malformed(f"longer than {limits.length} characters")
    try:
        return _Reader(value, limits).field()
    except _Refused as refused:
        return Malformed(str(refused))


class _Reader:
    """Reads from left to right, and never goes back."""

    def __init__(self, text: str, limits: Limits) -> None:
        self._text = text
        self._limits = limits
        self._at = 0

    def field(self) -> Parsed:
        self._skip()
        quoted = self._quoted()
        authserv_id = self._take(_ID) if quoted is None else quoted
        if not authserv_id:
            raise _Refused("no authserv-id")
        self._skip()
        version = self._take(_NUMBER) or "1"
        self._skip()
        if not self._sign(";"):
            raise _Refused("no semicolon behind the authserv-id")
        return Parsed(authserv_id, int(version), tuple(self._resinfos()))

    def _resinfos(self) -> list[ResInfo]:
        found: list[ResInfo] = []
        while True:
            self._skip()
            if found and self._ended():
                return found
            if len(found) == self._limits.resinfos:
                raise _Refused(f"more than {self._limits.resinfos} results")
            method = self._keyword("no method")
            if method == "none" and not found and self._ended():
                return []
            found.append(self._resinfo(method))
            if not self._sign(";"):
                return found

    def _resinfo(self, method: str) -> ResInfo:
        version = "1"
        if self._sign("/"):
            self._skip()
            version = self._take(_NUMBER) or ""
            if not version:
                raise _Refused("no version behind the slash")
            self._skip()
        self._expect("=", "no result")
        result = self._keyword("no result")
        reason, properties = self._details()
        return ResInfo(method, result, reason, tuple(properties), int(version))

    def _details(self) -> tuple[str | None, list[Property]]:
        reason: str | None = None
        properties: list[Property] = []
        while not self._ended() and not self._sees(";"):
            name = self._keyword("neither a property nor a semicolon")
            if name == "reason" and reason is None and self._sign("="):
                reason = self._value()
                continue
            if len(properties) == self._limits.properties:
                raise _Refused(f"more than {self._limits.properties} properties")
            self._expect(".", "a property without its type")
            name = f"{name}.{self._keyword('no property')}"
            self._expect("=", "a property without a value")
            properties.append(Property(name, self._value()))
        return reason, properties

    def _value(self) -> str:
        """Read a value and the space behind it."""
        self._skip()
        quoted = self._quoted()
        bare = self._take(_BARE)
        if (quoted, bare) == (None, None) and not (self._sees(";") or self._ended()):
            raise _Refused("no value")
        if quoted is not None and bare is not None and not bare.startswith("@"):
            raise _Refused("a word behind a quoted one")
        self._skip()
        return (quoted or "") + (bare or "")

    def _keyword(self, missing: str) -> str:
        """Read a keyword and the space behind it."""
        found = self._take(KEYWORD)
        if found is None:
            raise _Refused(missing)
        self._skip()
        return found.lower()

    def _expect(self, sign: str, missing: str) -> None:
        if not self._sign(sign):
            raise _Refused(missing)
        self._skip()

    def _sign(self, sign: str) -> bool:
        if not self._sees(sign):
            return False
        self._at += 1
        return True

    def _sees(self, sign: str) -> bool:
        return self._text.startswith(sign, self._at)

    def _ended(self) -> bool:
        return self._at == len(self._text)

    def _take(self, pattern: re.Pattern[str]) -> str | None:
        match = pattern.match(self._text, self._at)
        if match is None:
            return None
        self._at = match.end()
        return match[0]

    def _quoted(self) -> str | None:
        match = _QUOTED.match(self._text, self._at)
        if match is None:
            return None
        self._at = match.end()
        return _PAIR.sub(lambda pair: pair[1] or "", match[1])

    def _skip(self) -> None:
        """Pass over white space and comments."""
        self._take(_SPACE)
        while self._sees("("):
            end = end_of_comment(self._text, self._at, self._limits.depth)
            if end is None:
                raise _Refused("a comment without an end, or too deep")
            self._at = end
            self._take(_SPACE)
