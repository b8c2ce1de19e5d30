"""``run`` and ``check``: the daemon and its configuration."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click

from stirmilter import config as configuration
from stirmilter.cli.common import (
    AT,
    CLIENT,
    CONFIG,
    HELO,
    JSON,
    NOT_VERIFIED,
    RECIPIENTS,
    SENDER,
    address_of,
    read_message,
    time_of,
    transaction_of,
)

if TYPE_CHECKING:
    from stirmilter.runtime import Runtime


@click.command()
@CONFIG
def run(path: Path) -> None:
    """Serve as a milter until SIGTERM; SIGHUP reloads."""
    from stirmilter import log
    from stirmilter.dkimfindings import check_findings
    from stirmilter.findings import findings
    from stirmilter.log.writing import TraceLimits
    from stirmilter.runtime import build
    from stirmilter.runtime.owners import check_owners
    from stirmilter.supervisor import Supervisor

    def load() -> Runtime:
        runtime = build(configuration.load(path))
        check_owners(runtime.config)
        settings = runtime.config.log
        log.configure(
            settings.level,
            style=settings.format,
            repeat_seconds=settings.repeat_seconds,
            repeats=settings.repeats,
            trace=TraceLimits(
                exceptions=settings.trace_exceptions, frames=settings.trace_frames
            ),
            priorities=settings.priorities,
            queue_octets=settings.queue_octets,
            flush_seconds=settings.flush_seconds,
        )
        log.take_over()
        found = [*findings(runtime, datetime.now(UTC)), *check_findings(runtime)]
        for finding in found:
            log.finding(finding.level, finding.subject, finding.text)
        return runtime

    Supervisor(load).run()


@click.command()
@CONFIG
@click.option(
    "--x5u/--no-x5u",
    default=True,
    help="Also fetch our own x5u URLs, and look our DKIM key up.",
)
@click.option(
    "--message", type=click.File("rb"), help="Show what would happen to this message."
)
@CLIENT
@click.option("--login", default="", help="SASL login name of the client.")
@click.option("--daemon-name", default="", help="Postfix service that took it.")
@HELO
@click.option("--tls-name", default="", help="Name in its verified certificate.")
@SENDER
@RECIPIENTS
@AT
@JSON
def check(
    path: Path,
    x5u: bool,
    message: IO[bytes] | None,
    client: str,
    login: str,
    daemon_name: str,
    helo: str,
    tls_name: str,
    mail_from: str | None,
    recipients: tuple[str, ...],
    at: str | None,
    as_json: bool,
) -> None:
    """Check configuration, keys, certificates and their numbers.

    With --message, show what would happen to it: the verdict, the facts that rules ask
    about, each rule with what it lacks, and what the shadow table would have done.
    """
    from stirmilter import dkimfindings, findings, runtime
    from stirmilter.cli.explaining import lines, would
    from stirmilter.mail.transaction import Connection
    from stirmilter.stores.replay import MemoryReplayStore

    # Another user may be asking: no replay file may come to be that is theirs.
    built = runtime.build(configuration.load(path), MemoryReplayStore())
    now = time_of(at)
    if message is not None:
        connection = Connection(
            client=address_of(client),
            login=login,
            daemon_name=daemon_name,
            helo=helo,
            tls_name=tls_name,
        )
        raw = read_message(message.read())
        transaction = transaction_of(
            built.filter, raw, connection, mail_from, recipients
        )
        report = would(built, transaction, now)
        if as_json:
            click.echo(json.dumps(report, indent=2))
        else:
            for line in lines(report):
                click.echo("\t".join(line))
        return
    found = list(findings.findings(built, now))
    found += dkimfindings.check_findings(built)
    found += dkimfindings.record(built)
    found += findings.replay_findings(built.config)
    for signer in built.signers:
        found += findings.possessed(signer)
    if x5u:
        found += [findings.published(built, signer) for signer in built.signers]
        found += dkimfindings.published(built)
    if as_json:
        click.echo(json.dumps([asdict(finding) for finding in found], indent=2))
    for finding in () if as_json else found:
        words = (finding.level, finding.subject, finding.text, finding.remedy)
        click.echo("\t".join(filter(None, words)))
    if any(finding.level == "error" for finding in found):
        sys.exit(NOT_VERIFIED)
