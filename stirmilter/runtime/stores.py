"""What remembers, and what fetches, as the configuration has it."""

from __future__ import annotations

import ssl
from dataclasses import replace
from typing import Final

from stirmilter import log
from stirmilter.config import Config
from stirmilter.errors import ConfigError, StoreError
from stirmilter.runtime.files import read
from stirmilter.services import ReplayStore
from stirmilter.stores.certificates import CHAIN, CertificateStore
from stirmilter.stores.documents import DocumentStore, Kind, Tier
from stirmilter.stores.fetch import Fetcher, FetchPolicy
from stirmilter.stores.replay import MemoryReplayStore, SqliteReplayStore
from stirmilter.stores.tiers import RedisTier, SqliteTier

_PARSED: Final = 16
"""Parsed, a stranger's chain takes up to thirty times the room: fewer are kept so."""


def fetcher(config: Config) -> Fetcher:
    """Make what fetches.

    Raises:
        ConfigError: ``fetch.tls_ca`` cannot be used.
    """
    try:
        return Fetcher(_fetch_policy(config))
    except (ssl.SSLError, OSError) as error:
        where = f"{config.source}: fetch.tls_ca"
        raise ConfigError(where, f"{config.fetch.tls_ca}: {error}") from None


def document_store(config: Config, fetcher: Fetcher, *, shared: bool) -> DocumentStore:
    """Make what remembers documents from the web, for this process or for several.

    Raises:
        ConfigError: ``fetch.store`` cannot be used.
    """
    fetch = config.fetch
    return DocumentStore(
        fetcher.get,
        _tier(config) if shared else None,
        allow=fetcher.check,
        entries=fetch.cache_entries,
        octets=fetch.cache_octets,
        concurrency=fetch.concurrency,
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


def certificate_store(config: Config, documents: DocumentStore) -> CertificateStore:
    """Make what remembers chains."""
    fetch = config.fetch
    return CertificateStore(
        documents,
        document_kind(config, CHAIN, fetch.octets),
        certificates=config.limits.certificates,
        entries=fetch.cache_entries,
        octets=fetch.cache_octets // _PARSED,
    )


def _tier(config: Config) -> Tier | None:
    """Say what workers, or relays, share; nothing is opened yet."""
    where = f"{config.source}: fetch.store"
    kind, _, path = config.fetch.store.partition(":")
    if kind == "memory":
        return None
    if kind == "sqlite":
        return SqliteTier(
            config.folder / path,
            entries=config.fetch.cache_entries,
            octets=config.fetch.cache_octets,
            rebuilt=log.rebuilt("certificate store"),
        )
    try:
        from stirmilter.stores.redis import RedisServer  # noqa: PLC0415 - an extra
    except ModuleNotFoundError:
        problem = 'needs redis-py: pip install "stirmilter[redis]"'
        raise ConfigError(where, problem) from None
    try:
        return RedisTier(RedisServer("certificate store", config.fetch.store))
    except StoreError as error:
        raise ConfigError(where, str(error)) from None


def replay_store(config: Config) -> ReplayStore:
    """Open the replay store, or raise ConfigError."""
    kind, _, path = config.replay.store.partition(":")
    if kind == "memory":
        return MemoryReplayStore(config.replay.limit)
    try:
        return SqliteReplayStore(config.folder / path, config.replay.limit)
    except (StoreError, ValueError) as error:  # ValueError: a NUL in the path
        raise ConfigError(f"{config.source}: replay.store", str(error)) from None


def _fetch_policy(config: Config) -> FetchPolicy:
    fetch = config.fetch
    tls_ca = config.folder / fetch.tls_ca if fetch.tls_ca else None
    if tls_ca is not None:
        read(config, tls_ca, f"{config.source}: fetch.tls_ca")
    return FetchPolicy(
        laboratory=fetch.laboratory,
        ports=frozenset(fetch.ports),
        seconds=fetch.seconds,
        octets=fetch.octets,
        tls_ca=str(tls_ca) if tls_ca else None,
    )
