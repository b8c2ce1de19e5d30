"""From values to wired objects: the one place where everything is put together."""

from __future__ import annotations

import grp
import ssl
import stat
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from cryptography import x509

from stirmilter.config import Config
from stirmilter.errors import ConfigError, FetchError, StoreError
from stirmilter.mail.filter import MailFilter, MailPolicy, Submitter
from stirmilter.mail.mm4 import Reading
from stirmilter.services import (
    AuthenticationService,
    ReplayStore,
    Signer,
    VerificationPolicy,
    VerificationService,
)
from stirmilter.stir import credential, identity, passport
from stirmilter.stir.credential import TrustAnchors
from stirmilter.stir.msgi import FORMS
from stirmilter.stir.result import Unverified
from stirmilter.stir.tn import NumberSet
from stirmilter.stores.certificates import CertificateStore
from stirmilter.stores.fetch import Fetcher, FetchPolicy
from stirmilter.stores.replay import MemoryReplayStore, SqliteReplayStore


@dataclass(frozen=True, slots=True)
class Runtime:
    """Everything a worker needs, built and checked before the first message."""

    config: Config
    filter: MailFilter
    certificates: CertificateStore
    anchors: TrustAnchors


def build(config: Config, replays: ReplayStore | None = None) -> Runtime:
    """Wire a configuration.

    Args:
        config: as loaded.
        replays: a store to use instead of the configured one.

    Raises:
        ConfigError: a file cannot be used, with the dotted path that names it.
    """
    anchors = TrustAnchors(_anchors(config))
    try:
        fetcher = Fetcher(_fetch_policy(config))
    except (ssl.SSLError, OSError) as error:
        where = f"{config.source}: fetch.tls_ca"
        raise ConfigError(where, f"{config.fetch.tls_ca}: {error}") from None
    store = CertificateStore(
        fetcher.get,
        seconds=config.fetch.cache_seconds,
        failure_seconds=config.fetch.failure_seconds,
        entries=config.fetch.cache_entries,
        concurrency=config.fetch.concurrency,
        certificates=config.limits.certificates,
    )
    mail_filter = MailFilter(
        policy=_mail_policy(config),
        authentication=AuthenticationService(
            [_signer(config, i, fetcher) for i in range(len(config.signer))],
            algorithm=config.sign.digest,
            freshness=timedelta(seconds=config.verify.freshness),
            diversions=config.limits.diversions,
            uris=config.sign.uris,
            limits=_limits(config),
        ),
        verification=VerificationService(
            repository=store,
            anchors=anchors,
            replays=replays or _replays(config),
            policy=_verification_policy(config),
        ),
    )
    return Runtime(config, mail_filter, store, anchors)


def check_group(config: Config) -> None:
    """Refuse a group that does not exist, before a socket is to be given to it.

    Apart from `build`, since a message can be judged by hand without any socket.

    Raises:
        ConfigError: naming the group.
    """
    settings = config.milter
    if any(s.startswith("unix:") for s in settings.sockets) and settings.socket_group:
        try:
            grp.getgrnam(settings.socket_group)
        except KeyError:
            raise ConfigError(
                f"{config.source}: milter.socket_group",
                f"no such group: {settings.socket_group}",
            ) from None


def _anchors(config: Config) -> list[x509.Certificate]:
    found: list[x509.Certificate] = []
    for path in config.verify.anchors:
        where = f"{config.source}: verify.anchors"
        octets = _read(config, path, where)
        try:
            found += credential.load_chain(octets, limit=len(octets))
        except Unverified as error:
            problem = f"{path}: {error.detail}; expected PEM certificates"
            raise ConfigError(where, problem) from None
    return found


def _signer(config: Config, index: int, fetcher: Fetcher) -> Signer:
    """Load one signer and refuse what could not sign (A-14)."""
    section = config.signer[index]
    where = f"{config.source}: signer.{index} ({section.name})"
    key = _key(config, section.key, f"{where}.key")
    chain = _read(config, section.chain, f"{where}.chain")
    try:
        fetcher.check(section.x5u)
    except FetchError as error:
        raise ConfigError(f"{where}.x5u", f"{section.x5u}: {error}") from None
    if len(section.x5u) > identity.X5U_LENGTH:
        problem = (
            f"longer than {identity.X5U_LENGTH} characters: no header line has room"
        )
        raise ConfigError(f"{where}.x5u", problem)
    numbers = _number_set(config, section.numbers, f"{where}.numbers")
    try:
        return Signer.load(
            name=section.name,
            key=key,
            chain=chain,
            x5u=section.x5u,
            numbers=numbers,
            domains=section.domains,
            certificates=config.limits.certificates,
        )
    except Unverified as error:
        problem = f"{section.chain}: {error}; expected PEM certificates, signer first"
        raise ConfigError(f"{where}.chain", problem) from None
    except ValueError as error:
        raise ConfigError(f"{where}.key", f"{section.key}: {error}") from None


def _key(config: Config, path: Path, where: str) -> bytes:
    octets = _read(config, path, where)
    mode = (config.folder / path).stat().st_mode
    if mode & (stat.S_IROTH | stat.S_IWOTH | stat.S_IWGRP):
        raise ConfigError(
            where,
            f"{path} has mode {stat.S_IMODE(mode):04o}: others may read or change it;"
            " chmod 0640 or 0600",
        )
    return octets


def _number_set(config: Config, patterns: Sequence[str], where: str) -> NumberSet:
    try:
        return NumberSet.parse(_numbers(config, patterns, where))
    except ValueError as error:
        raise ConfigError(where, str(error)) from None


def _numbers(config: Config, patterns: Sequence[str], where: str) -> Iterable[str]:
    """Yield patterns, those of ``@file`` one a line, without comments."""
    for pattern in patterns:
        if not pattern.startswith("@"):
            yield pattern
            continue
        octets = _read(config, Path(pattern[1:]), where)
        for line in octets.decode("utf-8", "replace").splitlines():
            text = line.partition("#")[0].strip()
            if text:
                yield text


def _read(config: Config, path: Path, where: str) -> bytes:
    try:
        return (config.folder / path).read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigError(where, f"{path}: {reason}") from None


def _replays(config: Config) -> ReplayStore:
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
        _read(config, tls_ca, f"{config.source}: fetch.tls_ca")
    return FetchPolicy(
        laboratory=fetch.laboratory,
        ports=frozenset(fetch.ports),
        seconds=fetch.seconds,
        octets=fetch.octets,
        tls_ca=str(tls_ca) if tls_ca else None,
    )


def _mail_policy(config: Config) -> MailPolicy:
    sign, verify = config.sign, config.verify
    types = {name.lower() for name in sign.message_types}
    return MailPolicy(
        authserv_id=config.milter.authserv_id,
        networks=sign.clients,
        logins=sign.logins,
        daemon_names=frozenset(sign.daemon_names),
        message_types=frozenset(types | ({""} if sign.plain_mail else set())),
        oldest=timedelta(seconds=sign.oldest_date),
        newest=timedelta(seconds=sign.newest_date),
        signing_failure=sign.on_failure,
        method=verify.method,
        header=sign.header,
        headers=frozenset(verify.headers),
        ours=Reading(
            country=sign.country, uris=sign.uris, entries=config.limits.addresses
        ),
        theirs=Reading(uris=verify.uris, entries=config.limits.addresses),
        divert=sign.divert,
        submitters=tuple(_submitters(config)),
    )


def _submitters(config: Config) -> Iterable[Submitter]:
    """Read who may use which numbers; whoever is not named may use all."""
    where = f"{config.source}: sign"
    for network, patterns in config.sign.client_numbers.items():
        numbers = _number_set(config, patterns, f"{where}.client_numbers.{network}")
        yield Submitter(network=network, numbers=numbers)
    for login, patterns in config.sign.login_numbers.items():
        numbers = _number_set(config, patterns, f"{where}.login_numbers.{login}")
        yield Submitter(login=login, numbers=numbers)


def _verification_policy(config: Config) -> VerificationPolicy:
    verify, limits = config.verify, config.limits
    return VerificationPolicy(
        freshness=timedelta(seconds=verify.freshness),
        skew=timedelta(seconds=verify.skew),
        forms=("exact",) if verify.strict else FORMS,
        accept_spc=verify.spc != "refuse",
        spc_numbers=_carriers(config) if verify.spc == "map" else None,
        passports=limits.passports,
        x5u=limits.x5u,
        diversions=limits.diversions,
        uris=verify.uris,
        paths=config.fetch.cache_entries,
        certificates=limits.certificates,
        limits=_limits(config),
    )


def _carriers(config: Config) -> dict[str, NumberSet]:
    """Read whose numbers are whose, for ``spc = "map"``."""
    where = f"{config.source}: verify.spc_numbers"
    table = config.verify.spc_numbers
    if not table:
        raise ConfigError(where, 'missing: the numbers of each SPC, as spc is "map"')
    return {
        spc: _number_set(config, patterns, f"{where}.{spc}")
        for spc, patterns in table.items()
    }


def _limits(config: Config) -> passport.Limits:
    limits = config.limits
    return passport.Limits(
        token=limits.token, depth=limits.json_depth, dest=limits.dest
    )
