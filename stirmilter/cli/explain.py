"""``explain``: the evidence behind a past verdict, told to a person."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from stirmilter.cli.common import CONFIG, JSON
from stirmilter.cli.journal import find, subject

if TYPE_CHECKING:
    from stirmilter.events import Evidence, Handled, Stage, Token

_WIDTH = 12
_STAGES: Final[Mapping[Stage, str]] = {
    "prefetch": "waiting for what its header refers to",
    "queue": "waiting for a thread",
    "stir": "judging its PASSporTs",
    "methods": "for SPF, DKIM, ARC and DMARC",
    "policy": "for policy and results",
    "sign": "signing it",
    "dkim": "signing it with DKIM",
}


@click.command()
@CONFIG
@click.argument("identifier", metavar="ID")
@JSON
def explain(path: Path, identifier: str, as_json: bool) -> None:
    """Tell why a message was judged, or signed, as it was.

    ID is a queue id, a Message-ID, an X-Mms-Transaction-ID or an X-Mms-Message-ID. Of
    several messages that have it, the newest comes first. Exits 1 if none has.
    """
    find(path, identifier, None if as_json else _lines)


def _lines(event: Handled) -> Iterator[str]:
    return (f"{name:<{_WIDTH}} {text}".rstrip() for name, text in tell(event))


def tell(event: Handled) -> Iterator[tuple[str, str]]:
    """Yield lines: a word for what they are about, empty where it goes on."""
    from stirmilter.mail import advice

    kept = event.evidence
    assert kept is not None  # noqa: S101 - the journal holds nothing else
    way = "arrived" if event.direction == "in" else "left"
    client = f" from {kept.client}" if kept.client else ""
    peer = f" (peer {event.peer})" if event.peer else ""
    yield "message", f"{event.queue_id or '-'} {way} {_time(kept.time)}{client}{peer}"
    ids = (kept.message_id, kept.transaction_id, kept.mms_message_id)
    yield from _continued("known as", filter(None, ids))
    if event.orig:
        yield "number", f"+{event.orig}" if event.orig[0].isdigit() else event.orig
    yield "outcome", f"{event.outcome}: {event.reason}"
    if event.detail:
        yield "", event.detail
    meaning = advice.of(event.direction, event.reason)
    if meaning:
        yield "which means", meaning
    for number, token in enumerate(kept.tokens, 1):
        yield from _continued(f"passport {number}", _token(token, event, kept))
    yield from event.methods
    yield from _continued("action", _action(event))
    for field in kept.removed:
        yield "removed", f"{field.name}: {field.text}"
    yield from _continued("took", _took(event))


def _token(token: Token, event: Handled, kept: Evidence) -> Iterator[str]:
    word = f"{token.word} " if token.word else ""
    rule = f" ({token.rule.replace('§', 'section ')})" if token.rule else ""
    detail = f": {token.detail}" if token.detail else ""
    yield f"{word}{token.reason}{detail}{rule}"
    if token.iat is not None:
        signed_at = datetime.fromtimestamp(token.iat, UTC)
        seconds = (kept.time - signed_at).total_seconds()
        age = f"{seconds:.0f} s before" if seconds >= 0 else f"{-seconds:.0f} s after"
        seen = f", {age} we saw it" if event.direction == "in" else ""
        yield f"signed {_time(signed_at)}{seen}"
    # Of what we signed there is nothing to compare and nobody to ask.
    if event.direction == "in" and token.msgi:
        known = token.authority != "none"
        covered = f", number covered by {token.authority}" if known else ""
        yield f"body {token.msgi}{covered}"
    if token.diversions:
        yield f"rests on {token.diversions} diversions"
    if token.x5u:
        yield f"certificate at {token.x5u}"
    for place, certificate in enumerate(token.path):
        whose = "signed by" if not place else "vouched for by"
        yield f"{whose} {subject(certificate)}"
    if token.valid is not None:
        begin, end = token.valid
        inside = "inside" if begin <= kept.time <= end else "OUTSIDE"
        came = "when it came" if event.direction == "in" else "when it left"
        yield f"valid {_time(begin)} to {_time(end)}, {inside} {came}"
        yield f"revocation: {token.status} {came}"
    yield from (f"note: {note}" for note in token.notes)


def _action(event: Handled) -> Iterator[str]:
    by = f" by {event.rule}" if event.rule else ""
    yield f"{event.action}{by}"
    if event.signer:
        yield f"signed as {event.signer}"
    if event.shadow_action:
        rule = f" by {event.shadow_rule}" if event.shadow_rule else ""
        yield f"the shadow table would have chosen {event.shadow_action}{rule}"


def _took(event: Handled) -> Iterator[str]:
    """Tell the time, and what it was spent with; the rest went into reading it."""
    yield f"{event.seconds * 1000:.0f} ms"
    for stage, took in event.stages:
        yield f"{took * 1000:.1f} ms {_STAGES.get(stage, stage)}"


def _continued(name: str, lines: Iterator[str]) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(lines):
        yield "" if number else name, line


def _time(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M:%SZ}"
