"""Replay keys in a SQLite file that all workers of a machine share."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from stirmilter.errors import StoreError
from stirmilter.haste import hurries, takes_long
from stirmilter.stores.database import Database, DatabaseSettings
from stirmilter.stores.replay import standing
from stirmilter.stores.replay.entries import Entry, Stats
from stirmilter.stores.replay.retention import (
    RETENTION,
    SKEW,
    Horizon,
    predates,
    too_young,
)
from stirmilter.stores.replay.standing import Keeper, Standing, boot_id

_NAME: Final = "replay store"
_ROW_OCTETS: Final = 88  # a key, its holder, both indexes; measured 79
_SWEEP: Final = 512  # keys that are forgotten at once, or twice what has come since
_BETWEEN: Final = 1.0  # seconds from one sweep of this process to its next
_REST: Final = 0.05  # seconds in which a file that is locked is not tried in haste
_CACHE_OCTETS: Final = 2 << 20  # of each thread; a worker has many, and all claim
_LOG_PAGES: Final = 4_000  # so that `Database.tidy` mostly comes first
_MANY: Final = 32  # keys of one claim, which take about as many times 10 microseconds

_SCHEMA: Final = f"""
{standing.SCHEMA}
DROP TABLE IF EXISTS claims;  -- keys of versions before 0.2, of another form
CREATE TABLE IF NOT EXISTS uses (
    key BLOB PRIMARY KEY, holder BLOB NOT NULL, until INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS uses_until ON uses (until);
DROP TABLE IF EXISTS began;
"""
_FORGET: Final = """
DELETE FROM uses WHERE key IN (
    SELECT key FROM uses WHERE until <= ? ORDER BY until LIMIT ?)
"""


class SqliteReplayStore:
    """Survives restarts, and kills; the file is held to the size of `limit` keys.

    A power cut may lose the claims of the last moments: each would cost a wait for the
    disk otherwise. After one, and in a new file that takes the place of a broken one,
    nothing is known of tokens signed before.
    """

    remote = False

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
        trouble: Callable[[str], None] | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        boot: str | None = None,
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
            trouble: told why the file cannot be written for the moment (full, locked,
                read-only): claims fail until it can. None has that fail at once.
            monotonic: seconds that never go back, the same in all processes.
            boot: what this run of the machine is called; None asks the kernel.

        Raises:
            StoreError: the file cannot be used.
        """
        self._limit = limit
        self._retention = retention
        self._monotonic = monotonic
        self._horizon = Horizon(retention, monotonic)
        self._swept = monotonic()
        self._made = 0
        self._rests_until = self._swept
        self._keeper = Keeper(since, skew, boot_id() if boot is None else boot)
        settings = DatabaseSettings(
            seconds=seconds,
            octets=limit * _ROW_OCTETS,
            cache_octets=_CACHE_OCTETS,
            log_pages=_LOG_PAGES,
        )
        self._database = Database(
            _NAME, path, _SCHEMA, settings, rebuilt=rebuilt, trouble=trouble
        )
        self._since: tuple[int, datetime | None] | None = None
        self._settle()

    def claim(
        self,
        keys: Sequence[bytes],
        holder: bytes,
        signed_at: datetime,
        now: datetime,
        *,
        keep: bool = True,
    ) -> bool:
        """Record `holder` for all keys, unless another one is recorded for any.

        Raises:
            StoreError: the file is full, locked for too long, read-only or broken; or
                the token is older than what is known here.
        """
        if len(keys) > _MANY or self._monotonic() < self._rests_until:
            takes_long()
        until = int((signed_at + self._retention).timestamp()) + 1
        try:
            connection = self._database.connection()
            self._keep(connection, now)
            self._database.begin(connection)
            try:
                good = self._claim(connection, keys, holder, signed_at, until)
                connection.execute("COMMIT" if good and keep else "ROLLBACK")
            except BaseException:
                _roll_back(connection)
                raise
        except sqlite3.Error as error:
            if hurries():
                self._rests_until = self._monotonic() + _REST
            takes_long()  # whoever has the time learns what is wrong, or how it ends
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
            with _writing(connection):
                row = connection.execute("SELECT count(*) FROM uses").fetchone()
                since = self._settled(connection).since
        except sqlite3.Error as error:
            raise self._database.failed(error) from None
        return Stats(row[0], self._limit, since)

    def occupied(self) -> tuple[int, int]:
        """Tell of how many keys the room is used, and how many have room.

        By pages, as it is they that run out, and as counting a million keys reads half
        of the file: 7 milliseconds with all of it in memory, instead of 0.02. Mostly it
        is 10 to 15 % less than the keys that there are; after a night without mail it
        may be a third more.
        """
        try:
            used, most = self._database.used()
        except sqlite3.Error as error:
            raise self._database.failed(error) from None
        return self._limit * used // most, self._limit

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

    def rest(self) -> None:
        """Leave the file in order, once nobody uses it any more: nothing is lost then.

        Raises:
            StoreError: it cannot be written now.
        """
        try:
            connection = self._database.connection()
            with _writing(connection):
                kept = self._settled(connection)
                self._keeper.write(connection, replace(kept, boot=""))
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except sqlite3.Error as error:
            raise self._database.failed(error) from None
        finally:
            self.close()

    def _settle(self) -> None:
        """Have the file say since when it knows, and how the clock stands, from now."""
        try:
            connection = self._database.connection()
            with _writing(connection):
                kept = self._settled(connection)
                if self._keeper.now is not None:
                    self._paced(connection, kept, self._keeper.now())
        except sqlite3.Error as error:
            self._database.failed(error)  # it was told before, or will be with a claim
        self.close()

    def _keep(self, connection: sqlite3.Connection, now: datetime) -> None:
        """Forget what is due: a little, so that no message waits for a whole night.

        In a transaction of its own, as a claim that fails takes back what it did.
        """
        known = self._since is not None and self._since[0] == self._database.inode
        if known and self._monotonic() - self._swept <= _BETWEEN:
            self._made += 1
            return
        takes_long()
        self._swept = self._monotonic()
        most, self._made = max(_SWEEP, 2 * (self._made + 1)), 0
        with _writing(connection):
            kept = self._settled(connection)
            horizon = self._paced(connection, kept, now)
            connection.execute(_FORGET, (int(horizon), most))
        # Now, as the claim that follows is then the first of a new log, and waits for
        # the disk: who has no time should not.
        self._database.tidy()

    def _paced(
        self, connection: sqlite3.Connection, kept: Standing, now: datetime
    ) -> float:
        """Return the horizon, and keep what was learnt of the clock."""
        horizon, pace = self._horizon.after(kept.pace, now)
        if pace != kept.pace:
            self._keeper.write(connection, replace(kept, pace=pace))
        return horizon

    def _settled(self, connection: sqlite3.Connection) -> Standing:
        kept = self._keeper.settle(connection, broken=self._database.was_broken)
        self._since = (self._database.inode, kept.since)
        return kept

    def _claim(
        self,
        connection: sqlite3.Connection,
        keys: Sequence[bytes],
        holder: bytes,
        signed_at: datetime,
        until: int,
    ) -> bool:
        since = self._since[1] if self._since else None
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

    def _failed(self, error: sqlite3.Error) -> StoreError:
        if getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_FULL:
            return StoreError(
                f"{_NAME}: {self._database.path}: full (replay.limit, or the disk)"
            )
        return self._database.failed(error)


def _roll_back(connection: sqlite3.Connection) -> None:
    with suppress(sqlite3.Error):  # SQLite may have done so by itself
        connection.execute("ROLLBACK")


@contextmanager
def _writing(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        _roll_back(connection)
        raise
