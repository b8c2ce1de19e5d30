"""How long an answer stays fresh, from its header fields (RFC 9111 §4.2).

For a private cache: ``s-maxage`` and ``private`` say nothing to it. What is invalid, or
said twice in different ways, makes the answer stale, as §4.2.1 advises: it is then
asked for again too early, and never too late.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Final

_LONGEST: Final = 2**31
"""Seconds; what is greater means "for ever" (§1.2.2)."""

_DIGITS: Final = 10
_TOKEN: Final = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105 - of RFC 9110 §5.6.2
_DIRECTIVE: Final = re.compile(
    rf'[ \t]*(?:({_TOKEN})(?:=(?:({_TOKEN})|"((?:[^"\\]|\\.)*)"))?)?[ \t]*(?:,|\Z)',
    re.ASCII,
)
_MONTHS: Final = "JanFebMarAprMayJunJulAugSepOctNovDec"
_DAY: Final = r"(?P<day>[ \d]\d)"
_MONTH: Final = r"(?P<month>[A-Z][a-z]{2})"
_TIME: Final = r"(?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d)"
_DATES: Final = tuple(
    re.compile(pattern, re.ASCII)
    for pattern in (  # RFC 9110 §5.6.7; the first is what is sent today
        rf"[A-Z][a-z]{{2}}, {_DAY} {_MONTH} (?P<year>\d{{4}}) {_TIME} GMT",
        rf"[A-Z][a-z]{{5,8}}, {_DAY}-{_MONTH}-(?P<year>\d\d) {_TIME} GMT",
        rf"[A-Z][a-z]{{2}} {_MONTH} {_DAY} {_TIME} (?P<year>\d{{4}})",
    )
)

Fields = Iterable[tuple[bytes, bytes]]


def lifetime(fields: Fields, asked: datetime, answered: datetime) -> float | None:
    """Return the seconds for which an answer may be used without asking again.

    Args:
        fields: its header fields, names in lower case.
        asked: aware time at which the request was sent.
        answered: aware time at which the header section had come.

    Returns:
        0 when it must be validated each time, None when the server does not say.
    """
    found: dict[str, list[str]] = {}
    for name, value in fields:
        found.setdefault(name.decode("latin-1"), []).append(value.decode("latin-1"))
    said = _said(found, answered)
    if said is None:
        return None
    return max(0.0, min(said, _LONGEST) - _age(found, asked, answered))


def http_date(text: str, now: datetime) -> datetime | None:
    """Read a date of HTTP in any of its three forms; None if it is none.

    A year of two digits lies less than fifty years ahead of `now` (RFC 9110 §5.6.7).
    """
    for pattern in _DATES:
        match = pattern.fullmatch(text)
        if match is None:
            continue
        year = int(match["year"])
        if len(match["year"]) == 2:  # noqa: PLR2004
            year += now.year // 100 * 100
            year -= 100 if year > now.year + 50 else 0
        try:
            return datetime(
                year,
                _MONTHS.index(match["month"]) // 3 + 1,
                int(match["day"]),
                int(match["hour"]),
                int(match["minute"]),
                min(int(match["second"]), 59),  # a leap second is one of ours
                tzinfo=UTC,
            )
        except ValueError:
            return None
    return None


def _said(found: dict[str, list[str]], answered: datetime) -> float | None:
    """Return what the server grants, age not yet taken off."""
    if "cache-control" in found:
        directives = _directives(", ".join(found["cache-control"]))
        if directives is None or directives.keys() & {"no-store", "no-cache"}:
            return 0.0
        if "max-age" in directives:
            return _seconds(directives["max-age"])
    if "expires" not in found:
        return None
    [first, *others] = found["expires"]
    expires = http_date(first, answered)
    if expires is None or any(other != first for other in others):
        return 0.0  # "0" is common, and means: already (§5.3)
    return (expires - (_date(found, answered) or answered)).total_seconds()


def _age(found: dict[str, list[str]], asked: datetime, answered: datetime) -> float:
    """Return how old the answer is by now (§4.2.3)."""
    date = _date(found, answered) or answered
    given = found.get("age", ["0"])[0].partition(",")[0].strip()
    age = _number(given) or 0.0  # an invalid Age is to be ignored (§5.1)
    delay = max(0.0, (answered - asked).total_seconds())
    return max((answered - date).total_seconds(), age + delay)


def _date(found: dict[str, list[str]], answered: datetime) -> datetime | None:
    return http_date(found["date"][0], answered) if "date" in found else None


def _directives(text: str) -> dict[str, list[str]] | None:
    """Read Cache-Control (§5.2); None if it is not one."""
    directives: dict[str, list[str]] = {}
    for match in _matches(text):
        if match is None:
            return None
        name, plain, quoted = match.groups()
        if name is not None:
            value = plain if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
            directives.setdefault(name.lower(), []).append(value or "")
    return directives


def _matches(text: str) -> Iterator[re.Match[str] | None]:
    position = 0
    while position < len(text):
        match = _DIRECTIVE.match(text, position)
        yield match
        if match is None:
            return
        position = match.end()


def _seconds(values: list[str]) -> float:
    """Return the value of a directive; 0 if it is none, or there are several."""
    if len(set(values)) > 1:
        return 0.0
    return _number(values[0]) or 0.0


def _number(text: str) -> float | None:
    """Read delta-seconds (§1.2.2), however many digits; None if they are none."""
    if not (text.isascii() and text.isdigit()):
        return None
    digits = text.lstrip("0") or "0"
    return float(_LONGEST if len(digits) > _DIGITS else min(int(digits), _LONGEST))
