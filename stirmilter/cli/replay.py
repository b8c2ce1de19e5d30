"""``replay``: which tokens were used, and letting one be used again."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click

from stirmilter import config as configuration
from stirmilter.cli.common import (
    CONFIG,
    JSON,
    NOT_VERIFIED,
    RECIPIENTS,
    TEMPORARY,
    envelope_of,
    fail,
    read_message,
    say,
)
from stirmilter.errors import ConfigError, StoreError

if TYPE_CHECKING:
    from stirmilter.config import Config
    from stirmilter.stores.replay import Entry, SqliteReplayStore, Stats
    from stirmilter.stores.replay.redis import RedisReplayStore

    Store = SqliteReplayStore | RedisReplayStore

_MESSAGE = click.argument("file", type=click.File("rb"), required=False)


@click.group()
def replay() -> None:
    """Look into the replay store, and clear it."""


@replay.command()
@CONFIG
@_MESSAGE
@RECIPIENTS
@click.option(
    "--limit",
    type=click.IntRange(min=0),
    default=20,
    show_default=True,
    help="Keys to print.",
)
@JSON
def show(
    path: Path,
    file: IO[bytes] | None,
    recipients: tuple[str, ...],
    limit: int,
    as_json: bool,
) -> None:
    """Print how full the store is, and its keys.

    With FILE, prints only the keys of that message's tokens, and exits 1 if none was
    used. A line holds a key, its holder (one delivery) and when it may be forgotten;
    none of them tells a number.
    """
    config = configuration.load(path)
    wanted = set(_keys(config, file, recipients)) if file else None
    with _store(config) as store:
        kept = (one for one in store.entries() if wanted is None or one.key in wanted)
        found = list(islice(kept, limit))
        stats = store.stats()
    if as_json:
        shown = {**_figures(stats), "entries": [dict(_columns(one)) for one in found]}
        click.echo(json.dumps(shown, indent=2))
    else:
        for name, value in _figures(stats).items():
            click.echo(f"{name}\t{'-' if value is None else value}")
        for entry in found:
            click.echo("\t".join(value for _, value in _columns(entry)))
    if wanted is not None and not found:
        say("none of its tokens was used for these recipients")
        sys.exit(NOT_VERIFIED)


@replay.command()
@CONFIG
@_MESSAGE
@RECIPIENTS
@click.option("--all", "everything", is_flag=True, help="Forget every token.")
def clear(
    path: Path, file: IO[bytes] | None, recipients: tuple[str, ...], everything: bool
) -> None:
    """Forget a message's tokens, so that it can be delivered again.

    They are forgotten for the recipients that they name, and those of --rcpt. Prints
    how many keys there were.
    """
    if everything == (file is not None):
        raise click.UsageError("name the FILE of a message, or --all")
    config = configuration.load(path)
    keys = _keys(config, file, recipients) if file else None
    with _store(config) as store:
        click.echo(f"cleared\t{store.clear(keys)}")


@contextmanager
def _store(config: Config) -> Iterator[Store]:
    """Lend what the daemon uses, or end as one who may try again; nothing comes to be.

    Not with 1: that would be the word for tokens that were not used.
    """
    try:
        with _opened(config) as store:
            yield store
    except StoreError as error:
        fail(TEMPORARY, str(error))


def _opened(
    config: Config,
) -> closing[SqliteReplayStore] | nullcontext[RedisReplayStore]:
    from stirmilter.runtime import stores

    where = f"{config.source}: replay.store"
    kind, _, name = config.replay.store.partition(":")
    if kind == "memory":
        raise ConfigError(where, "memory: is in each worker, where nobody can look")
    if kind != "sqlite":
        return nullcontext(stores.redis_replay_store(config))
    if not (config.folder / name).exists():
        raise ConfigError(where, f"{name}: no such file; the daemon makes it")
    return closing(stores.sqlite_replay_store(config))


def _keys(config: Config, file: IO[bytes], recipients: tuple[str, ...]) -> list[bytes]:
    """Name what the tokens of a message may have been used for."""
    from stirmilter.mail import mm4
    from stirmilter.runtime import policies
    from stirmilter.services import read_value
    from stirmilter.services.replays import keys
    from stirmilter.stir.result import Unverified

    raw = read_message(file.read())
    policy = policies.mail_policy(config)
    limits = policies.passport_limits(config)
    _, named_there = envelope_of(raw, None, recipients)
    numbers = [mm4.recipient(one, policy.theirs) for one in named_there]
    named: list[bytes] = []
    for header in raw.headers:
        if not header.named(policy.headers):
            continue
        try:
            token, _ = read_value(header.text, limits)
        except Unverified as error:
            say(f"{header.name}: {error}")
            continue
        named += keys(token, [number for number in numbers if number is not None])
    if not named:
        raise click.UsageError("the message has no PASSporT that can be read")
    return named


def _figures(stats: Stats) -> dict[str, object]:
    figures = dataclasses.asdict(stats)
    return {**figures, "since": stats.since and stats.since.isoformat()}


def _columns(entry: Entry) -> Iterator[tuple[str, str]]:
    yield "key", entry.key.hex()
    yield "holder", entry.holder.hex()
    yield "until", entry.until.isoformat()
