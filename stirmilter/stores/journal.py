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

import math
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import Final

from stirmilter.events import Handled, RemovedLimits
from stirmilter.stores import journalrows
from stirmilter.stores.database import Database, DatabaseSettings
from stirmilter.stores.journalrows import Batch, Row

_SLICE: Final = 200  # messages that are forgotten in one transaction
_SLICES: Final = 100  # and how often in a row, before what waits is written
_CROWDED: Final = 0.9  # of the file; what is beyond is for the next batch
_CACHE_OCTETS: Final = 1 << 20
_AT_ONCE: Final = 25  # messages whose rows are made, then inserted; see _insert_rows
_ROWS: Final = (_AT_ONCE, 5, 1)  # that one statement inserts, most first

_SCHEMA: Final = f"""
CREATE TABLE IF NOT EXISTS messages (
    id INTEGER PRIMARY KEY, time REAL NOT NULL, queue_id TEXT NOT NULL,
    direction TEXT NOT NULL, outcome TEXT NOT NULL, reason TEXT NOT NULL,
    detail TEXT NOT NULL, orig TEXT, action TEXT NOT NULL, signer TEXT NOT NULL,
    x5u TEXT NOT NULL, seconds REAL NOT NULL, client TEXT NOT NULL,
    message_id TEXT, transaction_id TEXT, mms_message_id TEXT
);
CREATE INDEX IF NOT EXISTS messages_time ON messages (time);
{journalrows.indexes()}
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

_PARTS: Final = ("passports", "removed", "rulings", "methods", "timings")
_LAST: Final = "SELECT ifnull(max(id), 0) FROM messages"
_INSERT_CERTIFICATE: Final = """
INSERT INTO certificates VALUES (?, ?, ?, ?) ON CONFLICT (sha256) DO UPDATE SET
    first_seen = min(first_seen, excluded.first_seen),
    last_used = max(last_used, excluded.last_used)
"""
_FIRST: Final = "SELECT min(time) FROM messages"
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
        kept: Callable[[float | None, int, int], None] = lambda *_: None,
    ) -> None:
        """Open the file, or make it; after the fork of whoever writes.

        Args:
            path: the file; its folder must exist and be writable.
            settings: what it may keep.
            rebuilt: told where a broken file went, after a new one took its place.
            kept: told after each look for what is too old: when the oldest message was
                handled (seconds since 1970), how many octets are in use, and how many
                may be.

        Raises:
            StoreError: the file cannot be used.
        """
        self._settings = settings
        self._kept = kept
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
                    break
            self._tell()
        except sqlite3.Error as error:
            raise self._database.failed(error) from None

    def close(self) -> None:
        """Close this thread's connection."""
        self._database.close()

    def _insert(self, events: Sequence[Handled]) -> None:
        full, removed = self._settings.full_numbers, self._settings.removed
        with self._transaction() as connection:
            [last] = connection.execute(_LAST).fetchone()
            for at in range(0, len(events), _AT_ONCE):
                some = events[at : at + _AT_ONCE]
                batch = Batch.of(some, last, removed, full=full)
                last += len(batch.messages)
                _insert_rows(connection, "messages", batch.messages)
                for part in _PARTS:
                    _insert_rows(connection, part, getattr(batch, part))
                connection.executemany(_INSERT_CERTIFICATE, batch.certificates())

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
        return self._database.used()[0] > _CROWDED * self._settings.octets

    def _tell(self) -> None:
        """Say what is kept; the oldest message is the first of an index."""
        [oldest] = self._database.connection().execute(_FIRST).fetchone()
        self._kept(oldest, self._database.used()[0], self._settings.octets)

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


def _insert_rows(
    connection: sqlite3.Connection, table: str, rows: Sequence[Row]
) -> None:
    """Insert rows by few statements.

    Each statement gives the interpreter's lock away, and has to be given it back by a
    thread that serves: for each row, that would cost both of them more than the row.
    One for any number of rows would be another text each time, of which a hundred are
    kept, each as large as its rows are many.
    """
    at = 0
    for count in _ROWS:
        while len(rows) - at >= count:
            marks = f"({', '.join('?' * len(rows[at]))})"
            values = ", ".join([marks] * count)
            insert = f"INSERT INTO {table} VALUES {values}"  # noqa: S608 - ours
            some = rows[at : at + count]
            connection.execute(insert, tuple(chain.from_iterable(some)))
            at += count
