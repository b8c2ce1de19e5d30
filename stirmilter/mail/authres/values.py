"""What stands in an Authentication-Results field, as values (RFC 8601 §2.2)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, NamedTuple

NAME: Final = "Authentication-Results"
FOLD_AT: Final = 78

KEYWORD: Final = re.compile(r"[A-Za-z0-9](?:-*[A-Za-z0-9])*", re.ASCII)
"""RFC 5321 §4.1.2: letters, digits and, between them, hyphens."""


class Property(NamedTuple):
    """One ``ptype.property=value``."""

    name: str
    """``header.d``; in lower case where it was read."""

    value: str
    """Quoting undone. Of a field that was read: as a stranger wrote it."""


@dataclass(frozen=True, slots=True)
class ResInfo:
    """The result of one method; several of one method are as many signatures."""

    method: str
    result: str
    reason: str | None = None
    properties: tuple[Property, ...] = ()
    version: int = 1
    """Of the method, not of the field."""

    def get(self, name: str) -> str:
        """Return the first value of a property, or nothing."""
        return next((value for found, value in self.properties if found == name), "")


@dataclass(frozen=True, slots=True)
class Parsed:
    """A field that was read."""

    authserv_id: str
    """As it was written, but for quotes; compare it before anything is believed."""

    version: int = 1
    resinfos: tuple[ResInfo, ...] = ()
    """In their order; empty for ``none``."""


@dataclass(frozen=True, slots=True)
class Malformed:
    """A field that is not one, or beyond a limit."""

    detail: str
    """Why; ours alone, nothing of what stood there."""
