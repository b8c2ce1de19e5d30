"""Replay stores: who was first to deliver a token to a recipient (RFC 8224 §12.1).

All have one atomic verb, `claim`, and match `services.ReplayStore` by shape. A claim
made again by the same holder succeeds, so a retry of a delivery is no replay.
"""

from __future__ import annotations

import heapq
import os
import sqlite3
import threading
import time
from datetime import datetime
from pathlib import Path
from threading import Lock
from typing import Final

from stirmilter.errors import StoreError

_ROW_OCTETS: Final = 320  # one key, its holder, both indexes, measured with slack
_PAGE_OCTETS: Final = 4096
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS claims (
    key TEXT PRIMARY KEY, holder TEXT NOT NULL, until REAL NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS claims_until ON claims (until);
"""


class MemoryReplayStore:
    """Exact until `limit` keys are live; then it refuses to answer.

    One lock, held for O(log n). Lost on restart, and not shared between workers.
    """

    def __init__(self, limit: int = 1_000_000) -> None:
        self._limit = limit
        self._lock = Lock()
        self._holders: dict[str, str] = {}
        self._expiry: list[tuple[datetime, str]] = []

    def claim(self, key: str, holder: str, until: datetime, now: datetime) -> str:
        """Record `holder` for `key` unless one is recorded, and return whose it is.

        Raises:
            StoreError: `limit` keys are live. Forgetting one of them would let its
                token pass again.
        """
        with self._lock:
            while self._expiry and self._expiry[0][0] <= now:
                del self._holders[heapq.heappop(self._expiry)[1]]
            if key in self._holders:
                return self._holders[key]
            if len(self._holders) >= self._limit:
                raise StoreError(f"replay store: {self._limit} live keys, all taken")
            self._holders[key] = holder
            heapq.heappush(self._expiry, (until, key))
            return holder


class SqliteReplayStore:
    """A file shared by all workers of a machine; survives restarts.

    The file is held to about the size of `limit` keys. Connections are opened per
    thread and per process, on first use: SQLite's must not cross a fork.
    """

    def __init__(
        self, path: Path, limit: int = 1_000_000, seconds: float = 2.0
    ) -> None:
        """Open the file, to fail now rather than with the first message.

        Args:
            path: the file; its folder must exist and be writable.
            limit: keys that may be live.
            seconds: how long to wait for another writer.

        Raises:
            StoreError: the file cannot be used.
        """
        self._path = path
        self._pages = max(limit * _ROW_OCTETS // _PAGE_OCTETS, 16)
        self._seconds = seconds
        self._local = threading.local()
        try:
            connection = self._connection()
            connection.executescript(_SCHEMA)
            connection.execute("BEGIN IMMEDIATE")  # a file we may only read fails here
            connection.execute("ROLLBACK")
        except sqlite3.Error as error:
            raise StoreError(
                f"replay store: {path}: {error}; its folder must exist, and the"
                " daemon's user must be able to write there"
            ) from None
        self.close()

    def claim(self, key: str, holder: str, until: datetime, now: datetime) -> str:
        """Record `holder` for `key` unless one is recorded, and return whose it is.

        Raises:
            StoreError: the file is full, locked for too long, or broken.
        """
        try:
            connection = self._connection()
            with connection:
                connection.execute("BEGIN IMMEDIATE")
                connection.execute(
                    "DELETE FROM claims WHERE until <= ?", (now.timestamp(),)
                )
                connection.execute(
                    "INSERT INTO claims VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
                    (key, holder, until.timestamp()),
                )
                row = connection.execute(
                    "SELECT holder FROM claims WHERE key = ?", (key,)
                ).fetchone()
        except sqlite3.Error as error:
            raise StoreError(f"replay store: {self._path}: {error}") from None
        return str(row[0])

    def close(self) -> None:
        """Close this thread's connection."""
        connection = getattr(self._local, "connection", None)
        if connection is not None:
            connection.close()
            self._local.connection = None

    def _share(self, connection: sqlite3.Connection) -> None:
        """Turn to write-ahead logging; which does not wait for locks by itself."""
        deadline = time.monotonic() + self._seconds
        while True:
            try:
                connection.execute("PRAGMA journal_mode = WAL")
            except sqlite3.OperationalError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.01)
            else:
                return

    def _connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None or self._local.pid != os.getpid():
            connection = sqlite3.connect(
                self._path, timeout=self._seconds, isolation_level=None
            )
            self._share(connection)
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute(f"PRAGMA max_page_count = {self._pages:d}")
            self._local.connection = connection
            self._local.pid = os.getpid()
        return connection
