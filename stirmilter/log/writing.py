"""How records become octets: text or JSON, and journald's priorities before them.

Whoever logs a `Line` has cleaned it. Whatever else comes, from a library or with an
exception, is cleaned here, so that no way leads around it.
"""

from __future__ import annotations

import json
import logging
import os
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal, TextIO

from stirmilter.log.lines import Line
from stirmilter.log.masking import clean
from stirmilter.log.waiting import Writer

Style = Literal["text", "json"]

_TOLD: Final = 300  # characters of the text of an exception: how a line looks
# syslog(3); sd-daemon(3) has them read from the beginning of each line.
_PRIORITIES: Final = (
    (logging.CRITICAL, 2),
    (logging.ERROR, 3),
    (logging.WARNING, 4),
    (logging.INFO, 6),
)
_DEBUG: Final = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceLimits:
    """How much is told of where an exception came from."""

    exceptions: int = 8
    """That led to each other, the last ones."""

    frames: int = 40
    """Of each, the innermost ones."""


class _Formatter(logging.Formatter):
    """What both styles are told."""

    def __init__(
        self, *, priorities: bool = False, trace: TraceLimits = TraceLimits()
    ) -> None:
        """Take whether journald wants to be told the priority of each line."""
        super().__init__()
        self._priorities = priorities
        self._limits = trace

    def _before(self, record: logging.LogRecord) -> str:
        return _priority(record.levelno) if self._priorities else ""


class TextFormatter(_Formatter):
    """The level, then the text; a trace follows in lines of its own."""

    def format(self, record: logging.LogRecord) -> str:
        """Write a record out."""
        before = self._before(record)
        lines = [f"{record.levelname} {_line(record)}", *_trace(record, self._limits)]
        return "\n".join(before + line for line in lines)


class JsonFormatter(_Formatter):
    """One object in one line, with ``time``, ``level`` and ``event`` first."""

    def format(self, record: logging.LogRecord) -> str:
        """Write a record out."""
        line = _line(record)
        table: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(
                timespec="milliseconds"
            ),
            "level": record.levelname.lower(),
            "event": line.event,
            **(line.fields or {"text": line.text}),
        }
        if trace := list(_trace(record, self._limits)):
            table["trace"] = trace
        return self._before(record) + json.dumps(table, separators=(",", ":"))


class Handler(logging.StreamHandler[TextIO]):
    """Writes to a stream; a record that cannot be written is lost in silence.

    Python would print it as it was handed over, with all that is in it.
    """

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's
        """Do nothing: there is nowhere else to say it."""


class WaitingHandler(Handler):
    """Hands lines to a writer, so that nobody waits but for a line of CRITICAL."""

    def __init__(self, stream: TextIO, writer: Writer) -> None:
        """Take the stream that the writer writes to; nothing is written to it here."""
        super().__init__(stream)
        self._writer = writer

    def emit(self, record: logging.LogRecord) -> None:
        """Have a record written."""
        try:
            octets = self.octets(record)
        except Exception:  # noqa: BLE001 - as logging does it
            self.handleError(record)
        else:
            urgent = record.levelno >= logging.CRITICAL
            self._writer.put(octets, urgent=urgent)

    def octets(self, record: logging.LogRecord) -> bytes:
        """Return a record as it is written."""
        text = self.format(record) + self.terminator
        return text.encode("utf-8", "backslashreplace")

    def lost(self, count: int) -> bytes:
        """Return the line that says how many were lost."""
        text = f"{count} lines of the log were lost: nobody read it"
        line = Line("log-lost", text, {"lost": count})
        record = logging.LogRecord(
            "stirmilter", logging.ERROR, __file__, 0, line, None, None
        )
        return self.octets(record)


def to_the_journal(stream: TextIO) -> bool:
    """Tell whether a stream leads to journald (systemd.exec(5), JOURNAL_STREAM)."""
    try:
        found = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{found.st_dev}:{found.st_ino}"


def error_to(stream: TextIO) -> str:
    """Return what goes before an error that is written without a logger."""
    return _priority(logging.ERROR) if to_the_journal(stream) else ""


def _priority(level: int) -> str:
    number = next((n for least, n in _PRIORITIES if level >= least), _DEBUG)
    return f"<{number}>"


def _line(record: logging.LogRecord) -> Line:
    """Return the line of a record; of one that holds none, its text, cleaned."""
    if isinstance(record.msg, Line):
        return record.msg
    given = record.args
    if isinstance(given, Mapping):
        told: object = {name: _harmless(one) for name, one in given.items()}
    else:
        told = tuple(map(_harmless, given or ()))
    # What stands in our own code needs no cleaning, what a library made up does.
    text = str(record.msg) if record.name == "stirmilter" else clean(str(record.msg))
    try:
        text = text % told if told else text
    except (TypeError, ValueError, KeyError):
        text = f"{text} {told}"
    return Line("notice", text)


def _harmless(given: object) -> object:
    if isinstance(given, bool | int | float):
        return given
    if isinstance(given, BaseException):
        return _Told(given)
    return clean(str(given))


class _Told:
    """An exception, for ``%s`` and ``%r``."""

    def __init__(self, error: BaseException) -> None:
        self._kind = type(error).__name__
        self._text = clean(str(error), _TOLD)

    def __str__(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return f"{self._kind}: {self._text}"


def _trace(record: logging.LogRecord, limits: TraceLimits) -> Iterator[str]:
    """Yield where an exception came from: our source, and texts that were cleaned."""
    error = record.exc_info[1] if record.exc_info else None
    if error is None:
        return
    chain = [error]
    while len(chain) < limits.exceptions:
        last = chain[-1]
        hidden = None if last.__suppress_context__ else last.__context__
        cause = last.__cause__ or hidden
        if cause is None or cause in chain:
            break
        chain.append(cause)
    for one in reversed(chain):
        yield "Traceback (most recent call last):"
        for frame in traceback.extract_tb(one.__traceback__, limit=-limits.frames):
            yield f'  File "{frame.filename}", line {frame.lineno}, in {frame.name}'
            if frame.line:
                yield f"    {frame.line}"
        yield repr(_Told(one))
