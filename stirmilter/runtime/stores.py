"""What remembers, and what fetches, as the configuration has it."""

from __future__ import annotations

import ssl
from dataclasses import replace

from stirmilter.config import Config
from stirmilter.errors import ConfigError, StoreError
from stirmilter.runtime.files import read
from stirmilter.services import ReplayStore
from stirmilter.stores.certificates import CertificateStore
from stirmilter.stores.fetch import Fetcher, FetchPolicy
from stirmilter.stores.replay import MemoryReplayStore, SqliteReplayStore


def fetcher(config: Config, octets: int | None = None) -> Fetcher:
    """Make what fetches, up to a size that is ``fetch.octets`` unless another is given.

    Raises:
        ConfigError: ``fetch.tls_ca`` cannot be used.
    """
    policy = _fetch_policy(config)
    try:
        return Fetcher(replace(policy, octets=octets or policy.octets))
    except (ssl.SSLError, OSError) as error:
        where = f"{config.source}: fetch.tls_ca"
        raise ConfigError(where, f"{config.fetch.tls_ca}: {error}") from None


def certificate_store(config: Config, fetcher: Fetcher) -> CertificateStore:
    """Make what remembers chains."""
    return CertificateStore(
        fetcher.get,
        seconds=config.fetch.cache_seconds,
        failure_seconds=config.fetch.failure_seconds,
        entries=config.fetch.cache_entries,
        concurrency=config.fetch.concurrency,
        certificates=config.limits.certificates,
    )


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
