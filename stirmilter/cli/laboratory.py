"""``testca`` and ``demo``: a PKI to play with, and the whole thing at work."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from stirmilter.cli.common import NOT_VERIFIED, say


@click.group()
def testca() -> None:
    """Run a toy STI PKI for laboratories; nothing else may trust it."""


_FOLDER = click.argument("folder", type=click.Path(path_type=Path, file_okay=False))


@testca.command("create")
@_FOLDER
def testca_create(folder: Path) -> None:
    """Make authorities, a web certificate and six signers in FOLDER.

    \b
    spc        SPC 1234
    one        +12025550123
    range      +12025550100 to +12025550199
    other      +19995550100: does not cover the numbers above
    expired    +12025550123, until yesterday
    untrusted  +12025550123, under a root that nobody trusts
    """  # noqa: D301 - \b keeps the list's lines apart
    from stirmilter.stir.tnauthlist import TNAuthList
    from stirmilter.testca import TestCA

    now = datetime.now(UTC)
    ca = TestCA.create(folder, now)
    alice = TNAuthList.build(numbers=["12025550123"])
    ca.signer("spc", TNAuthList.build(spcs=["1234"]), now)
    ca.signer("one", alice, now)
    ca.signer("range", TNAuthList.build(ranges=[("12025550100", 100)]), now)
    ca.signer("other", TNAuthList.build(numbers=["19995550100"]), now)
    ca.signer("expired", alice, now, valid=timedelta(days=-1))
    ca.signer("untrusted", alice, now, trusted=False)
    click.echo(f"anchors\t{ca.anchors}")
    click.echo(f"tls_ca\t{ca.tls_ca}")
    for name in ("spc", "one", "range", "other", "expired", "untrusted"):
        files = ca.files(name)
        click.echo(f"signer\t{name}\t{files.key}\t{files.chain}")


@testca.command("signer")
@_FOLDER
@click.argument("name")
@click.option("--spc", "spcs", multiple=True, help="Service provider code.")
@click.option("--number", "numbers", multiple=True, help="One number, +12025550123.")
@click.option(
    "--range", "ranges", multiple=True, help="+12025550100-+12025550199, both included."
)
@click.option("--days", default=30.0, show_default=True, help="Negative: has expired.")
@click.option("--untrusted", is_flag=True, help="Under the root that nobody trusts.")
@click.option(
    "--crl",
    default="",
    metavar="URL",
    help="Revocation list it names: .../intermediate.crl, or .../sti-pa.crl.",
)
@click.option(
    "--reference", default="", metavar="URL", help="Refer to its list, at this URL."
)
def testca_signer(
    folder: Path,
    name: str,
    spcs: tuple[str, ...],
    numbers: tuple[str, ...],
    ranges: tuple[str, ...],
    days: float,
    untrusted: bool,
    crl: str,
    reference: str,
) -> None:
    """Issue one more signer: its key, and its chain to be published."""
    from stirmilter.stir.tn import NumberSet
    from stirmilter.stir.tnauthlist import TNAuthList
    from stirmilter.testca import TestCA

    try:
        named = NumberSet.parse([*numbers, *ranges])
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    if named.prefixes or not (spcs or named):
        raise click.UsageError("give an --spc, a --number or a --range, no prefix")
    covers = TNAuthList.build(
        spcs,
        named.numbers,
        [(first, int(last) - int(first) + 1) for first, last in named.ranges],
    )
    files = TestCA(folder).signer(
        name,
        covers,
        datetime.now(UTC),
        valid=timedelta(days=days),
        trusted=not untrusted,
        crl=crl,
        reference=reference,
    )
    click.echo(f"signer\t{name}\t{files.key}\t{files.chain}")


@testca.command("crl", short_help="Make new revocation lists.")
@_FOLDER
@click.option("--days", default=1.0, show_default=True, help="Until the next list.")
def testca_crl(folder: Path, days: float) -> None:
    """Make new revocation lists: the intermediate's, and the STI-PA's for all."""
    from stirmilter.testca import TestCA

    for path in TestCA(folder).crl(datetime.now(UTC), timedelta(days=days)):
        click.echo(f"crl\t{path}")


@testca.command("revoke")
@_FOLDER
@click.argument("name")
def testca_revoke(folder: Path, name: str) -> None:
    """Revoke the certificate of a signer, and make new lists."""
    from stirmilter.testca import TestCA

    TestCA(folder).revoke(name, datetime.now(UTC))
    click.echo(f"revoked\t{name}")


@testca.command("serve")
@_FOLDER
@click.option("--port", default=8443, show_default=True)
def testca_serve(folder: Path, port: int) -> None:
    """Serve chains and lists of FOLDER over https on loopback.

    Ends when it is interrupted.
    """
    from stirmilter.testca import LOOPBACK, TestCA

    with TestCA(folder).server(port) as server:
        say(f"serving https://{LOOPBACK}:{server.server_port}/NAME.pem")
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            say("stopped")


@click.command(short_help="MMS through two Postfix relays here, then attacks.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("demo-out"),
    show_default=True,
    help="Folder for the messages, as sent and as received, and the logs.",
)
def demo(out: Path) -> None:
    """Two operators on this machine: MMS through two Postfix relays, then attacks."""
    from stirmilter.demo import run as run_demo

    if not run_demo(out, click.echo):
        sys.exit(NOT_VERIFIED)
