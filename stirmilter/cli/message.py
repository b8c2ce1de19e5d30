"""``sign``, ``verify`` and ``inspect``: one message, or a part of one, by hand."""

from __future__ import annotations

import json
import os
import sys
import warnings
from dataclasses import replace
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click

from stirmilter.cli.common import (
    AT,
    CLIENT,
    CONFIG,
    FILE,
    HELO,
    JSON,
    NOT_VERIFIED,
    RECIPIENTS,
    SENDER,
    TEMPORARY,
    address_of,
    by_hand,
    fail,
    read_message,
    say,
    time_of,
    transaction_of,
)

if TYPE_CHECKING:
    from cryptography import x509


@click.command()
@CONFIG
@FILE
@click.option(
    "--header", "header_only", is_flag=True, help="Print the new fields alone."
)
@click.option(
    "--client",
    metavar="IP",
    help="SMTP client, held to its [[submitter]] [none: every number is its own].",
)
@SENDER
@RECIPIENTS
@AT
def sign(
    path: Path,
    file: IO[bytes],
    header_only: bool,
    client: str | None,
    mail_from: str | None,
    recipients: tuple[str, ...],
    at: str | None,
) -> None:
    """Print a message with its PASSporT, as it would leave.

    If FILE is -, the message is read from standard input. Without --client, it is not
    asked who may send from the number.
    """
    from stirmilter.mail.message import write_field
    from stirmilter.mail.transaction import Connection

    mail_filter = by_hand(path).filter
    if client is None:  # whoever can read the key may sign for all of its numbers
        anybody = replace(mail_filter.policy, submitters=())
        mail_filter = mail_filter.using(policy=anybody)
    octets = file.read()
    raw = read_message(octets)
    connection = Connection(client=address_of(client) if client else None)
    transaction = transaction_of(mail_filter, raw, connection, mail_from, recipients)
    decision = mail_filter.sign(transaction, time_of(at))
    if decision.event.outcome != "signed":  # by DKIM alone it may be, all the same
        say(f"not signed: {decision.event.reason}: {decision.event.detail}")
        sys.exit(TEMPORARY if decision.action == "tempfail" else NOT_VERIFIED)
    for hazard in decision.event.hazards:
        say(f"the next hop may alter the body: {hazard}")
    fields = b"".join(write_field(name, value) for name, value in decision.insert)
    if b"\r\n" not in octets:  # the file's own line ends; over SMTP it is always CRLF
        fields = fields.replace(b"\r\n", b"\n")
    sys.stdout.buffer.write(fields + (b"" if header_only else octets))


@click.command()
@CONFIG
@FILE
@JSON
@CLIENT
@HELO
@SENDER
@RECIPIENTS
@AT
def verify(
    path: Path,
    file: IO[bytes],
    as_json: bool,
    client: str,
    helo: str,
    mail_from: str | None,
    recipients: tuple[str, ...],
    at: str | None,
) -> None:
    """Verify the PASSporTs of one message.

    If FILE is -, the message is read from standard input. Prints result, reason,
    verdict, number and detail. Replays are not looked for: a message may be verified by
    hand any number of times.
    """
    from stirmilter.mail.report import as_json as report
    from stirmilter.mail.transaction import Connection

    built = by_hand(path)
    raw = read_message(file.read())
    connection = Connection(client=address_of(client), helo=helo)
    transaction = transaction_of(built.filter, raw, connection, mail_from, recipients)
    decision, judged = built.filter.verify(transaction, time_of(at))
    result = judged.found.result
    if as_json:
        click.echo(json.dumps(report(decision, judged), indent=2))
    else:
        number = result.passport.claims.orig.value if result.passport else "-"
        click.echo(
            "\t".join(
                [
                    result.reason.word,
                    result.reason.code,
                    decision.event.outcome,
                    number if result.passed else "-",
                    result.detail or "-",
                ]
            )
        )
    if not result.passed:
        temporary = result.reason.word == "temperror"
        sys.exit(TEMPORARY if temporary else NOT_VERIFIED)


@click.command()
@click.argument("thing")
@click.option(
    "--chain",
    "chains",
    type=click.File("rb"),
    multiple=True,
    help="The certificates that stand at x5u; once for each x5u.",
)
@click.option(
    "--anchors", type=click.File("rb"), multiple=True, help="Roots to trust, PEM."
)
@JSON
@AT
def inspect(
    thing: str,
    chains: tuple[IO[bytes], ...],
    anchors: tuple[IO[bytes], ...],
    as_json: bool,
    at: str | None,
) -> None:
    """Explain a token, field, message, certificate or chain.

    THING is a file, - for standard input, or the text itself. Says what is wrong
    with it, by which rule, and exits 1 if anything is. Nothing is fetched: --chain
    gives the certificates, and then it tells who signed and for which numbers.
    """
    from cryptography.utils import CryptographyDeprecationWarning

    from stirmilter import inspection

    # Odd certificates are what this is for; their oddities belong into the report.
    warnings.simplefilter("ignore", CryptographyDeprecationWarning)
    if thing == "-":
        octets = sys.stdin.buffer.read()
    elif os.path.lexists(thing):
        try:
            octets = Path(thing).read_bytes()
        except OSError as error:
            fail(click.UsageError.exit_code, f"{thing}: {error.strerror}")
    elif thing.startswith(("eyJ", "..")) or ":" in thing:
        octets = thing.encode("utf-8", "surrogateescape")
    else:
        raise click.UsageError(f"{thing}: no such file, and no token or field either")
    report = inspection.inspect(
        octets,
        time_of(at),
        [_certificates(file) for file in chains],
        [found for file in anchors for found in _certificates(file)],
    )
    if as_json:
        click.echo(json.dumps(report.as_json(), indent=2))
    else:
        for line in report.lines():
            click.echo(line)
    if report.problems:
        sys.exit(NOT_VERIFIED)


def _certificates(file: IO[bytes]) -> tuple[x509.Certificate, ...]:
    from stirmilter.inspection import mistakes
    from stirmilter.stir import credential
    from stirmilter.stir.result import Unverified

    octets = file.read()
    mistake = mistakes.explain(octets)
    if mistake is not None:
        raise click.UsageError(f"{file.name}: {mistake.kind}, not certificates")
    try:
        return credential.load_chain(octets, len(octets))
    except Unverified as error:
        raise click.UsageError(f"{file.name}: {error.detail}") from None
