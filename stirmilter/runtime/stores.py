"""What remembers, and what fetches, as the configuration has it."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from stirmilter import log
from stirmilter.config import Config
from stirmilter.errors import ConfigError, StoreError, UnavailableError, reason
from stirmilter.runtime.files import read
from stirmilter.runtime.policies import removed_limits
from stirmilter.services import ReplayStore, TrustSet
from stirmilter.stir import credential
from stirmilter.stir.result import Unverified
from stirmilter.stores.again import Again
from stirmilter.stores.certificates import CHAIN, CertificateStore, Chain
from stirmilter.stores.documents import DocumentStore, Kind, Tier
from stirmilter.stores.fetch import HTTPS, Fetcher, FetchPolicy, Scheme
from stirmilter.stores.hosts import HostPolicy
from stirmilter.stores.journal import Journal, JournalSettings
from stirmilter.stores.recorder import Recorder, RecorderSettings
from stirmilter.stores.replay import MemoryReplayStore, SqliteReplayStore
from stirmilter.stores.tiers import RedisTier, SqliteTier
from stirmilter.stores.urls import HostSet

if TYPE_CHECKING:
    from stirmilter.stores.redis import RedisServer
    from stirmilter.stores.replay.redis import RedisReplayStore

_PARSED: Final = 16
"""Parsed, a stranger's chain takes up to thirty times the room: fewer are kept so."""


def fetcher(config: Config) -> Fetcher:
    """Make what fetches.

    Raises:
        ConfigError: ``fetch.tls_ca`` cannot be used.
    """
    try:
        return Fetcher(_fetch_policy(config), observe=log.fetched)
    except (ssl.SSLError, OSError) as error:
        where = f"{config.source}: fetch.tls_ca"
        raise ConfigError(where, f"{config.fetch.tls_ca}: {reason(error)}") from None


def document_store(
    config: Config,
    fetcher: Fetcher,
    tier: Tier | None,
    schemes: tuple[Scheme, ...] = HTTPS,
) -> DocumentStore:
    """Make what remembers documents from the web."""
    fetch = config.fetch
    return DocumentStore(
        partial(fetcher.get, schemes=schemes),
        tier,
        allow=partial(fetcher.check, schemes=schemes),
        entries=fetch.cache_entries,
        octets=fetch.cache_octets,
        concurrency=fetch.concurrency,
        pause=fetch.store_rest_seconds,
        observe=log.degraded,
    )


def document_kind(config: Config, kind: Kind, octets: int) -> Kind:
    """Hold a kind of documents to what the operator decided.

    Raises:
        ConfigError: the least time is longer than the greatest.
    """
    fetch = config.fetch
    if fetch.floor_seconds > fetch.ceiling_seconds:
        raise ConfigError(
            f"{config.source}: fetch.floor_seconds",
            f"expected at most ceiling_seconds, {fetch.ceiling_seconds:g}",
        )
    return replace(
        kind,
        octets=octets,
        floor=fetch.floor_seconds,
        default=fetch.cache_seconds,
        ceiling=fetch.ceiling_seconds,
        stale=fetch.stale_seconds,
        failure=fetch.failure_seconds,
    )


def certificate_store(
    config: Config, documents: DocumentStore, sets: Iterable[TrustSet]
) -> CertificateStore:
    """Make what remembers chains, and shares those that one of the sets vouches for."""
    fetch, limit = config.fetch, config.limits.certificates
    anchors = [one.anchors for one in sets]

    def anchored(chain: Chain) -> bool:
        for one in anchors:
            with suppress(Unverified):
                credential.find_path(chain, one, _now(), limit)
                return True
        return False

    return CertificateStore(
        documents,
        document_kind(config, CHAIN, fetch.octets),
        certificates=limit,
        entries=fetch.cache_entries,
        octets=fetch.cache_octets // _PARSED,
        anchored=anchored,
    )


def again(config: Config, store: CertificateStore) -> Again | None:
    """Make what asks for a chain before its time, if the operator wants it."""
    fetch = config.fetch
    if not fetch.again_seconds:
        return None
    return Again(
        store,
        fetch.again_seconds,
        entries=fetch.cache_entries,
        waiting=fetch.again_waiting,
    )


def tier(config: Config) -> Tier | None:
    """Say what workers, or relays, share; nothing is opened yet."""
    fetch = config.fetch
    kind, _, path = fetch.store.partition(":")
    if kind == "memory":
        return None
    if kind == "sqlite":
        return SqliteTier(
            config.folder / path,
            entries=fetch.cache_entries,
            octets=fetch.cache_octets,
            seconds=fetch.store_seconds,
            rebuilt=log.rebuilt("certificate store"),
        )
    return RedisTier(
        _redis(
            config,
            "certificate store",
            "fetch.store",
            seconds=fetch.store_seconds,
            pause=fetch.store_rest_seconds,
        )
    )


def replay_store(config: Config) -> ReplayStore:
    """Open the replay store; a server is connected to with the first message.

    Raises:
        ConfigError: it cannot be used.
    """
    replay = config.replay
    kind = replay.store.partition(":")[0]
    if kind == "memory":
        skew = timedelta(seconds=config.verify.skew)
        return MemoryReplayStore(replay.limit, retention(config), since=_now, skew=skew)
    return (
        sqlite_replay_store(config) if kind == "sqlite" else redis_replay_store(config)
    )


def sqlite_replay_store(config: Config) -> SqliteReplayStore:
    """Open the replay store that the workers of a machine share.

    Raises:
        UnavailableError: it cannot be used now.
        ConfigError: nor ever.
    """
    replay = config.replay
    try:
        return SqliteReplayStore(
            config.folder / replay.store.removeprefix("sqlite:"),
            replay.limit,
            retention(config),
            seconds=replay.seconds,
            since=_now,
            skew=timedelta(seconds=config.verify.skew),
            rebuilt=log.rebuilt("replay store"),
            trouble=log.trouble,
        )
    except StoreError as error:
        raise UnavailableError(f"{config.source}: replay.store", str(error)) from None
    except ValueError as error:  # a NUL in the path
        raise ConfigError(f"{config.source}: replay.store", str(error)) from None


def redis_replay_store(config: Config) -> RedisReplayStore:
    """Make the replay store that several relays share."""
    replay = config.replay
    server = _redis(
        config,
        "replay store",
        "replay.store",
        seconds=replay.seconds,
        pause=replay.rest_seconds,
    )
    from stirmilter.stores.replay.redis import RedisReplayStore  # noqa: PLC0415 - extra

    return RedisReplayStore(
        server,
        retention(config),
        prefix=replay.prefix,
        since=_now,
        skew=timedelta(seconds=config.verify.skew),
    )


def retention(config: Config) -> timedelta:
    """Say how long after its signature a token can be fresh (RFC 8224 §12.1)."""
    verify, peers = config.verify, config.peer
    freshness = max(verify.freshness, *(peer.freshness or 0.0 for peer in peers), 0.0)
    skew = max(verify.skew, *(peer.skew or 0.0 for peer in peers), 0.0)
    # Ages are whole seconds, so a token is fresh for up to one more.
    return timedelta(seconds=freshness + skew + 1)


def _redis(
    config: Config, name: str, where: str, *, seconds: float, pause: float
) -> RedisServer:
    """Make a way to the server that a setting names."""
    try:
        from stirmilter.stores.redis import RedisServer  # noqa: PLC0415 - an extra
    except ModuleNotFoundError:
        problem = 'needs redis-py: pip install "stirmilter[redis]"'
        raise ConfigError(f"{config.source}: {where}", problem) from None
    section, _, field = where.partition(".")
    url = getattr(getattr(config, section), field)
    try:
        return RedisServer(name, url, seconds=seconds, pause=pause)
    except StoreError as error:
        raise ConfigError(f"{config.source}: {where}", str(error)) from None


def _now() -> datetime:
    return datetime.now(UTC)


def recorder(
    config: Config,
    lost: Callable[[int], None],
    kept: Callable[[float | None, int, int], None] = lambda *_: None,
) -> Recorder | None:
    """Make what keeps evidence, or None; its file is opened by its own thread.

    So nothing of it comes to be before a message does, or when somebody only checks.

    Args:
        config: as loaded.
        lost: told how many messages have no evidence.
        kept: told about once a second what there is, as `Journal` does.
    """
    section = config.journal
    if not section.path:
        return None
    settings = JournalSettings(
        age=timedelta(days=section.days),
        octets=section.megabytes << 20,
        full_numbers=section.numbers == "full",
        removed=removed_limits(config),
        seconds=section.lock_seconds,
    )

    def open_journal() -> Journal:
        return Journal(config.folder / section.path, settings, _rebuilt, kept)

    return Recorder(
        open_journal,
        RecorderSettings(queue=section.queue, seconds=section.flush_seconds),
        lost=lost,
        say=log.trouble,
        recovered=log.recovered,
    )


def _rebuilt(aside: Path) -> None:
    log.trouble(f"journal: was broken, and begins anew; the old file is {aside}")


def _fetch_policy(config: Config) -> FetchPolicy:
    fetch = config.fetch
    tls_ca = config.folder / fetch.tls_ca if fetch.tls_ca else None
    if tls_ca is not None:
        read(config, tls_ca, f"{config.source}: fetch.tls_ca")
    return FetchPolicy(
        laboratory=fetch.laboratory,
        ports=frozenset(fetch.ports),
        allow=HostSet.of(*fetch.allow),
        deny=HostSet.of(*fetch.deny),
        seconds=fetch.seconds,
        octets=fetch.octets,
        header_octets=fetch.header_octets,
        interim=fetch.interim,
        addresses=fetch.addresses,
        name_addresses=fetch.name_addresses,
        hosts=HostPolicy(
            concurrency=fetch.host_concurrency,
            address_concurrency=fetch.address_concurrency,
            wait=fetch.host_wait_seconds,
            failures=fetch.host_failures,
            rest=fetch.host_rest_seconds,
            hosts=fetch.hosts,
        ),
        tls_ca=str(tls_ca) if tls_ca else None,
    )
