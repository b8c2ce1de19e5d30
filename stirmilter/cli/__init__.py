"""``stirmilter``: one sub-command per thing an operator does by hand.

Results go to standard output, one line each and stable enough for `cut`. Everything
else goes to standard error with the prefix ``stirmilter:``, in lower case and without
a full stop. Exit status: 0 verified or in order, 1 not verified or problems found,
2 usage, 75 try again later, 78 configuration (sysexits.h).
"""

from __future__ import annotations

from importlib.metadata import version

import click

from stirmilter.cli import (
    daemon,
    doctor,
    explain,
    journal,
    laboratory,
    message,
    replay,
    trust,
)
from stirmilter.cli.common import CONFIGURATION, NOT_VERIFIED, TEMPORARY, fail
from stirmilter.errors import ConfigError, StirmilterError, UnavailableError


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(version("stirmilter"), prog_name="stirmilter")
def cli() -> None:
    """Sign and verify STIR PASSporTs in mail (RFC 9475), as a milter and by hand."""


for command in (
    daemon.run,
    daemon.check,
    doctor.doctor,
    message.sign,
    message.verify,
    message.inspect,
    explain.explain,
    journal.journal,
    replay.replay,
    trust.trust,
    laboratory.testca,
    laboratory.demo,
):
    cli.add_command(command)


def main() -> None:
    """Run the command line; errors become one line and an exit status."""
    try:
        cli(prog_name="stirmilter")
    except UnavailableError as error:
        fail(TEMPORARY, *str(error).splitlines())
    except ConfigError as error:
        fail(CONFIGURATION, *str(error).splitlines())
    except StirmilterError as error:
        fail(NOT_VERIFIED, str(error))
