"""Writes what the registered methods found into one field (RFC 8601 §2.7).

Properties are those of IANA's registry. What a stranger chose, a local part, a
selector, is written only if it is harmless to a consumer that reads fields by cutting
them at spaces and semicolons: others are left out, and ``reason`` says so. Domains are
A-labels (RFC 8616 §4), which every consumer can read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from stirmilter.mail.authres.values import Property, ResInfo
from stirmilter.mail.authres.writer import field
from stirmilter.mail.results import (
    ArcResult,
    DkimSignature,
    DmarcResult,
    MailResults,
    SpfResult,
)

SIGNATURES: Final = 10
"""Default for the DKIM signatures that are written."""

LENGTH: Final = 255
"""Default for the characters of a value."""

_HARMLESS: Final = re.compile(r"[!#-'*+./0-9:=?@A-Z^-~-]+", re.ASCII)
_HARMFUL: Final = re.compile(r"[^ !#-'*+,./0-9:=?@A-Z^-~-]")


def render(
    results: MailResults,
    authserv_id: str,
    *,
    signatures: int = SIGNATURES,
    length: int = LENGTH,
) -> str:
    """Write the field value that tells what was found; never raises.

    ``none`` is all that is written when we evaluated nothing ourselves: what an
    upstream said is not repeated under our name.

    Args:
        results: what was found; a method that is None was not asked for.
        authserv_id: who we are.
        signatures: DKIM signatures that are written at most, those that pass first.
        length: longest value that is written, in characters.
    """
    if results.source:
        return field(authserv_id)
    resinfos = [_spf(results.spf, length)] if results.spf else []
    if results.dkim is not None:
        resinfos += _dkim(results.dkim, signatures, length)
    resinfos += [_dmarc(results.dmarc, length)] if results.dmarc else []
    resinfos += [_arc(results.arc, length)] if results.arc else []
    return field(authserv_id, resinfos)


def _spf(found: SpfResult, length: int) -> ResInfo:
    name = f"smtp.{found.scope}"
    writing = _Writing(length)
    if not writing.whole(name, found.address):
        writing.part(name, found.domain)
    return writing.resinfo("spf", found.word, found.reason)


def _dkim(
    found: tuple[DkimSignature, ...], signatures: int, length: int
) -> Iterable[ResInfo]:
    if not found:
        yield ResInfo("dkim", "none")
    passing_first = sorted(found, key=lambda one: one.word != "pass")
    for one in passing_first[:signatures]:
        writing = _Writing(length)
        writing.whole("header.d", one.domain)
        if not writing.whole("header.i", one.identity) and one.domain:
            writing.part("header.i", f"@{one.identity.rpartition('@')[2]}")
        writing.whole("header.s", one.selector)
        writing.whole("header.a", one.algorithm)
        writing.whole("header.b", one.value)
        yield writing.resinfo("dkim", one.word, one.reason)


def _dmarc(found: DmarcResult, length: int) -> ResInfo:
    writing = _Writing(length)
    writing.whole("header.from", found.domain)
    writing.whole("policy.dmarc", found.policy)
    return writing.resinfo("dmarc", found.word, found.reason)


def _arc(found: ArcResult, length: int) -> ResInfo:
    """Write the result alone: what else we know has no registered property."""
    return _Writing(length).resinfo("arc", found.word, found.reason)


class _Writing:
    """Collects the properties of one method, and which of them cannot be written."""

    def __init__(self, length: int) -> None:
        self._length = length
        self._properties: list[Property] = []
        self._left_out: list[str] = []

    def whole(self, name: str, value: str) -> bool:
        """Add a property, or note that it cannot be; nothing of an empty one."""
        if value and not self.part(name, value):
            self._left_out.append(name)
            return False
        return bool(value)

    def part(self, name: str, value: str) -> bool:
        """Add a property, if it can be."""
        if len(value) > self._length or not _HARMLESS.fullmatch(value):
            return False
        self._properties.append(Property(name, value))
        return True

    def resinfo(self, method: str, word: str, reason: str) -> ResInfo:
        texts = [_HARMFUL.sub("?", reason[: self._length])] if reason else []
        texts += [f"{name} is not shown in full" for name in self._left_out]
        told = ", ".join(texts) if texts else None
        return ResInfo(method, word, told, tuple(self._properties))
