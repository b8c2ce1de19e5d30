"""One line for each message, for people and for journald; numbers masked."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from stirmilter.events import Fetched, Handled
from stirmilter.stir.result import printable
from stirmilter.stir.tn import mask

logger = logging.getLogger("stirmilter")

_NUMBER = re.compile(r"\+[0-9]{5,15}")
_FINDING = 1_000  # characters; our own words, with paths and URLs in them
_TROUBLE_LENGTH = 400  # a path, what SQLite says of it, and what it costs
_WORTH_A_LOOK = frozenset({"failed", "undetermined"})
_REFUSED = frozenset({"quarantine", "tempfail", "reject"})


def configure(level: str) -> None:
    """Send the log to standard error, where journald adds time and name.

    Warnings of libraries too: a stranger's certificate can cause one.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
    for source in (logger, logging.getLogger("py.warnings")):
        source.handlers[:] = [handler]
        source.propagate = False
    logger.setLevel(level.upper())
    logging.captureWarnings(capture=True)


def handled(numbers: str = "masked") -> Callable[[Handled], None]:
    """Return the observer that writes the line of a message.

    What an operator may have to answer for is a warning, the rest is information.
    """

    def observe(event: Handled) -> None:
        words = [
            f"{event.direction}={event.outcome}",
            f"reason={event.reason}",
            f"orig={_number(event.orig, numbers)}",
            f"action={event.action}",
            f"ms={event.seconds * 1000:.0f}",
        ]
        for method, result in event.methods:
            words.append(f"{method}={_worded(result)}")
        words += (f"{name}={text}" for name, text in _ours(event) if text)
        if event.x5u:
            words.append(f"x5u={_quoted(event.x5u)}")
        if event.detail:
            words.append(f"detail={_quoted(event.detail)}")
        logger.log(
            logging.WARNING if _worth_a_look(event) else logging.INFO,
            "%s: %s",
            printable(event.queue_id),
            " ".join(words),
        )

    return observe


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
    if event.detail:
        logger.info(
            "fetch: host=%s outcome=%s ms=%.0f detail=%s",
            printable(event.host),
            event.outcome,
            event.seconds * 1000,
            _quoted(event.detail),
        )


def finding(level: str, subject: str, text: str) -> None:
    """Write down what a look at the configuration found."""
    severity = {"error": logging.ERROR, "warning": logging.WARNING}
    masked = _NUMBER.sub(lambda number: mask(number[0]), text)
    shown = printable(masked, _FINDING)
    logger.log(severity.get(level, logging.INFO), "%s: %s", subject, shown)


def trouble(text: str) -> None:
    """Write down what does not work and holds up no message."""
    logger.error("%s", printable(text, _TROUBLE_LENGTH))


def degraded(text: str) -> None:
    """Write down that something is missing without which we can go on."""
    logger.warning("%s", printable(text))


def rebuilt(name: str) -> Callable[[Path], None]:
    """Return the observer that tells where a broken file went."""

    def observe(aside: Path) -> None:
        logger.error(
            "%s: the file is broken: it is now %s, and a new one takes its place",
            name,
            printable(str(aside)),
        )

    return observe


def failed(queue_id: str, error: BaseException) -> None:
    """Write a bug of ours down, once, with its trace and the queue id."""
    logger.error(
        "%s: internal error: %s",
        printable(queue_id),
        printable(str(error)),
        exc_info=error,
    )


def _worth_a_look(event: Handled) -> bool:
    return event.outcome in _WORTH_A_LOOK or event.action in _REFUSED


def _worded(text: str) -> str:
    """Quote what is more than a word."""
    return text if text.isascii() and text.isalnum() else _quoted(text)


def _quoted(text: str) -> str:
    """Quote a stranger's text so that it cannot close the quotation."""
    escaped = printable(text).replace('"', r"\u{22}")
    return f'"{escaped}"'


def _number(number: str | None, numbers: str) -> str:
    if number is None:
        return "-"
    return number if numbers == "full" else mask(number)
