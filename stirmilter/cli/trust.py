"""``trust``: the list of authorities that a policy administrator publishes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from stirmilter import config as configuration
from stirmilter.cli.common import (
    AT,
    CONFIGURATION,
    NOT_VERIFIED,
    TEMPORARY,
    fail,
    say,
    time_of,
)
from stirmilter.errors import FetchError

if TYPE_CHECKING:
    from cryptography import x509

    from stirmilter.config.sections import Limits
    from stirmilter.stir.trustlist import TrustList
    from stirmilter.stores.fetch import Fetcher
    from stirmilter.stores.trustfile import Import

_EXISTING: Final = click.Path(path_type=Path, exists=True, dir_okay=False)


@click.group()
def trust() -> None:
    """Import the authorities that may issue STIR certificates."""


@trust.command("import")
@click.argument("source")
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="PEM file of anchors to write; FILE.json remembers the list.",
)
@click.option(
    "--anchors",
    type=_EXISTING,
    help="Root of who signs the list: the policy administrator's.",
)
@click.option(
    "--signer", type=_EXISTING, help="Certificate of the signer, in place of x5u."
)
@click.option(
    "--sha256", help="SHA-256 of an unsigned PEM file, learned from its publisher."
)
@click.option("--unsigned", is_flag=True, help="Believe a PEM file that nobody signed.")
@click.option("--dry-run", is_flag=True, help="Say what would change; write nothing.")
@click.option(
    "--config",
    "-c",
    "path",
    type=click.Path(path_type=Path),
    help="Take the settings of [fetch] and [limits] from this file.",
)
@AT
def trust_import(
    source: str,
    out: Path,
    anchors: Path | None,
    signer: Path | None,
    sha256: str | None,
    unsigned: bool,
    dry_run: bool,
    path: Path | None,
    at: str | None,
) -> None:
    """Make a file of anchors of SOURCE, a file or an https URL.

    SOURCE is a signed list (a JWS by ES256, as the STI-PA publishes it), believed if
    its signer leads to --anchors, or a bundle in PEM, believed by --sha256 or with
    --unsigned. Prints what comes and goes. Entries that are no CA certificate or not
    valid now are left out, and said.
    """
    from stirmilter.runtime import stores as wiring

    now = time_of(at)
    settings = configuration.load(path) if path else configuration.parse({}, Path())
    reader = _Reader(wiring.fetcher(settings), settings.limits)
    octets = reader.octets(source)
    if b"-----BEGIN CERTIFICATE-----" in octets and not octets.lstrip().startswith(
        (b"{", b"eyJ")
    ):
        found = _bundle(octets, sha256, unsigned, now)
    else:
        found = _signed(reader, octets, anchors, signer, now)
    _write(source, out, found, now, reader, dry_run=dry_run)


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads files and URLs, as large as the settings allow."""

    fetcher: Fetcher
    limits: Limits

    def octets(self, source: str) -> bytes:
        if not source.startswith(("https://", "http://")):
            return self.file(Path(source))
        try:
            return self.fetcher.body(source, octets=self.limits.trust_list_octets)
        except FetchError as error:
            fail(TEMPORARY if error.temporary else NOT_VERIFIED, f"{source}: {error}")

    def file(self, path: Path) -> bytes:
        try:
            octets = path.read_bytes()
        except OSError as error:
            fail(click.UsageError.exit_code, f"{path}: {error.strerror}")
        if len(octets) > self.limits.trust_list_octets:
            most = self.limits.trust_list_octets
            fail(NOT_VERIFIED, f"{path}: more than {most} octets")
        return octets


def _bundle(
    octets: bytes, sha256: str | None, unsigned: bool, now: datetime
) -> TrustList:
    """Read a PEM file that nobody signed."""
    from stirmilter.stir import trustlist

    digest = hashlib.sha256(octets).hexdigest()
    if sha256 is None and not unsigned:
        raise click.UsageError(
            f"nobody signed this bundle: give --sha256, as its publisher tells it, or"
            f" --unsigned; it has {digest}"
        )
    if sha256 is not None and sha256.replace(":", "").strip().lower() != digest:
        fail(NOT_VERIFIED, f"another bundle: its SHA-256 is {digest}")
    return trustlist.plain(_chain(octets, "the bundle"), now)


def _signed(
    reader: _Reader,
    octets: bytes,
    anchors: Path | None,
    signer: Path | None,
    now: datetime,
) -> TrustList:
    """Read a signed list, and believe it if its signer leads to the anchors."""
    from stirmilter.stir import trustlist
    from stirmilter.stir.credential import TrustAnchors

    if anchors is None:
        raise click.UsageError("--anchors: a signed list needs the root of its signer")
    roots = TrustAnchors(_chain(reader.file(anchors), str(anchors)))
    try:
        listed = trustlist.parse(octets.decode("utf-8", "surrogateescape"))
        if signer is not None:
            chain = _chain(reader.file(signer), str(signer))
        elif (inside := listed.x5c) is not None:
            chain = inside
        elif listed.x5u is not None:
            chain = _chain(reader.octets(_https(listed.x5u)), listed.x5u)
        else:
            raise click.UsageError("--signer: the list does not say who signed it")
        most = reader.limits.trust_list_entries
        return trustlist.verify(listed, chain, roots, now, most)
    except ValueError as error:
        fail(NOT_VERIFIED, f"not a list to be believed: {error}")


def _https(url: str) -> str:
    """Refuse to open a file because a stranger's list names it."""
    if not url.startswith("https://"):
        raise ValueError("x5u is no https URL")
    return url


def _chain(octets: bytes, name: str) -> tuple[x509.Certificate, ...]:
    from stirmilter.stir import credential
    from stirmilter.stir.result import Unverified, printable

    try:
        return credential.load_chain(octets, len(octets))
    except Unverified as error:
        fail(NOT_VERIFIED, f"{printable(name)}: {error.detail}")


def _write(
    source: str,
    out: Path,
    found: TrustList,
    now: datetime,
    reader: _Reader,
    *,
    dry_run: bool,
) -> None:
    """Say what changes, and change it."""
    from cryptography.hazmat.primitives.serialization import Encoding

    from stirmilter.stores import trustfile

    for entry in found.refused:
        say(f"left out: {entry.entry}: {entry.why}")
    if not found.authorities:
        fail(NOT_VERIFIED, "no authority is left: nothing is written")
    before = trustfile.load(out)
    _check_sequence(found, before)
    old = _chain(reader.file(out), str(out)) if out.exists() else ()
    changes = list(_changes(old, found.authorities))
    for line in changes:
        click.echo(line)
    click.echo(_summary(found, before, now))
    if dry_run:
        return
    pem = b"".join(one.public_bytes(Encoding.PEM) for one in found.authorities)
    record = trustfile.Import(
        source=source,
        sha256=hashlib.sha256(pem).hexdigest(),
        time=now.isoformat(),
        sequence=found.sequence,
        expires=found.expires.isoformat() if found.expires else None,
    )
    trustfile.save(out, pem, record)
    if changes:
        say(f"wrote {out}; now: stirmilter check && systemctl reload stirmilter")


def _check_sequence(found: TrustList, before: Import | None) -> None:
    """Refuse a list that is older than the one that was imported last."""
    if before is None or before.sequence is None:
        return
    if found.sequence is None:
        fail(
            CONFIGURATION,
            "the file came from a signed list, and this one is not signed:"
            " choose another --out, or remove its .json file",
        )
    if found.sequence < before.sequence:
        fail(
            NOT_VERIFIED,
            f"an older list: sequence {found.sequence}, after {before.sequence}",
        )


def _changes(
    old: Iterable[x509.Certificate], new: Iterable[x509.Certificate]
) -> Iterable[str]:
    """Yield a line for each authority that comes, and each that goes."""
    old, new = tuple(old), tuple(new)
    for word, these, others in (("added", new, old), ("removed", old, new)):
        for one in these:
            if one not in others:
                yield f"{word}\t{_authority(one)}"


def _authority(one: x509.Certificate) -> str:
    from cryptography.hazmat.primitives.hashes import SHA256

    from stirmilter.stir.result import printable

    begin, end = one.not_valid_before_utc, one.not_valid_after_utc
    return "\t".join(
        [
            printable(one.subject.rfc4514_string()),
            one.fingerprint(SHA256()).hex(),
            f"{begin:%Y-%m-%d} to {end:%Y-%m-%d}",
        ]
    )


def _summary(found: TrustList, before: Import | None, now: datetime) -> str:
    count = len(found.authorities)
    facts = [f"{count} {'authority' if count == 1 else 'authorities'}"]
    if found.sequence is not None:
        facts.append(f"sequence {found.sequence}")
    if found.expires is not None:
        facts.append(f"expires {found.expires:%Y-%m-%d %H:%MZ}")
    if before is not None:
        age = now - datetime.fromisoformat(before.time)
        facts.append(f"the last import was {age.days} days ago")
    return "list\t" + ", ".join(facts)
