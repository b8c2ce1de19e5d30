"""What the commands share: options, exit statuses, a message and its envelope."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

import click

from stirmilter import config as configuration

if TYPE_CHECKING:  # what costs time to import is imported by the command that uses it
    from stirmilter.mail.filter import MailFilter
    from stirmilter.mail.message import RawMessage
    from stirmilter.mail.transaction import Connection, Transaction
    from stirmilter.runtime import Runtime

NOT_VERIFIED: Final = 1
TEMPORARY: Final = 75
CONFIGURATION: Final = 78

CONFIG = click.option(
    "--config",
    "-c",
    "path",
    type=click.Path(path_type=Path, readable=False),  # who reads it tells why not
    default=configuration.DEFAULT,
    show_default=True,
    help="The configuration file.",
)
FILE = click.argument("file", type=click.File("rb"))
AT = click.option(
    "--at", "at", metavar="TIME", help="Judge as of this time (ISO 8601) [now]."
)
JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
SENDER = click.option(
    "--mail-from", metavar="ADDRESS", help="Envelope sender [the address of From]."
)
RECIPIENTS = click.option(
    "--rcpt",
    "recipients",
    metavar="ADDRESS",
    multiple=True,
    help="Envelope recipient, once for each [those of To and Cc].",
)
HELO = click.option("--helo", default="", help="What the client calls itself.")
CLIENT = click.option(
    "--client",
    metavar="IP",
    default="127.0.0.1",
    show_default=True,
    help="SMTP client.",
)


def by_hand(path: Path) -> Runtime:
    """Build a runtime that keeps no replay keys."""
    from stirmilter.runtime import build
    from stirmilter.stores.replay import MemoryReplayStore

    return build(configuration.load(path), MemoryReplayStore())


def read_message(octets: bytes) -> RawMessage:
    """Split a message, or end with a usage error."""
    from stirmilter.mail.message import RawMessage

    try:
        return RawMessage.parse(octets)
    except ValueError as error:
        raise click.UsageError(f"no mail message: {error}") from None


def envelope_of(
    raw: RawMessage, mail_from: str | None, recipients: tuple[str, ...]
) -> tuple[str, tuple[str, ...]]:
    """Return sender and recipients: as given, or as the header names them."""
    from stirmilter.mail import addresses

    def named(*names: str) -> tuple[str, ...]:
        return tuple(
            f"{mailbox.local}@{mailbox.domain}" if mailbox.domain else mailbox.local
            for header in raw.headers
            if header.named(names)
            for mailbox in addresses.parse(header.text).entries
            if mailbox is not None
        )

    sender = mail_from if mail_from is not None else "".join(named("from")) or "-"
    return sender, recipients or named("to", "cc")


def transaction_of(
    mail_filter: MailFilter,
    raw: RawMessage,
    connection: Connection,
    mail_from: str | None,
    recipients: tuple[str, ...],
) -> Transaction:
    """Make the transaction that would have brought a message here."""
    prepared = mail_filter.whole(raw.headers)
    for read in prepared.readers():
        read(raw.body)
    sender, named = envelope_of(raw, mail_from, recipients)
    return prepared.transaction(connection, sender, named, raw.headers)


def time_of(text: str | None) -> datetime:
    """Read ``--at``; without it, read the clock."""
    if text is None:
        return datetime.now(UTC)
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise click.UsageError(
            f"--at {text}: expected ISO 8601, such as 2026-01-02T12:00:00Z"
        ) from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def address_of(text: str) -> IPv4Address | IPv6Address:
    """Read ``--client``."""
    try:
        return ip_address(text)
    except ValueError as error:
        raise click.UsageError(f"--client: {error}") from None


def say(line: str) -> None:
    """Tell a person something; results go elsewhere."""
    click.echo(f"stirmilter: {line}", err=True)


def fail(status: int, *lines: str) -> NoReturn:
    """Say what went wrong, and end; as an error, where journald is told priorities."""
    from stirmilter.log.writing import error_to

    before = error_to(sys.stderr)
    for line in lines:
        click.echo(f"{before}stirmilter: {line}", err=True)
    sys.exit(status)
