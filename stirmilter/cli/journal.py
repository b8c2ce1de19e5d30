"""``journal``: the evidence behind what was judged or signed, as it was kept."""

from __future__ import annotations

import base64
import dataclasses
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from stirmilter import config as configuration
from stirmilter.cli.common import CONFIG, JSON, NOT_VERIFIED, say
from stirmilter.errors import ConfigError

if TYPE_CHECKING:
    from stirmilter.events import Certificate, Evidence, Handled, Token
    from stirmilter.stores.journalreader import JournalReader


@click.group()
def journal() -> None:
    """Look into the evidence of past verdicts."""


@journal.command()
@CONFIG
@click.argument("identifier", metavar="ID")
@JSON
def show(path: Path, identifier: str, as_json: bool) -> None:
    """Print the evidence that was kept of a message.

    ID is a queue id, a Message-ID, an X-Mms-Transaction-ID or an X-Mms-Message-ID. If
    several messages have it, the newest comes first. Exits 1 if none has.
    """
    find(path, identifier, None if as_json else _lines)


@journal.command()
@CONFIG
@JSON
def stats(path: Path, as_json: bool) -> None:
    """Count what the journal holds."""
    with _open_journal(path) as reader:
        counted = dataclasses.asdict(reader.stats())
    if as_json:
        click.echo(json.dumps(counted, indent=2, default=_plain))
    for name, value in () if as_json else counted.items():
        click.echo(f"{name}\t{_plain(value) if value is not None else '-'}")


def find(
    path: Path, identifier: str, lines: Callable[[Handled], Iterable[str]] | None
) -> None:
    """Print the messages that an identifier names, and exit with 1 if none has it.

    Args:
        path: of the configuration.
        identifier: as the commands take it.
        lines: writes one message for people; None prints all of them as JSON.
    """
    with _open_journal(path) as reader:
        found = reader.find(identifier)
    if lines is None:
        rows = [dataclasses.asdict(event) for event in found]
        click.echo(json.dumps(rows, indent=2, default=_plain))
    else:
        for number, event in enumerate(found):
            if number:
                click.echo()
            for line in lines(event):
                click.echo(line)
    if not found:
        say(
            "no such message in the journal: it did not pass here, or its evidence was"
            " too old (journal.days) or had no room (journal.megabytes)"
        )
        sys.exit(NOT_VERIFIED)


def _open_journal(path: Path) -> JournalReader:
    """Open the journal that a configuration names, to look into it."""
    from stirmilter.stores.journalreader import JournalReader

    config = configuration.load(path)
    if not config.journal.path:
        where = f"{config.source}: journal.path"
        raise ConfigError(where, "empty: no journal is kept")
    return JournalReader(config.folder / config.journal.path)


def _lines(event: Handled) -> Iterator[str]:
    return (f"{name}\t{value}" for name, value in _facts(event))


def _facts(event: Handled) -> Iterator[tuple[str, object]]:
    """Name what is known of a message, in an order that stays; nothing empty."""
    kept = event.evidence
    assert kept is not None  # noqa: S101 - the journal holds nothing else
    facts = {
        "queue-id": event.queue_id,
        "time": _time(kept.time),
        "direction": event.direction,
        "outcome": event.outcome,
        "reason": event.reason,
        "detail": event.detail,
        "action": event.action,
        "rule": event.rule,
        "peer": event.peer,
        "shadow": " ".join(filter(None, (event.shadow_action, event.shadow_rule))),
        "orig": event.orig,
        "client": kept.client,
        "message-id": kept.message_id,
        "transaction-id": kept.transaction_id,
        "mms-message-id": kept.mms_message_id,
        "signer": event.signer,
        "ms": f"{event.seconds * 1000:.0f}",
        "stages": " ".join(
            f"{stage}={took * 1000:.1f}" for stage, took in event.stages
        ),
    }
    yield from ((name, value) for name, value in facts.items() if value)
    for number, token in enumerate(kept.tokens, 1):
        for name, value in _token_facts(token, kept, event.direction == "in"):
            yield f"passport.{number}.{name}", value
    yield from event.methods
    for field in kept.removed:
        yield "removed", f"{field.name}: {field.text}"


def _token_facts(
    token: Token,
    kept: Evidence,
    received: bool,  # else we made it, and verified nothing
) -> Iterator[tuple[str, object]]:
    facts = {
        "reason": token.reason,
        "word": token.word,
        "rule": token.rule.replace("§", "section "),
        "detail": token.detail,
        "ppt": token.ppt,
        "iat": ""
        if token.iat is None
        else _time(datetime.fromtimestamp(token.iat, UTC)),
        "msgi": token.msgi if received else "",
        "authority": token.authority if received else "",
        "diversions": token.diversions,
        "x5u": token.x5u,
        "fingerprint": token.fingerprint,
    }
    yield from ((name, value) for name, value in facts.items() if value)
    if token.valid is not None:
        begin, end = token.valid
        inside = "inside" if begin <= kept.time <= end else "outside"
        when = "at reception" if received else "when it left"
        yield "validity", f"{_time(begin)} to {_time(end)}, {inside} {when}"
        if received:
            yield "revocation", f"{token.status} at reception"
    for certificate in token.path:
        yield "certificate", f"{certificate.sha256} {subject(certificate)}"
    yield from (("note", note) for note in token.notes)


def subject(certificate: Certificate) -> str:
    """Name the holder of a certificate, printable."""
    from cryptography import x509

    from stirmilter.stir.result import printable

    try:
        found = x509.load_der_x509_certificate(certificate.der)
        return printable(found.subject.rfc4514_string())
    except ValueError:
        return "-"


def _time(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M:%SZ}"


def _plain(value: Any) -> Any:  # noqa: ANN401 - whatever JSON has no form for
    if isinstance(value, datetime):
        return value.isoformat()
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value
