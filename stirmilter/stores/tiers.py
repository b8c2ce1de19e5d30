"""What workers share of documents (SQLite), and what relays share (Redis or Valkey).

Both keep records, which they do not understand, for as long as they are told. Nothing
here is precious: what is lost is fetched again.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Final

from stirmilter.stores.database import Database, DatabaseSettings
from stirmilter.stores.document import RECORD_OCTETS

if TYPE_CHECKING:  # redis-py is there only where it is wanted
    from stirmilter.stores.redis import RedisServer

_PREFIX: Final = "stirmilter:document:"
_LONGEST: Final = 366 * 86_400.0  # seconds; Redis refuses what leads too far ahead
# The table of earlier versions is of no use: whoever wanted kept what it held.
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS records (
    key TEXT PRIMARY KEY, used REAL NOT NULL, until REAL NOT NULL,
    octets INTEGER NOT NULL, record BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS records_used ON records (used, octets);
CREATE INDEX IF NOT EXISTS records_until ON records (until);
DROP TABLE IF EXISTS documents;
"""
_LOAD: Final = "SELECT used, record FROM records WHERE key = ? AND octets <= ?"
_NOTE: Final = "UPDATE records SET used = ? WHERE key = ?"
_TOO_MANY: Final = """
DELETE FROM records WHERE rowid IN (
    SELECT id FROM (
        SELECT rowid AS id,
            count(*) OVER latest AS entries, sum(octets) OVER latest AS octets
        FROM records
        WINDOW latest AS (ORDER BY used DESC, rowid DESC ROWS UNBOUNDED PRECEDING)
    ) WHERE entries > ? OR octets > ?
)
"""
_USE: Final = 60.0
"""Seconds in which one use of a record is noted: a note is a write."""


class SqliteTier:
    """A file that the workers of one machine share; survives restarts.

    Opened on first use, in each process: that it cannot be used is no reason not to
    start. Bounded: what was not used for longest gives way, however long its server
    wants it kept.
    """

    def __init__(
        self,
        path: Path,
        *,
        entries: int = 2_000,
        octets: int = 64 << 20,
        seconds: float = 0.25,
        rebuilt: Callable[[Path], None] = lambda _: None,
    ) -> None:
        """Take the file and the limits.

        Args:
            path: the file; its folder must exist and be writable.
            entries: records.
            octets: of the records together; the file may grow to twice that.
            seconds: how long to wait for another writer.
            rebuilt: told where a broken file went.
        """
        self._path = path
        self._entries = entries
        self._octets = octets
        self._settings = DatabaseSettings(
            seconds=seconds, octets=2 * octets + (1 << 20), cache_octets=1 << 20
        )
        self._rebuilt = rebuilt
        self._lock = Lock()
        self._opened: tuple[int, Database] | None = None

    def load(self, key: str, octets: int, now: float) -> bytes | None:
        """Return the record of a key, if there is one of at most so many octets.

        Raises:
            StoreError: the file is locked for too long, or broken.
        """
        database = self._database()
        try:
            connection = database.connection()
            row = connection.execute(_LOAD, (key, octets + RECORD_OCTETS)).fetchone()
        except sqlite3.Error as error:
            raise database.failed(error) from None
        if row is None:
            return None
        used, record = row
        if abs(now - used) >= _USE:
            self._note(connection, key, now)
        return bytes(record)

    def _note(self, connection: sqlite3.Connection, key: str, now: float) -> None:
        """Note a use, if nobody else writes; what can be read is good without."""
        patience = int(1000 * self._settings.seconds)
        with suppress(sqlite3.Error):
            connection.execute("PRAGMA busy_timeout = 0")
            try:
                connection.execute(_NOTE, (now, key))
            finally:
                connection.execute(f"PRAGMA busy_timeout = {patience:d}")

    def save(self, key: str, record: bytes, now: float, until: float) -> None:
        """Keep a record until a time (seconds since 1970).

        Raises:
            StoreError: the file is full, locked for too long, read-only or broken.
        """
        database = self._database()
        try:
            connection = database.connection()
            with connection:
                connection.execute("BEGIN IMMEDIATE")
                connection.execute("DELETE FROM records WHERE until <= ?", (now,))
                connection.execute(
                    "INSERT OR REPLACE INTO records VALUES (?, ?, ?, ?, ?)",
                    (key, now, until, len(record), record),
                )
                connection.execute(_TOO_MANY, (self._entries, self._octets))
        except sqlite3.Error as error:
            raise database.failed(error) from None

    def _database(self) -> Database:
        with self._lock:
            if self._opened is None or self._opened[0] != os.getpid():
                self._opened = (
                    os.getpid(),
                    Database(
                        "certificate store",
                        self._path,
                        _SCHEMA,
                        self._settings,
                        rebuilt=self._rebuilt,
                    ),
                )
            return self._opened[1]


class RedisTier:
    """A Redis or Valkey server that several relays share.

    Each value carries its own end; how many there may be is the server's to say
    (``maxmemory``).
    """

    def __init__(self, server: RedisServer) -> None:
        self._server = server

    def load(self, key: str, octets: int, now: float) -> bytes | None:
        """Return the record of a key, if there is one of at most so many octets.

        Raises:
            StoreError: no answer.
        """
        del now  # the server has a clock
        limit = octets + RECORD_OCTETS
        record = self._server.ask(lambda r: r.getrange(_PREFIX + key, 0, limit))
        if not isinstance(record, bytes) or not 0 < len(record) <= limit:
            return None
        return record

    def save(self, key: str, record: bytes, now: float, until: float) -> None:
        """Keep a record until a time (seconds since 1970).

        Raises:
            StoreError: no answer, or the server is full.
        """
        milliseconds = int(1000 * min(until - now, _LONGEST))
        if milliseconds > 0:
            self._server.ask(lambda r: r.set(_PREFIX + key, record, px=milliseconds))
