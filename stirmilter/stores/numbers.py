"""Whose a number is, asked of somebody else's SQLite file with each message.

For a subscriber database that changes by itself: nothing is loaded, and nothing has to
be reloaded. The file is read only, and never locked for long.
"""

from __future__ import annotations

import os
import re
import sqlite3
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

from stirmilter.errors import StoreError

_SOURCE: Final = re.compile(
    r"sqlite:(?P<path>[^?\x00]+)\?(?P<table>\w+)\.(?P<column>\w+)", re.ASCII
)


@dataclass(frozen=True, slots=True)
class NumberTable:
    """One column of numbers, with or without ``+``. An ``in`` costs 20 microseconds.

    Threads and processes may share it; each thread opens the file for itself.
    """

    path: Path
    table: str
    column: str
    seconds: float
    """How long to wait while the file is being written."""

    _local: threading.local = field(
        default_factory=threading.local, compare=False, repr=False
    )

    @classmethod
    def parse(cls, source: str, folder: Path, seconds: float) -> Self:
        """Read ``sqlite:/path?table.column``, and see that it can be asked.

        Args:
            source: as above.
            folder: where a relative path begins.
            seconds: see `seconds`.

        Raises:
            ValueError: it is written otherwise.
            StoreError: there is no such file, table or column, or no index on it.
        """
        match = _SOURCE.fullmatch(source)
        if match is None:
            raise ValueError(f"{source!r}: expected sqlite:/path?table.column")
        made = cls(folder / match["path"], match["table"], match["column"], seconds)
        made.check()
        return made

    def check(self) -> None:
        """See that one number is found without reading all of them.

        Raises:
            StoreError: as `parse`.
        """
        plan = "EXPLAIN QUERY PLAN " + self._query
        try:
            rows = self._connection().execute(plan, ("", "")).fetchall()
        except sqlite3.Error as error:
            raise StoreError(f"{self.path}: {error}") from None
        finally:
            self._close()  # the workers that are forked from here open their own
        if any("SEARCH" not in str(row[3]) for row in rows):
            raise StoreError(
                f"{self.path}: no index on {self.column}:"
                f" CREATE INDEX {self.table}_{self.column}"
                f" ON {self.table} ({self.column})"
            )

    def __contains__(self, tn: str) -> bool:
        """Ask for one number.

        Raises:
            StoreError: the file cannot be read now.
        """
        try:
            found = self._connection().execute(self._query, (tn, f"+{tn}")).fetchone()
        except sqlite3.Error as error:
            self._close()  # the file may have been replaced
            raise StoreError(f"{self.path}: {error}") from None
        return found is not None

    @property
    def _query(self) -> str:
        # Both names are words (`_SOURCE`).
        return (
            f'SELECT 1 FROM "{self.table}"'  # noqa: S608
            f' WHERE "{self.table}"."{self.column}" IN (?, ?) LIMIT 1'
        )

    def _connection(self) -> sqlite3.Connection:
        known: tuple[int, int, sqlite3.Connection] | None
        known = getattr(self._local, "known", None)
        try:
            inode = os.stat(self.path).st_ino  # noqa: PTH116 - for the inode alone
        except OSError as error:
            raise StoreError(f"{self.path}: {error.strerror}") from None
        if known is not None:
            process, file, opened = known
            if (process, file) == (os.getpid(), inode):
                found: sqlite3.Connection = opened
                return found
        connection = sqlite3.connect(
            f"{self.path.absolute().as_uri()}?mode=ro",
            uri=True,
            timeout=self.seconds,
            isolation_level=None,
        )
        self._local.known = (os.getpid(), inode, connection)
        return connection

    def _close(self) -> None:
        known = getattr(self._local, "known", None)
        if known is not None:
            self._local.known = None
            known[2].close()
