"""SQLite files that several threads and processes share, and that may break.

What remembers keeps its rows in one of these: replay keys, certificates, evidence. A
file that SQLite no longer understands is set aside, with its name and the time, and a
new one takes its place; what that loses is for the store that owns it to say.
"""

from __future__ import annotations

import fcntl
import glob
import os
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from stirmilter.errors import StoreError
from stirmilter.haste import hurries, takes_long

_PAGE_OCTETS: Final = 4096
_RETRY: Final = 0.01  # seconds
_HASTE: Final = 0.004  # seconds to wait for another writer where there is no time
_GLANCE: Final = 0.0001  # seconds until another look, there
_LOG_OCTETS: Final = 4 << 20  # of the log, until it is emptied; SQLite's own measure
_READERS: Final = 0.05  # seconds to wait for who still reads the log, writers held up
# What SQLite says while a sibling makes the files, or turns to the log first.
_WAITED_FOR: Final = frozenset(
    {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_CANTOPEN}
)
# And what it says of disks and neighbours.
_PASSING: Final = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_READONLY,
    }
)
# What it says where a folder or a right is missing.
_CLOSED: Final = frozenset({sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY})
# What it says of a file that is no (longer a) database.
_BROKEN: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseSettings:
    """What a file may cost."""

    seconds: float = 2.0
    """How long to wait for another writer."""

    octets: int = 1 << 30
    """Greatest size of the file; beyond, writing fails with StoreError."""

    cache_octets: int = 8 << 20
    """Pages that each connection keeps in memory."""

    log_pages: int = 1_000
    """Of the log, from which on who has time moves it into the file with each write."""


class Database:
    """One SQLite file with its schema.

    Connections are opened for each thread and process, on first use: SQLite's must not
    cross a fork, and one that waits must not hold up another thread.
    """

    def __init__(
        self,
        name: str,
        path: Path,
        schema: str,
        settings: DatabaseSettings = DatabaseSettings(),
        *,
        rebuilt: Callable[[Path], None] = lambda _: None,
        trouble: Callable[[str], None] | None = None,
    ) -> None:
        """Open the file, to fail now rather than with the first message.

        Args:
            name: what it is, for messages, for example ``replay store``.
            path: the file; its folder must exist and be writable.
            schema: statements that may be executed again (``IF NOT EXISTS``).
            settings: what it may cost.
            rebuilt: told where a broken file went, after a new one took its place.
            trouble: told why the file cannot be written for the moment; None takes that
                for a failure as well.

        Raises:
            StoreError: the file cannot be used.
        """
        self.name = name
        self.path = path
        self._schema = schema
        self._settings = settings
        self._rebuilt = rebuilt
        self._patient, self._hasty = threading.local(), threading.local()
        try:
            connection = self.connection()
            connection.execute("BEGIN IMMEDIATE")  # a file we may only read fails here
            connection.execute("ROLLBACK")
        except sqlite3.Error as error:
            text = f"{name}: {path}: {error}"
            if trouble is None or not _may_pass(error):
                raise StoreError(f"{text}{_hint(error)}") from None
            trouble(f"{text}; going on without it until it can be written")
        finally:
            self.close()

    def connection(self) -> sqlite3.Connection:
        """Return this thread's connection, in autocommit mode.

        Raises:
            sqlite3.Error: the file cannot be opened.
        """
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is not None and self._local.pid != os.getpid():
            connection = None
        elif connection is not None and self._local.file != self._file():
            # A sibling has set it aside; SQLite would go on writing to it.
            self.close()
            connection = None
        if connection is None:
            self._local.file = self._file()
            if not self._local.file:  # to make it waits for the disk
                takes_long()
            try:
                connection = self._open()
            except sqlite3.DatabaseError as error:
                if not is_broken(error):
                    raise
                self._set_aside()
                self._local.file = self._file()
                connection = self._open()
            self._local.connection = connection
            self._local.file = self._file()
            self._local.pid = os.getpid()
        return connection

    def begin(self, connection: sqlite3.Connection) -> None:
        """Begin a transaction that writes; in haste, not to wait for others long.

        SQLite looks again after a millisecond, in which another could have written
        thirty times.

        Raises:
            sqlite3.Error: others write all the time, or the file cannot be written.
        """
        deadline = time.monotonic() + min(_HASTE, self._settings.seconds)
        while True:
            try:
                connection.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                busy = hurries() and _code(error) == sqlite3.SQLITE_BUSY
                if not busy or time.monotonic() > deadline:
                    raise
                time.sleep(_GLANCE)
            else:
                return

    @property
    def _local(self) -> threading.local:
        return self._hasty if hurries() else self._patient

    @property
    def inode(self) -> int:
        """Number of the file that this thread's connection works on."""
        return int(getattr(self._local, "file", 0))

    @property
    def was_broken(self) -> bool:
        """Whether a file was set aside here before, and is still there."""
        return any(self.path.parent.glob(f"{glob.escape(self.path.name)}.broken-*"))

    def tidy(self) -> None:
        """Empty the log into the file, if it has become large.

        SQLite begins the log anew only when a writer comes and all of it has been
        moved. Under a steady load that is never so by itself: more is written while it
        is being moved. So the last of it is moved with the writers held up.

        For who has time: it waits for the disk. The next to write does so as well.

        Raises:
            sqlite3.Error: the file is broken.
        """
        log = self.path.with_name(f"{self.path.name}-wal")
        with suppress(OSError, sqlite3.OperationalError):  # then it is for the next
            if log.stat().st_size < _LOG_OCTETS:
                return
            connection = self.connection()
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
            self._wait_for(connection, min(_READERS, self._settings.seconds))
            try:
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            finally:
                self._wait_for(connection, self._settings.seconds)

    def _wait_for(self, connection: sqlite3.Connection, seconds: float) -> None:
        connection.execute(f"PRAGMA busy_timeout = {seconds * 1000:.0f}")

    def failed(self, error: sqlite3.Error) -> StoreError:
        """Make what a store raises of what SQLite raised.

        A broken file is set aside, so that the next call works on a new one.
        """
        if is_broken(error):
            self.close()
            self._set_aside()
        return StoreError(f"{self.name}: {self.path}: {error}")

    def _set_aside(self) -> None:
        """Rename a broken file, unless a sibling has put a new one there already."""
        takes_long()
        aside = self.path.with_name(f"{self.path.name}.broken-{time.time_ns()}")
        with suppress(OSError):
            folder = os.open(self.path.parent, os.O_RDONLY)
            try:
                fcntl.flock(folder, fcntl.LOCK_EX)
                if self._file() != self._local.file:
                    return
                self.path.rename(aside)
                for suffix in ("-wal", "-shm"):
                    beside = self.path.with_name(self.path.name + suffix)
                    beside.unlink(missing_ok=True)
            finally:
                os.close(folder)
            self._rebuilt(aside)

    def _file(self) -> int:
        """Return the number of the file that the path leads to now, or 0."""
        try:
            return os.stat(self.path).st_ino  # noqa: PTH116 - with each use, so the fast one
        except OSError:
            return 0

    def close(self) -> None:
        """Close this thread's connection."""
        connection = getattr(self._local, "connection", None)
        if connection is not None:
            self._local.connection = None
            if self._local.pid == os.getpid():
                connection.close()

    def _open(self) -> sqlite3.Connection:
        settings, hasty = self._settings, hurries()
        seconds = 0.0 if hasty else settings.seconds
        connection = sqlite3.connect(self.path, timeout=seconds, isolation_level=None)
        try:
            self._share(connection, seconds)
            # The file is put in order by those who have time.
            pages = 0 if hasty else settings.log_pages
            connection.execute(f"PRAGMA wal_autocheckpoint = {pages:d}")
            connection.execute("PRAGMA synchronous = NORMAL")
            pages = max(settings.octets // _PAGE_OCTETS, 16)
            connection.execute(f"PRAGMA max_page_count = {pages:d}")
            connection.execute(f"PRAGMA cache_size = -{settings.cache_octets // 1024}")
            connection.executescript(self._schema)
        except BaseException:
            connection.close()
            raise
        return connection

    def _share(self, connection: sqlite3.Connection, seconds: float) -> None:
        """Turn to write-ahead logging; which does not wait for locks by itself."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                connection.execute("PRAGMA journal_mode = WAL")
            except sqlite3.OperationalError as error:
                if _code(error) not in _WAITED_FOR or time.monotonic() > deadline:
                    raise
                time.sleep(_RETRY)
            else:
                return


def is_broken(error: sqlite3.Error) -> bool:
    """Tell a file that is no database from one that cannot be used just now."""
    return _code(error) in _BROKEN


def _may_pass(error: sqlite3.Error) -> bool:
    """Tell what may be over in a while from what somebody has to set right first."""
    return _code(error) in _PASSING


def _hint(error: sqlite3.Error) -> str:
    """Say what to look at, where it is the folder or its owner."""
    if _code(error) not in _CLOSED:
        return ""
    return "; its folder must exist, and the daemon's user must be able to write there"


def _code(error: sqlite3.Error) -> int:
    """Return the primary code of an error."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF
