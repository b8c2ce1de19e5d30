"""A file of anchors that was imported, and what is to be remembered beside it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from stirmilter.errors import StoreError
from stirmilter.stores import wholefile

_MODE: Final = 0o644


@dataclass(frozen=True, slots=True, kw_only=True)
class Import:
    """Where a file of anchors came from: ``FILE.json`` beside it."""

    source: str
    sha256: str
    """Of the file of anchors."""

    time: str
    """When it was imported, ISO 8601."""

    sequence: int | None = None
    expires: str | None = None

    @property
    def end(self) -> datetime | None:
        """When the list expires; None if it does not say."""
        return None if self.expires is None else datetime.fromisoformat(self.expires)


def beside(path: Path) -> Path:
    """Name the file that tells about another."""
    return path.with_name(f"{path.name}.json")


def load(path: Path) -> Import | None:
    """Return what is remembered about a file of anchors; None if nothing is.

    Raises:
        StoreError: it cannot be read; a sequence that went back would not be noticed.
    """
    record = beside(path)
    try:
        table = json.loads(record.read_text("utf-8"))
        found = Import(**table)
        _ = found.end, datetime.fromisoformat(found.time)
        if found.sequence is not None:
            found.sequence.bit_length()
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, AttributeError) as error:
        text = getattr(error, "strerror", None) or "not what an import writes"
        raise StoreError(f"{record}: {text}") from None
    return found


def save(path: Path, octets: bytes, record: Import) -> None:
    """Write anchors and record, each whole or not at all.

    The record goes first: after a crash in between, the file of anchors is an older
    one, and the same list can be imported again.

    Raises:
        StoreError: a file cannot be written.
    """
    table = json.dumps(asdict(record), indent=2, sort_keys=True) + "\n"
    try:
        wholefile.replace(beside(path), table.encode(), _MODE)
        wholefile.replace(path, octets, _MODE)
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror or error}") from None
