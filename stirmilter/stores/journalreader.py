"""Looks evidence up in a journal that a daemon writes; it is neither made nor changed.

What is read is what was written: a `Handled` with its `Evidence`.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Self

from stirmilter.errors import StoreError
from stirmilter.events import Certificate, Evidence, Handled, Removed, Stage, Token
from stirmilter.stores import journalrows

FOUND: Final = 100
"""Messages that `JournalReader.find` returns at most: queue ids come again."""

_NO_FILE: Final = "no such file: no message was kept yet, or journal.path is another"
_SHA256_OCTETS: Final = 32
_FORMS: Final = {"plain": "{}", "bracketed": "<{}>", "quoted": '"{}"'}
_NAMED: Final = " UNION ".join(
    f"SELECT id FROM parts CROSS JOIN messages"  # noqa: S608 - names of ours
    f" ON {journalrows.PART} = part AND {name} IN (:plain, :bracketed, :quoted)"
    # Of a file of an earlier version, without the index, each row is read once.
    " AND id BETWEEN part << 10 AND (part << 10) + 1023"
    for name in journalrows.IDENTIFIERS
)
_FIND: Final = f"""
WITH RECURSIVE parts(part) AS (
    SELECT (SELECT min(id) FROM messages) >> 10 UNION ALL
    SELECT part + 1 FROM parts WHERE part < (SELECT max(id) FROM messages) >> 10
)
SELECT * FROM messages WHERE id IN ({_NAMED}) ORDER BY time DESC LIMIT :most
"""  # noqa: S608 - see above
_TOKENS: Final = "SELECT * FROM passports WHERE message = ? ORDER BY position"
_REMOVED: Final = "SELECT name, text FROM removed WHERE message = ? ORDER BY position"
_RULING: Final = "SELECT * FROM rulings WHERE message = ?"
_METHODS: Final = (
    "SELECT method, result FROM methods WHERE message = ? ORDER BY position"
)
_TIMING: Final = "SELECT stages FROM timings WHERE message = ?"
_HAS: Final = "SELECT 1 FROM sqlite_schema WHERE name = ?"
_STATS: Final = """
SELECT (SELECT count(*) FROM messages), (SELECT count(*) FROM passports),
    (SELECT count(*) FROM certificates), min(time), max(time) FROM messages
"""


@dataclass(frozen=True, slots=True)
class Stats:
    """What a journal holds."""

    messages: int
    passports: int
    certificates: int
    octets: int
    """Of the file; what has been forgotten leaves room inside."""

    oldest: datetime | None
    newest: datetime | None


class JournalReader:
    """An open journal; a context manager that closes it."""

    def __init__(self, path: Path) -> None:
        """Open the file.

        Raises:
            StoreError: there is none, or it cannot be read.
        """
        self._path = path
        with self._told():
            where = f"{path.absolute().as_uri()}?mode=ro"
            self._connection = sqlite3.connect(where, uri=True)
            self._connection.row_factory = sqlite3.Row

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def find(self, text: str) -> list[Handled]:
        """Return the messages that an identifier names, newest first, at most `FOUND`.

        Args:
            text: queue id, Message-ID, X-Mms-Transaction-ID or X-Mms-Message-ID; the
                brackets or quotes around it may be left out.

        Raises:
            StoreError: the file cannot be read.
        """
        names = {
            key: journalrows.name(form.format(text)) for key, form in _FORMS.items()
        }
        with self._told():
            rows = self._connection.execute(_FIND, {**names, "most": FOUND}).fetchall()
            return [self._event(row) for row in rows]

    def stats(self) -> Stats:
        """Count what is there.

        Raises:
            StoreError: the file cannot be read.
        """
        with self._told():
            row = self._connection.execute(_STATS).fetchone()
            octets = self._path.stat().st_size
        messages, passports, certificates, oldest, newest = row
        return Stats(
            messages, passports, certificates, octets, _time(oldest), _time(newest)
        )

    def _event(self, row: sqlite3.Row) -> Handled:
        tokens = self._connection.execute(_TOKENS, (row["id"],)).fetchall()
        time = _time(row["time"])
        assert time is not None  # noqa: S101 - the schema says so
        ruling = self._ruling(row["id"])
        return Handled(
            row["direction"],
            row["outcome"],
            row["reason"],
            row["detail"],
            row["orig"],
            row["action"],
            row["signer"],
            row["x5u"],
            row["queue_id"],
            row["seconds"],
            Evidence(
                time=time,
                client=row["client"],
                message_id=row["message_id"] or "",
                transaction_id=row["transaction_id"] or "",
                mms_message_id=row["mms_message_id"] or "",
                tokens=tuple(map(self._token, tokens)),
                removed=self._removed(row["id"]),
            ),
            methods=self._methods(row["id"]),
            rule=ruling.get("rule", ""),
            peer=ruling.get("peer", ""),
            shadow_action=ruling.get("shadow_action", ""),
            shadow_rule=ruling.get("shadow_rule", ""),
            stages=self._stages(row["id"]),
        )

    def _removed(self, message: int) -> tuple[Removed, ...]:
        """Return the fields that were taken out."""
        rows = self._rows("removed", _REMOVED, message)
        return tuple(Removed(row["name"], row["text"]) for row in rows)

    def _methods(self, message: int) -> tuple[tuple[str, str], ...]:
        """Return what SPF, DKIM, ARC and DMARC said."""
        rows = self._rows("methods", _METHODS, message)
        return tuple((row["method"], row["result"]) for row in rows)

    def _ruling(self, message: int) -> dict[str, str]:
        """Return what the policy said."""
        names = ("rule", "peer", "shadow_action", "shadow_rule")
        rows = self._rows("rulings", _RULING, message)
        return {name: row[name] for row in rows for name in names}

    def _stages(self, message: int) -> tuple[tuple[Stage, float], ...]:
        """Return how long each stage took."""
        rows = self._rows("timings", _TIMING, message)
        return tuple(one for row in rows for one in json.loads(row["stages"]).items())

    def _rows(self, table: str, query: str, message: int) -> list[sqlite3.Row]:
        """Return the rows of a message; a file of an earlier version has no table."""
        if self._connection.execute(_HAS, (table,)).fetchone() is None:
            return []
        return self._connection.execute(query, (message,)).fetchall()

    def _token(self, row: sqlite3.Row) -> Token:
        begin, end = _time(row["valid_from"]), _time(row["valid_until"])
        path: bytes = row["path"]
        return Token(
            reason=row["reason"],
            word=row["word"],
            rule=row["rule"],
            detail=row["detail"],
            ppt=row["ppt"],
            iat=row["iat"],
            x5u=row["x5u"],
            path=tuple(
                self._certificate(path[at : at + _SHA256_OCTETS])
                for at in range(0, len(path), _SHA256_OCTETS)
            ),
            valid=(begin, end) if begin and end else None,
            status=row["status"],
            authority=row["authority"],
            msgi=row["msgi"],
            diversions=row["diversions"],
            notes=tuple(json.loads(row["notes"])),
            fingerprint=row["fingerprint"].hex(),
        )

    def _certificate(self, digest: bytes) -> Certificate:
        found = self._connection.execute(
            "SELECT der FROM certificates WHERE sha256 = ?", (digest,)
        ).fetchone()
        return Certificate(digest.hex(), found["der"] if found else b"")

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except (OSError, sqlite3.Error) as error:
            problem = str(error) if self._path.exists() else _NO_FILE
            raise StoreError(f"journal: {self._path}: {problem}") from None


def _time(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
