"""What became of a message at the second operator, read where its people would look.

That is the header of the message that arrived; the journal, if it was refused.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from stirmilter.demo.operators import TWO
from stirmilter.errors import StoreError
from stirmilter.events import Handled
from stirmilter.mail import authres
from stirmilter.mail.message import RawMessage
from stirmilter.stores.journalreader import JournalReader

_TAG: Final = "X-Stirmilter"
_FIELDS: Final = 2  # the registered methods, and ours
_SECONDS: Final = 10.0
_POLL: Final = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One line of the table, as expected or as it was."""

    verdict: str = "-"
    stir: str = "-"
    """The reason."""

    spf: str = "-"
    dkim: str = "-"
    """``pass`` if one of the signatures passes."""

    dmarc: str = "-"
    action: str = "-"
    """``accept``, ``tag`` or ``reject``."""

    body: str = "-"
    """``intact`` or ``changed``: what the receiver holds against what was written."""

    @property
    def cells(self) -> tuple[str, ...]:
        """The columns."""
        return (
            self.verdict,
            self.stir,
            self.spf,
            self.dkim,
            self.dmarc,
            self.action,
            self.body,
        )


def received(octets: bytes, written: bytes) -> Seen:
    """Read a message that arrived.

    Args:
        octets: as it did.
        written: as its originator wrote it.
    """
    arrived = RawMessage.parse(octets)
    # Nobody else writes any here, so that a third one is forged and was not removed.
    fields = [
        authres.parse(header.text)
        for header in arrived.headers
        if header.named((authres.NAME,))
    ]
    results = [
        one
        for field in fields
        if isinstance(field, authres.Parsed) and field.authserv_id == TWO
        for one in field.resinfos
    ]
    stir = [one for one in results if one.method == "stir"]
    if len(fields) != _FIELDS or len(stir) != 1:
        return Seen(verdict=f"{len(fields)} result fields")
    found = [(one.method, one.result) for one in results]
    same = arrived.body == RawMessage.parse(written).body
    tagged = any(header.named((_TAG,)) for header in arrived.headers)
    return Seen(
        verdict=stir[0].get("policy.verdict"),
        stir=stir[0].reason or "-",
        action="tag" if tagged else "accept",
        body="intact" if same else "changed",
        spf=_word("spf", found),
        dkim=_word("dkim", found),
        dmarc=_word("dmarc", found),
    )


def refused(journal: Path, message_id: str) -> Seen:
    """Look a message up that never arrived."""
    ends = time.monotonic() + _SECONDS
    while time.monotonic() < ends:
        for event in _found(journal, message_id):
            return Seen(
                verdict=event.outcome,
                stir=event.reason,
                action=event.action,
                spf=_word("spf", event.methods),
                dkim=_word("dkim", event.methods),
                dmarc=_word("dmarc", event.methods),
            )
        time.sleep(_POLL)
    return Seen(verdict="not in the journal")


def _found(journal: Path, message_id: str) -> list[Handled]:
    try:
        with JournalReader(journal) as reader:
            return reader.find(message_id)
    except StoreError:  # the daemon has not made it yet
        return []


def _word(method: str, found: Iterable[tuple[str, str]]) -> str:
    """Return the first word of a method's results, or ``pass`` if that is one."""
    words = [text.split()[0] for name, text in found if name == method]
    return "pass" if "pass" in words else next(iter(words), "-")
