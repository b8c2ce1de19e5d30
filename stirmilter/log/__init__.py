"""One line for each message, for people and for journald; numbers masked.

================  ====================================================================
`lines`           a line, as text and as a table
`masking`         what must not be read in a log
`repeats`         what was just said is not said again
`waiting`         lines wait for the reader, and messages do not
`writing`         text and JSON, and whatever does not come as a line
================  ====================================================================
"""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from stirmilter.events import Fetched, Handled
from stirmilter.log.lines import Line
from stirmilter.log.masking import clean, queue_name, without_query
from stirmilter.log.repeats import Repeats
from stirmilter.log.waiting import Writer
from stirmilter.log.writing import (
    Handler,
    JsonFormatter,
    Style,
    TextFormatter,
    TraceLimits,
    WaitingHandler,
    to_the_journal,
)
from stirmilter.stir.result import DETAIL_LENGTH, printable
from stirmilter.stir.tn import mask

logger = logging.getLogger("stirmilter")

_writers: Final[dict[int, Writer]] = {}
"""By descriptor: what waits outlives another configuration."""

# How a line looks, as DETAIL_LENGTH: a path, what SQLite says of it, and what it costs.
_TROUBLE_LENGTH: Final = 400
_WORTH_A_LOOK: Final = frozenset({"failed", "undetermined"})
_REFUSED: Final = frozenset({"quarantine", "tempfail", "reject"})
_LEVELS: Final = {"error": logging.ERROR, "warning": logging.WARNING}


def configure(
    level: str,
    *,
    style: Style = "text",
    repeat_seconds: float = 60.0,
    repeats: int = 500,
    trace: TraceLimits = TraceLimits(),  # noqa: B008 - frozen
    priorities: bool = True,
    queue_octets: int = 0,
    flush_seconds: float = 1.0,
) -> None:
    """Send the log to standard error, where journald adds time and name.

    Warnings of libraries too: a stranger's certificate can cause one. What was said
    before is forgotten, and said again.

    Args:
        level: the least that is written.
        style: one line of text or one JSON object for each record.
        repeat_seconds: how long the same trouble is not told again.
        repeats: how many texts are remembered for that.
        trace: how much is told of where an exception came from.
        priorities: whether each line begins with its priority where journald reads it.
        queue_octets: lines that may wait to be read; with 0, who writes waits instead.
        flush_seconds: how long is waited where a line must be written before we go on.
    """
    marked = priorities and to_the_journal(sys.stderr)
    formatter = JsonFormatter if style == "json" else TextFormatter
    handler = Handler(sys.stderr)
    if queue_octets:
        handler = _waiting(queue_octets, flush_seconds)
    handler.setFormatter(formatter(priorities=marked, trace=trace))
    handler.addFilter(Repeats(repeat_seconds, texts=repeats))
    for source in (logger, logging.getLogger("py.warnings")):
        source.handlers[:] = [handler]
        source.propagate = False
    logger.setLevel(level.upper())
    logging.captureWarnings(capture=True)


def _waiting(octets: int, seconds: float) -> WaitingHandler:
    """Return a handler on the one writer of this process for standard error."""
    descriptor = sys.stderr.fileno()
    writer = _writers.get(descriptor)
    if writer is None:
        writer = Writer(descriptor, octets, seconds, lambda count: b"%d\n" % count)
        _writers[descriptor] = writer
    handler = WaitingHandler(sys.stderr, writer)
    writer.octets, writer.seconds, writer.tell = octets, seconds, handler.lost
    return handler


def start() -> None:
    """Have a thread wait for the reader; in a process that does not fork any more."""
    for writer in _writers.values():
        writer.start()


def flush(seconds: float | None = None) -> None:
    """Have what waits written, for at most so long; None is what was configured."""
    for writer in _writers.values():
        writer.flush(writer.seconds if seconds is None else seconds)


def take_over() -> None:
    """Write what libraries log, and what ends a thread, in the same way.

    For a process that is all ours. Python would print both as they come. Nor are
    records told where they come from, which no line of ours says and costs as much as
    to write one (logging's documentation, "Optimization").
    """
    logging._srcfile = None  # noqa: SLF001
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    root = logging.getLogger()  # its own level is "warning"
    root.handlers[:] = logger.handlers
    threading.excepthook = _thread_ended


def handled(numbers: str = "masked") -> Callable[[Handled], None]:
    """Return the observer that writes the line of a message.

    What an operator may have to answer for is a warning, the rest is information.
    """

    def observe(event: Handled) -> None:
        level = logging.WARNING if _worth_a_look(event) else logging.INFO
        if logger.isEnabledFor(level):
            logger.log(level, _message(event, full=numbers == "full"))

    return observe


def _message(event: Handled, *, full: bool) -> Line:
    """Write a message down; each field of the table is there in each line."""
    orig = event.orig if full or event.orig is None else mask(event.orig)
    known = event.orig

    def shown(text: str) -> str:
        if not text:
            return ""
        return printable(text) if full else clean(text, DETAIL_LENGTH, known)

    x5u, detail = shown(without_query(event.x5u)), shown(event.detail)
    queue_id = queue_name(event.queue_id)
    milliseconds = f"{event.seconds * 1000:.0f}"
    methods = [(method, shown(result)) for method, result in event.methods]
    words = [
        f"{queue_id}: {event.direction}={event.outcome}",
        f"reason={event.reason}",
        f"orig={orig or '-'}",
        f"action={event.action}",
        f"ms={milliseconds}",
    ]
    words += [f"{method}={_worded(result)}" for method, result in methods]
    words += (f"{name}={text}" for name, text in _ours(event) if text)
    if x5u:
        words.append(f"x5u={_quoted(x5u)}")
    if detail:
        words.append(f"detail={_quoted(detail)}")
    table: dict[str, object] = {
        "queue_id": queue_id,
        "direction": event.direction,
        "outcome": event.outcome,
        "reason": event.reason,
        "orig": orig,
        "action": event.action,
        "ms": int(milliseconds),
        "stages": {stage: round(took * 1000, 2) for stage, took in event.stages},
        "methods": [list(one) for one in methods],
        "rule": event.rule,
        "peer": event.peer,
        "shadow_action": event.shadow_action,
        "shadow_rule": event.shadow_rule,
        "signer": event.signer,
        "submitter": event.submitter,
        "hazards": list(event.hazards),
        "x5u": x5u,
        "detail": detail,
    }
    return Line("message", " ".join(words), table)


def _ours(event: Handled) -> Iterator[tuple[str, str]]:
    """Yield what the operator's own names, and words of ours, tell."""
    yield "rule", event.rule
    yield "peer", event.peer
    if event.shadow_action:
        yield "shadow", f"{event.shadow_action}/{event.shadow_rule or '-'}"
    yield "signer", event.signer
    yield "submitter", event.submitter
    yield "hazards", ",".join(event.hazards)


def fetched(event: Fetched) -> None:
    """Write down a fetch that brought nothing; the others show in what they served."""
    if not event.detail:
        return
    host = clean(event.host, DETAIL_LENGTH)
    detail = clean(event.detail, DETAIL_LENGTH)
    milliseconds = f"{event.seconds * 1000:.0f}"
    table: dict[str, object] = {
        "host": host,
        "outcome": event.outcome,
        "ms": int(milliseconds),
        "detail": detail,
    }
    logger.info(
        Line(
            "fetch",
            f"fetch: host={host} outcome={event.outcome} ms={milliseconds}"
            f" detail={_quoted(detail)}",
            table,
            key=f"fetch {host} {event.outcome} {detail}",
        )
    )


def finding(level: str, subject: str, text: str) -> None:
    """Write down what a look at the configuration found."""
    subject, shown = clean(subject), clean(text)
    table = {"subject": subject, "text": shown}
    text = f"{subject}: {shown}"
    line = Line("finding", text, table, key=text)
    logger.log(_LEVELS.get(level, logging.INFO), line)


def trouble(text: str) -> None:
    """Write down what does not work and holds up no message."""
    shown = clean(text, _TROUBLE_LENGTH)
    logger.error(Line("trouble", shown, key=shown))


def degraded(text: str) -> None:
    """Write down that something is missing without which we can go on."""
    shown = clean(text, _TROUBLE_LENGTH)
    logger.warning(Line("degraded", shown, key=shown))


def recovered(text: str) -> None:
    """Write down that what was trouble works again."""
    shown = clean(text, _TROUBLE_LENGTH)
    logger.info(Line("recovered", shown, key=shown))


def rebuilt(name: str) -> Callable[[Path], None]:
    """Return the observer that tells where a broken file went."""

    def observe(aside: Path) -> None:
        trouble(
            f"{name}: the file is broken: it is now {aside},"
            " and a new one takes its place"
        )

    return observe


def failed(queue_id: str, error: BaseException) -> None:
    """Write a bug of ours down, once, with its trace and the queue id."""
    shown, text = queue_name(queue_id), clean(str(error), DETAIL_LENGTH)
    table = {"queue_id": shown, "text": text}
    line = Line("internal-error", f"{shown}: internal error: {text}", table)
    logger.error(line, exc_info=error)


def _thread_ended(ended: threading.ExceptHookArgs) -> None:
    """Write down what ended a thread of ours; Python would print all of it."""
    name = ended.thread.name if ended.thread else "?"
    error = ended.exc_value or ended.exc_type()
    logger.critical("thread %s ended: %r", name, error, exc_info=error)


def _worth_a_look(event: Handled) -> bool:
    return event.outcome in _WORTH_A_LOOK or event.action in _REFUSED


def _worded(text: str) -> str:
    """Quote what is more than a word."""
    return text if text.isascii() and text.isalnum() else _quoted(text)


def _quoted(text: str) -> str:
    """Quote a stranger's text so that it cannot close the quotation."""
    escaped = text.replace('"', r"\u{22}")
    return f'"{escaped}"'
