"""``doctor``: what is wrong with Postfix, the way to us and ourselves."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path

import click

from stirmilter import config as configuration
from stirmilter.cli.common import AT, CONFIG, JSON, NOT_VERIFIED, time_of


@click.command()
@CONFIG
@click.option(
    "--postfix-config",
    "postfix",
    type=click.Path(path_type=Path),
    help="Folder of Postfix's configuration [Postfix's default].",
)
@click.option("--user", help="User that Postfix runs as [its mail_owner].")
@click.option(
    "--daemon-user",
    default="stirmilter",
    show_default=True,
    help="User that our daemon runs as.",
)
@click.option("--x5u/--no-x5u", default=True, help="Also fetch our own x5u URLs.")
@click.option(
    "--seconds",
    type=click.FloatRange(min=0, min_open=True, max=3600),
    default=5.0,
    show_default=True,
    help="How long one answer may take.",
)
@AT
@JSON
def doctor(
    path: Path,
    postfix: Path | None,
    user: str | None,
    daemon_user: str,
    x5u: bool,
    seconds: float,
    at: str | None,
    as_json: bool,
) -> None:
    """Find what breaks signatures or the link to Postfix.

    Reads Postfix's configuration, connects to our socket as Postfix does, and looks at
    libmilter, DNS, clock, certificates, files and disk. Changes nothing. Run it as
    root, so that it can test with the rights of both users. Prints level, subject, what
    is wrong and the remedy, separated by tabs. Exit status 1 if there is an error.
    """
    from stirmilter.doctor import Patient, examine
    from stirmilter.stir.result import printable

    patient = Patient(
        config=configuration.load(path),
        postfix=postfix,
        postfix_user=user,
        user=daemon_user,
        fetch=x5u,
        seconds=seconds,
    )
    found = []
    for finding in examine(patient, time_of(at)):
        found.append(finding)
        if not as_json:
            columns = (finding.subject, finding.text, finding.remedy or "-")
            shown = (printable(column, 4_000) for column in columns)
            click.echo("\t".join((finding.level, *shown)))
    if as_json:
        click.echo(json.dumps([asdict(finding) for finding in found], indent=2))
    if any(finding.level == "error" for finding in found):
        sys.exit(NOT_VERIFIED)
