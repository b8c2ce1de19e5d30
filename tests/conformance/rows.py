"""The rows of docs/conformance.md, and the marker by which a test names them."""

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import pytest

ROWS: Final = Path(__file__).with_name("rows.toml")
MARKER: Final = "conformance"

SECTIONS: Final = {
    "F": "Token format",
    "M": "Body digest",
    "H": "Header field",
    "A": "Signing",
    "V": "Verification",
    "C": "Credentials",
    "E": "Mail authentication",
    "O": "Operation",
}
KINDS: Final = ("standard", "moved", "project")
STATUSES: Final = ("implemented", "deviation")
_LEVELS: Final = ("MUST", "MUST NOT", "SHOULD", "SHOULD NOT", "MAY")
_WHO: Final = ("AS", "VS", "both")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One requirement; rows.toml tells what its members mean."""

    id: str
    who: str
    level: str
    requirement: str
    source: str
    kind: str
    status: str
    reason: str = ""

    def __post_init__(self) -> None:
        for name, words in {
            "who": _WHO,
            "level": _LEVELS,
            "kind": KINDS,
            "status": STATUSES,
        }.items():
            if getattr(self, name) not in words:
                raise ValueError(f"{self.id}: {name}: expected {', '.join(words)}")
        if self.id[0] not in SECTIONS:
            raise ValueError(f"{self.id}: no section has this letter")
        if (self.status == "deviation") != bool(self.reason):
            raise ValueError(f"{self.id}: a deviation, and nothing else, has a reason")


@cache
def load(path: Path = ROWS) -> dict[str, Row]:
    """Read the rows, by id, in the order of the page.

    Raises:
        ValueError: a row is not as it should be; the text names it.
    """
    try:
        rows = [
            Row(id=name, **members)
            for name, members in tomllib.loads(path.read_text("utf-8")).items()
        ]
    except TypeError as error:
        raise ValueError(f"{path.name}: {error}") from None
    order = list(SECTIONS)
    rows.sort(key=lambda row: (order.index(row.id[0]), row.id))
    return {row.id: row for row in rows}


def named(item: pytest.Item) -> set[str]:
    """Return the ids that a test names, on the function or on its parameters."""
    return {name for mark in item.iter_markers(MARKER) for name in mark.args}


def check_markers(items: Iterable[pytest.Item]) -> None:
    """Refuse a marker that names no row.

    Raises:
        pytest.UsageError: naming the test; pytest then runs nothing.
    """
    try:
        rows = load()
    except ValueError as error:
        raise pytest.UsageError(str(error)) from None
    for item in items:
        for mark in item.iter_markers(MARKER):
            if not mark.args or mark.kwargs:
                raise pytest.UsageError(f"{item.nodeid}: {MARKER} without a row")
        for name in sorted(named(item) - rows.keys()):
            raise pytest.UsageError(f"{item.nodeid}: no row {name} in {ROWS.name}")
