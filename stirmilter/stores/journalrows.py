"""Events as rows of the journal: what is kept of them, masked and bounded."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from stirmilter.events import (
    IDENTIFIER_LENGTH,
    Evidence,
    Handled,
    Removed,
    RemovedLimits,
    Token,
)
from stirmilter.stir import identity
from stirmilter.stir.result import printable
from stirmilter.stir.tn import mask

_NUMBER: Final = re.compile(r"(?<![0-9])[0-9]{7,15}(?![0-9])", re.ASCII)

Row = tuple[object, ...]

IDENTIFIERS: Final = {
    "queue_id": "",
    "message_id": "WHERE message_id IS NOT NULL",
    "transaction_id": "WHERE transaction_id IS NOT NULL",
    "mms_message_id": "WHERE mms_message_id IS NOT NULL",
}
"""Columns that a message is looked up by, and which messages have one."""

PART: Final = "id >> 10"
"""Which part of the journal a message is in: a thousand that came together.

Identifiers are indexed part by part. What is written together would otherwise touch a
page of each index for each message, for they come in no order, and the more messages
there are, the more of these pages are none that is at hand: of 300 000, a message took
five times what it takes so. Who looks one up looks into each part.
"""


def indexes() -> str:
    """Return the statements that index the identifiers, and not as before."""
    return "\n".join(
        f"DROP INDEX IF EXISTS messages_{name};"
        f"CREATE INDEX IF NOT EXISTS messages_part_{name}"
        f" ON messages ({PART}, {name}) {which};"
        for name, which in IDENTIFIERS.items()
    )


@dataclass(slots=True)
class Batch:
    """The rows of events that are written together, by the table's name."""

    messages: list[Row] = field(default_factory=list)
    passports: list[Row] = field(default_factory=list)
    removed: list[Row] = field(default_factory=list)
    rulings: list[Row] = field(default_factory=list)
    methods: list[Row] = field(default_factory=list)
    timings: list[Row] = field(default_factory=list)
    _used: dict[str, tuple[bytes, float, float]] = field(default_factory=dict)

    @classmethod
    def of(
        cls, events: Iterable[Handled], last: int, limits: RemovedLimits, *, full: bool
    ) -> Batch:
        """Make the rows of events; those without evidence are passed over.

        Args:
            events: the first first.
            last: number of the last message that is kept already.
            limits: what is kept of fields that were taken out.
            full: whether numbers are kept unmasked.
        """
        batch = cls()
        for event in events:
            if event.evidence is not None:
                last += 1
                batch._add(last, event, event.evidence, limits, full=full)
        return batch

    def certificates(self) -> list[Row]:
        """Return those that the tokens rest on, each once."""
        return [(bytes.fromhex(digest), *used) for digest, used in self._used.items()]

    def _add(
        self,
        number: int,
        event: Handled,
        kept: Evidence,
        limits: RemovedLimits,
        *,
        full: bool,
    ) -> None:
        time = kept.time.timestamp()
        orig = event.orig if full or event.orig is None else mask(event.orig)
        self.messages.append((number, *_message_row(event, kept, orig)))
        ruling = event.rule, event.peer, event.shadow_action, event.shadow_rule
        if any(ruling):
            self.rulings.append((number, *ruling))
        for position, one in enumerate(event.methods):
            self.methods.append((number, position, *one))
        if event.stages:
            self.timings.append((number, _stages(event)))
        for position, token in enumerate(kept.tokens):
            self.passports.append((number, position, *_token_row(token)))
            for digest, der in token.path:
                _, first, last = self._used.get(digest, (der, time, time))
                self._used[digest] = der, min(first, time), max(last, time)
        for position, gone in enumerate(kept.removed[: limits.fields]):
            row = _removed_row(gone, limits.characters, full=full)
            self.removed.append((number, position, *row))


def name(text: str) -> str:
    """Return an identifier as it is kept: printable, and bounded."""
    return printable(text, IDENTIFIER_LENGTH)


def _message_row(event: Handled, kept: Evidence, orig: str | None) -> Row:
    return (
        kept.time.timestamp(),
        name(event.queue_id),
        event.direction,
        event.outcome,
        event.reason,
        printable(event.detail),
        orig,
        event.action,
        event.signer,
        printable(event.x5u, identity.X5U_LENGTH),
        event.seconds,
        kept.client,
        name(kept.message_id) or None,
        name(kept.transaction_id) or None,
        name(kept.mms_message_id) or None,
    )


def _stages(event: Handled) -> str:
    """Keep how long each stage took, to the microsecond."""
    return json.dumps({stage: round(took, 6) for stage, took in event.stages})


def _removed_row(gone: Removed, characters: int, *, full: bool) -> Row:
    """Keep a field; whatever looks like a number in it is masked like a number."""
    text = printable(gone.text, characters)
    if not full:
        text = _NUMBER.sub(lambda found: mask(found[0]), text)
    return name(gone.name), text


def _token_row(token: Token) -> Row:
    begin, end = token.valid or (None, None)
    return (
        token.reason,
        token.word,
        token.rule,
        printable(token.detail),
        token.ppt,
        token.iat,
        printable(token.x5u, identity.X5U_LENGTH),
        b"".join(bytes.fromhex(digest) for digest, _ in token.path),
        begin.timestamp() if begin else None,
        end.timestamp() if end else None,
        token.status,
        token.authority,
        token.msgi,
        token.diversions,
        json.dumps(token.notes),
        bytes.fromhex(token.fingerprint),
    )
