"""Whom we trust: sets of anchors, and who may say that a certificate is revoked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from pathlib import Path
from threading import BoundedSemaphore
from typing import Final

from cryptography import x509

from stirmilter.config import Config
from stirmilter.errors import ConfigError, FetchError
from stirmilter.runtime.files import number_set, read
from stirmilter.services import (
    RevocationLists,
    RevocationPolicy,
    RevocationService,
    TrustSet,
)
from stirmilter.services.credentials import References
from stirmilter.services.trust import DEFAULT
from stirmilter.stir import credential, crlreader
from stirmilter.stir.credential import TrustAnchors
from stirmilter.stir.result import Unverified
from stirmilter.stir.tnauthlist import TNAuthList
from stirmilter.stores.background import Background
from stirmilter.stores.crl import RevocationStore
from stirmilter.stores.documents import DocumentStore, Kind
from stirmilter.stores.fetch import ANY, NUMBERS, Fetcher

_SCHEMES: Final = ("https://", "http://")


def trust_sets(config: Config) -> list[TrustSet]:
    """Read ``verify.anchors``, the set without a name, and every ``[[trust]]``.

    Raises:
        ConfigError: naming the setting.
    """
    general, lists = config.revocation.crl_issuers, config.revocation.crls
    issuers = _certificates(config, general, "revocation.crl_issuers")
    crls = tuple(_place(config, given) for given in lists)
    found = []
    if config.verify.anchors or not config.trust:
        anchors = _certificates(config, config.verify.anchors, "verify.anchors")
        found.append(
            TrustSet(
                anchors=TrustAnchors(anchors),
                crl_issuers=TrustAnchors(issuers),
                crls=crls,
            )
        )
    return [*found, *_named_sets(config, issuers, crls)]


def _named_sets(
    config: Config, issuers: Sequence[x509.Certificate], crls: tuple[str, ...]
) -> Iterable[TrustSet]:
    """Read the blocks; who may revoke everywhere may revoke in each."""
    for index, block in enumerate(config.trust):
        where = f"trust.{index} ({block.name})"
        if block.name == DEFAULT and config.verify.anchors:
            problem = f"{DEFAULT} is the name of verify.anchors: choose another"
            raise ConfigError(f"{config.source}: {where}.name", problem)
        anchors = _certificates(config, block.anchors, f"{where}.anchors")
        theirs = _certificates(config, block.crl_issuers, f"{where}.crl_issuers")
        named = f"{config.source}: {where}.numbers"
        yield TrustSet(
            name=block.name,
            anchors=TrustAnchors(anchors),
            numbers=number_set(config, block.numbers, named) if block.numbers else None,
            policies=frozenset(block.policies),
            crl_issuers=TrustAnchors([*theirs, *issuers]),
            crls=(*(_place(config, given) for given in block.crls), *crls),
        )


def revocation_store(
    config: Config,
    trust: Iterable[TrustSet],
    fetcher: Fetcher,
    lists: DocumentStore,
    places: BoundedSemaphore,
) -> RevocationStore:
    """Make what remembers revocation lists, with those of files already read.

    Raises:
        ConfigError: a file is no list, or a URL is one that is never fetched.
    """
    named = dict.fromkeys(place for one in trust for place in one.crls)
    urls = [place for place in named if place.startswith(_SCHEMES)]
    settings = config.revocation
    kind = Kind(
        name="crl",
        octets=settings.octets,
        check=lambda octets: crlreader.read(octets, settings.entries),
        accept="application/pkix-crl",
        floor=0.0,
        default=settings.refresh_seconds,
        ceiling=settings.refresh_seconds,
        failure=config.fetch.failure_seconds,
        stale=0.0,  # the old list is good until its own end, and no longer
    )
    try:
        for url in urls:
            fetcher.check(url, schemes=ANY)
        return RevocationStore(
            lambda url, revalidate: lists.get(url, kind, revalidate=revalidate),
            pinned=urls,
            files=[Path(place) for place in named if place not in urls],
            refresh_seconds=settings.refresh_seconds,
            failure_seconds=config.fetch.failure_seconds,
            lists=settings.lists,
            entries=settings.entries,
            concurrency=config.fetch.concurrency,
            places=places,
        )
    except FetchError as error:
        raise ConfigError(f"{config.source}: crls", str(error)) from None


def references(
    config: Config, documents: DocumentStore, places: BoundedSemaphore
) -> References:
    """Make what gets the TNAuthLists that certificates only refer to."""
    fetch = config.fetch
    kind = Kind(
        name="tnauthlist",
        octets=fetch.reference_octets,
        check=TNAuthList.decode,
        shared=None,  # nobody signs it: whoever writes there would give out numbers
        accept=NUMBERS,
        floor=0.0,
        default=fetch.reference_seconds,
        ceiling=fetch.reference_seconds,
        failure=fetch.failure_seconds,
        stale=fetch.stale_seconds,
    )
    fetches = Background(
        lambda url: documents.get(url, kind),
        "TNAuthLists",
        places=places,
        fetches=max(1, fetch.concurrency // 2),  # the other half is left for chains
    )

    def get(url: str, seconds: float) -> bytes:
        if documents.cached(url, kind):
            return documents.get(url, kind)
        return fetches.get(url, seconds)

    return get


def revocation_service(config: Config, lists: RevocationLists) -> RevocationService:
    """Make what asks the lists."""
    settings = config.revocation
    policy = RevocationPolicy(
        mode=settings.mode,
        skew=timedelta(seconds=config.verify.skew),
        places=settings.places,
        short_lived=timedelta(seconds=settings.short_lived_seconds),
    )
    return RevocationService(lists, policy)


def _place(config: Config, given: str) -> str:
    """Return a URL as it is, and a file with its folder."""
    return given if given.startswith(_SCHEMES) else str(config.folder / given)


def _certificates(
    config: Config, paths: Iterable[Path], setting: str
) -> list[x509.Certificate]:
    """Read PEM files, or raise ConfigError for the setting."""
    where = f"{config.source}: {setting}"
    found: list[x509.Certificate] = []
    for path in paths:
        octets = read(config, path, where)
        try:
            found += credential.load_chain(octets, limit=len(octets))
        except Unverified as error:
            problem = f"{path}: {error.detail}; expected PEM certificates"
            raise ConfigError(where, problem) from None
    return found
