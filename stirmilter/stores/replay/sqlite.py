"""Replay keys in a SQLite file that all workers of a machine share."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from stirmilter.errors import StoreError
from stirmilter.stores.database import Database, DatabaseSettings
from stirmilter.stores.replay.entries import Entry, Stats
from stirmilter.stores.replay.retention import (
    RETENTION,
    SKEW,
    Horizon,
    began,
    predates,
    too_young,
)

_NAME: Final = "replay store"
_ROW_OCTETS: Final = 88  # a key, its holder, both indexes; measured 79
_SWEEP: Final = 512  # keys that are forgotten at once, or twice what has come since
_BETWEEN: Final = 1.0  # seconds from one sweep of this process to its next

_SCHEMA: Final = """
DROP TABLE IF EXISTS claims;  -- keys of versions before 0.2, of another form
CREATE TABLE IF NOT EXISTS uses (
    key BLOB PRIMARY KEY, holder BLOB NOT NULL, until INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS uses_until ON uses (until);
CREATE TABLE IF NOT EXISTS began (since REAL NOT NULL);
"""
_FORGET: Final = """
DELETE FROM uses WHERE key IN (
    SELECT key FROM uses WHERE until <= ? ORDER BY until LIMIT ?)
"""


class SqliteReplayStore:
    """Survives restarts, and kills; the file is held to the size of `limit` keys.

    A power cut may lose the claims of the last moments: each would cost a wait for the
    disk otherwise. A file that is broken is set aside for a new one, which knows
    nothing of tokens signed before.
    """

    def __init__(
        self,
        path: Path,
        limit: int = 1_000_000,
        retention: timedelta = RETENTION,
        *,
        seconds: float = 2.0,
        since: Callable[[], datetime] | None = None,
        skew: timedelta = SKEW,
        rebuilt: Callable[[Path], None] = lambda _: None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Open the file, to fail now rather than with the first message.

        Args:
            path: the file; its folder must exist and be writable.
            limit: keys that may be live, about.
            retention: for how long after its token was signed a key is kept.
            seconds: how long to wait for another writer.
            since: the time; read when the file is made, be it at first or in place of
                a broken one: claims of earlier tokens are refused. None lets them pass.
            skew: how far a signer's clock may run ahead: after a loss, so much longer.
            rebuilt: told where a broken file went, after a new one took its place.
            monotonic: seconds that never go back.

        Raises:
            StoreError: the file cannot be used.
        """
        self._limit = limit
        self._retention = retention
        self._now = since
        self._skew = skew
        self._monotonic = monotonic
        self._horizon = Horizon(retention, monotonic)
        self._swept = monotonic()
        self._made = 0
        settings = DatabaseSettings(seconds=seconds, octets=limit * _ROW_OCTETS)
        self._database = Database(_NAME, path, _SCHEMA, settings, rebuilt)
        self._began: tuple[int, datetime | None] | None = None
        self.stats()
        self.close()

    def claim(
        self, keys: Sequence[bytes], holder: bytes, signed_at: datetime, now: datetime
    ) -> bool:
        """Record `holder` for all keys, unless another one is recorded for any.

        Raises:
            StoreError: the file is full, locked for too long, read-only or broken; or
                the token is older than what is known here.
        """
        horizon = int(self._horizon.at(now))
        until = int((signed_at + self._retention).timestamp()) + 1
        try:
            connection = self._database.connection()
            connection.execute("BEGIN IMMEDIATE")
            try:
                self._sweep(connection, horizon)
                good = self._claim(connection, keys, holder, signed_at, until)
            except BaseException:
                _roll_back(connection)
                raise
            connection.execute("COMMIT" if good else "ROLLBACK")
        except sqlite3.Error as error:
            raise self._failed(error) from None
        return good

    def entries(self) -> Iterator[Entry]:
        """Yield what is kept, what is forgotten first before all else."""
        try:
            rows = self._database.connection().execute(
                "SELECT key, holder, until FROM uses ORDER BY until"
            )
            for key, holder, until in rows:
                yield Entry(key, holder, datetime.fromtimestamp(until, UTC))
        except sqlite3.Error as error:
            raise self._database.failed(error) from None

    def stats(self) -> Stats:
        """Tell how full it is."""
        try:
            connection = self._database.connection()
            with connection:
                connection.execute("BEGIN IMMEDIATE")
                row = connection.execute("SELECT count(*) FROM uses").fetchone()
                return Stats(row[0], self._limit, self._since(connection))
        except sqlite3.Error as error:
            raise self._database.failed(error) from None

    def clear(self, keys: Sequence[bytes] | None = None) -> int:
        """Forget some keys, or all; return how many of them there were."""
        statement = "DELETE FROM uses"
        try:
            connection = self._database.connection()
            if keys is None:
                return connection.execute(statement).rowcount
            one = f"{statement} WHERE key = ?"
            return sum(connection.execute(one, (key,)).rowcount for key in keys)
        except sqlite3.Error as error:
            raise self._database.failed(error) from None

    def close(self) -> None:
        """Close this thread's connection."""
        self._database.close()

    def _sweep(self, connection: sqlite3.Connection, horizon: int) -> None:
        """Forget what is due: a little, so that no message waits for a whole night."""
        self._made += 1
        if self._monotonic() - self._swept > _BETWEEN:
            self._swept = self._monotonic()
            most, self._made = max(_SWEEP, 2 * self._made), 0
            connection.execute(_FORGET, (horizon, most))

    def _claim(
        self,
        connection: sqlite3.Connection,
        keys: Sequence[bytes],
        holder: bytes,
        signed_at: datetime,
        until: int,
    ) -> bool:
        since = self._since(connection)
        for key in dict.fromkeys(keys):
            made = connection.execute(
                "INSERT INTO uses VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
                (key, holder, until),
            )
            if made.rowcount:
                if since is not None and predates(signed_at, since):
                    raise too_young(_NAME, since)
                continue
            row = connection.execute(
                "SELECT holder FROM uses WHERE key = ?", (key,)
            ).fetchone()
            if row[0] != holder:
                return False
        return True

    def _since(self, connection: sqlite3.Connection) -> datetime | None:
        """Return when the file began, and write it down in a new one."""
        file = self._database.inode
        if self._began is not None and self._began[0] == file:
            return self._began[1]
        row = connection.execute("SELECT since FROM began").fetchone()
        if row is None and self._now is not None:
            # Whichever process comes first to the new file sees what became of the old.
            lost = self._database.was_broken
            row = (began(self._now(), self._skew, lost=lost).timestamp(),)
            connection.execute("INSERT INTO began VALUES (?)", row)
        since = datetime.fromtimestamp(row[0], UTC) if row else None
        self._began = (file, since)
        return since

    def _failed(self, error: sqlite3.Error) -> StoreError:
        if getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_FULL:
            return StoreError(
                f"{_NAME}: {self._database.path}: full (replay.limit, or the disk)"
            )
        return self._database.failed(error)


def _roll_back(connection: sqlite3.Connection) -> None:
    with suppress(sqlite3.Error):  # SQLite may have done so by itself
        connection.execute("ROLLBACK")
