"""The evidence of past verdicts, in a SQLite file (RFC 9475 §4).

    messages      one row for each message, found by queue id, Message-ID, X-Mms ids
    passports     one for each of its tokens, in the order of the header
    removed       one for each header field that was taken out of it, as forged
    certificates  each once, however many messages rest on it
    rulings       what the policy said, of messages of which it said anything
    methods       one for each result of SPF, DKIM, ARC and DMARC
    timings       what each took its time with, a JSON object of seconds by stage

`Journal` writes and forgets, for the daemon; `stores.journalreader` looks, for people.
Digests are kept as octets: ``SELECT hex(sha256)``. Recipients are not in it, and
numbers are masked unless told otherwise.
"""

from __future__ import annotations

import json
import math
import re
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
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
from stirmilter.stores.database import Database, DatabaseSettings

_SLICE: Final = 200  # messages that are forgotten in one transaction
_SLICES: Final = 100  # and how often in a row, before what waits is written
_CROWDED: Final = 0.9  # of the file; what is beyond is for the next batch
_CACHE_OCTETS: Final = 1 << 20
_NUMBER: Final = re.compile(r"(?<![0-9])[0-9]{7,15}(?![0-9])", re.ASCII)

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS messages (
    id INTEGER PRIMARY KEY, time REAL NOT NULL, queue_id TEXT NOT NULL,
    direction TEXT NOT NULL, outcome TEXT NOT NULL, reason TEXT NOT NULL,
    detail TEXT NOT NULL, orig TEXT, action TEXT NOT NULL, signer TEXT NOT NULL,
    x5u TEXT NOT NULL, seconds REAL NOT NULL, client TEXT NOT NULL,
    message_id TEXT, transaction_id TEXT, mms_message_id TEXT
);
CREATE INDEX IF NOT EXISTS messages_time ON messages (time);
CREATE INDEX IF NOT EXISTS messages_queue_id ON messages (queue_id);
CREATE INDEX IF NOT EXISTS messages_message_id ON messages (message_id)
    WHERE message_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS messages_transaction_id ON messages (transaction_id)
    WHERE transaction_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS messages_mms_message_id ON messages (mms_message_id)
    WHERE mms_message_id IS NOT NULL;
CREATE TABLE IF NOT EXISTS passports (
    message INTEGER NOT NULL, position INTEGER NOT NULL, reason TEXT NOT NULL,
    word TEXT NOT NULL, rule TEXT NOT NULL, detail TEXT NOT NULL, ppt TEXT NOT NULL,
    iat INTEGER, x5u TEXT NOT NULL, path BLOB NOT NULL, valid_from REAL,
    valid_until REAL, status TEXT NOT NULL, authority TEXT NOT NULL,
    msgi TEXT NOT NULL, diversions INTEGER NOT NULL, notes TEXT NOT NULL,
    fingerprint BLOB NOT NULL, PRIMARY KEY (message, position)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS removed (
    message INTEGER NOT NULL, position INTEGER NOT NULL, name TEXT NOT NULL,
    text TEXT NOT NULL, PRIMARY KEY (message, position)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS rulings (
    message INTEGER PRIMARY KEY, rule TEXT NOT NULL, peer TEXT NOT NULL,
    shadow_action TEXT NOT NULL, shadow_rule TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS methods (
    message INTEGER NOT NULL, position INTEGER NOT NULL, method TEXT NOT NULL,
    result TEXT NOT NULL, PRIMARY KEY (message, position)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS timings (
    message INTEGER PRIMARY KEY, stages TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS certificates (
    sha256 BLOB PRIMARY KEY, der BLOB NOT NULL, first_seen REAL NOT NULL,
    last_used REAL NOT NULL
);
"""

_INSERT_MESSAGE: Final = """
INSERT INTO messages VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_INSERT_PASSPORT: Final = """
INSERT INTO passports VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_INSERT_REMOVED: Final = "INSERT INTO removed VALUES (?, ?, ?, ?)"
_INSERT_RULING: Final = "INSERT INTO rulings VALUES (?, ?, ?, ?, ?)"
_INSERT_METHOD: Final = "INSERT INTO methods VALUES (?, ?, ?, ?)"
_INSERT_TIMING: Final = "INSERT INTO timings VALUES (?, ?)"
_PARTS: Final = ("passports", "removed", "rulings", "methods", "timings")
_INSERT_CERTIFICATE: Final = """
INSERT INTO certificates VALUES (?, ?, ?, ?) ON CONFLICT (sha256) DO UPDATE SET
    first_seen = min(first_seen, excluded.first_seen),
    last_used = max(last_used, excluded.last_used)
"""
_OLDEST: Final = "SELECT id FROM messages WHERE time < ? ORDER BY time LIMIT ?"
# A certificate was last used with the youngest message that refers to it.
_FORGET_CERTIFICATES: Final = """
DELETE FROM certificates
WHERE last_used < (SELECT ifnull(min(time), 9e999) FROM messages)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalSettings:
    """What the journal may keep."""

    age: timedelta = timedelta(days=90)
    """Older messages are forgotten."""

    octets: int = 512 << 20
    """Greatest size of the file; the oldest messages go before it is full."""

    full_numbers: bool = False
    """Whether numbers of originators, and those in fields that were taken out, are kept
    unmasked."""

    removed: RemovedLimits = field(default_factory=RemovedLimits)
    """What is kept of fields that were taken out."""

    seconds: float = 2.0
    """How long to wait for another writer."""


class Journal:
    """Writes evidence, and forgets what is too old or too much.

    Not for threads to share: one writes. Processes may, each with its own.
    """

    def __init__(
        self,
        path: Path,
        settings: JournalSettings = JournalSettings(),
        rebuilt: Callable[[Path], None] = lambda _: None,
    ) -> None:
        """Open the file, or make it; after the fork of whoever writes.

        Args:
            path: the file; its folder must exist and be writable.
            settings: what it may keep.
            rebuilt: told where a broken file went, after a new one took its place.

        Raises:
            StoreError: the file cannot be used.
        """
        self._settings = settings
        self._database = Database(
            "journal",
            path,
            _SCHEMA,
            DatabaseSettings(
                seconds=settings.seconds,
                octets=settings.octets,
                cache_octets=_CACHE_OCTETS,
            ),
            rebuilt=rebuilt,
        )

    def write(self, events: Sequence[Handled]) -> int:
        """Keep events, all in one transaction if the file has room for them.

        Returns how many are kept now, from the first on; those without evidence are
        passed over.

        Raises:
            StoreError: none is; a broken file has been set aside.
        """
        count = len(events)
        while True:
            try:
                self._insert(events[:count])
            except sqlite3.Error as error:
                try:
                    count = self._less(count, error)
                except sqlite3.Error as again:
                    raise self._database.failed(again) from None
            else:
                return count

    def _less(self, count: int, error: sqlite3.Error) -> int:
        """Make room after a batch did not fit, and return how much of it to try.

        A full disk looks the same as our own bound; it must not make us forget.
        """
        if getattr(error, "sqlite_errorcode", 0) != sqlite3.SQLITE_FULL:
            raise error
        if self._crowded():
            self._forget(math.inf)
        elif count > 1:
            count //= 2
        else:
            raise error
        return count

    def prune(self, now: datetime) -> None:
        """Forget what is too old or too much, in slices: other writers come between.

        The pages of what is forgotten are used again: the file does not shrink, and it
        does not grow beyond its bound.

        Raises:
            StoreError: the file cannot be used now.
        """
        oldest = (now - self._settings.age).timestamp()
        try:
            for _ in range(_SLICES):
                if not self._forget(math.inf if self._crowded() else oldest):
                    return
        except sqlite3.Error as error:
            raise self._database.failed(error) from None

    def close(self) -> None:
        """Close this thread's connection."""
        self._database.close()

    def _insert(self, events: Sequence[Handled]) -> None:
        with self._transaction() as connection:
            most = self._settings.removed.fields
            seen: dict[str, tuple[bytes, float, float]] = {}
            for event in events:
                kept = event.evidence
                if kept is None:
                    continue
                time = kept.time.timestamp()
                row = _message_row(event, kept, self._settings)
                message = connection.execute(_INSERT_MESSAGE, row).lastrowid
                ruling = event.rule, event.peer, event.shadow_action, event.shadow_rule
                if any(ruling):
                    connection.execute(_INSERT_RULING, (message, *ruling))
                connection.executemany(
                    _INSERT_METHOD,
                    [(message, n, *one) for n, one in enumerate(event.methods)],
                )
                if event.stages:
                    row = (message, _stages(event))
                    connection.execute(_INSERT_TIMING, row)
                for position, token in enumerate(kept.tokens):
                    row = (message, position, *_token_row(token))
                    connection.execute(_INSERT_PASSPORT, row)
                    for digest, der in token.path:
                        _, first, last = seen.get(digest, (der, time, time))
                        seen[digest] = der, min(first, time), max(last, time)
                for position, gone in enumerate(kept.removed[:most]):
                    row = (message, position, *_removed_row(gone, self._settings))
                    connection.execute(_INSERT_REMOVED, row)
            connection.executemany(
                _INSERT_CERTIFICATE,
                [(bytes.fromhex(digest), *used) for digest, used in seen.items()],
            )

    def _forget(self, before: float) -> int:
        """Forget one slice of the oldest, and return how many messages it was."""
        if self._database.connection().execute(_OLDEST, (before, 1)).fetchone() is None:
            return 0  # without asking for the lock
        with self._transaction() as connection:
            rows = connection.execute(_OLDEST, (before, _SLICE)).fetchall()
            for part in _PARTS:
                forget = f"DELETE FROM {part} WHERE message = ?"  # noqa: S608 - ours
                connection.executemany(forget, rows)
            connection.executemany("DELETE FROM messages WHERE id = ?", rows)
            connection.execute(_FORGET_CERTIFICATES)
        return len(rows)

    def _crowded(self) -> bool:
        connection = self._database.connection()
        [size] = connection.execute("PRAGMA page_size").fetchone()
        [pages] = connection.execute("PRAGMA page_count").fetchone()
        [free] = connection.execute("PRAGMA freelist_count").fetchone()
        return bool((pages - free) * size > _CROWDED * self._settings.octets)

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        connection = self._database.connection()
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:  # a full disk has rolled it back already
                connection.execute("ROLLBACK")
            raise


def name(text: str) -> str:
    """Return an identifier as it is kept: printable, and bounded."""
    return printable(text, IDENTIFIER_LENGTH)


def _message_row(
    event: Handled, kept: Evidence, settings: JournalSettings
) -> tuple[object, ...]:
    orig = event.orig
    if orig is not None and not settings.full_numbers:
        orig = mask(orig)
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


def _removed_row(gone: Removed, settings: JournalSettings) -> tuple[str, str]:
    """Keep a field; whatever looks like a number in it is masked like a number."""
    text = printable(gone.text, settings.removed.characters)
    if not settings.full_numbers:
        text = _NUMBER.sub(lambda found: mask(found[0]), text)
    return name(gone.name), text


def _token_row(token: Token) -> tuple[object, ...]:
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
