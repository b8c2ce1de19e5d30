"""From values to wired objects: the one place where everything is put together."""

from __future__ import annotations

import grp
from dataclasses import dataclass
from datetime import timedelta

from stirmilter.config import Config
from stirmilter.errors import ConfigError
from stirmilter.mail.filter import MailFilter
from stirmilter.runtime import policies, signers, stores, trust
from stirmilter.services import (
    AuthenticationService,
    ReplayStore,
    VerificationService,
)
from stirmilter.stir.credential import TrustAnchors
from stirmilter.stores.certificates import CertificateStore
from stirmilter.stores.prefetch import Prefetcher


@dataclass(frozen=True, slots=True)
class Runtime:
    """Everything a worker needs, built and checked before the first message."""

    config: Config
    filter: MailFilter
    certificates: CertificateStore
    prefetcher: Prefetcher
    """What the filter has its chains from."""

    anchors: TrustAnchors


def build(config: Config, replays: ReplayStore | None = None) -> Runtime:
    """Wire a configuration.

    Args:
        config: as loaded.
        replays: a store to use instead of the configured one, by whoever judges by
            hand: then nothing is shared with the daemon, whose files are not theirs.

    Raises:
        ConfigError: a file cannot be used, with the dotted path that names it.
    """
    anchors = TrustAnchors(trust.anchors(config))
    fetcher = stores.fetcher(config)
    documents = stores.document_store(config, fetcher, shared=replays is None)
    store = stores.certificate_store(config, documents)
    prefetcher = Prefetcher(store, config.fetch.waiting)
    mail_filter = MailFilter(
        policy=policies.mail_policy(config),
        authentication=AuthenticationService(
            [signers.signer(config, i, fetcher) for i in range(len(config.signer))],
            algorithm=config.sign.digest,
            freshness=timedelta(seconds=config.verify.freshness),
            diversions=config.limits.diversions,
            uris=config.sign.uris,
            limits=policies.passport_limits(config),
        ),
        verification=VerificationService(
            repository=prefetcher,
            anchors=anchors,
            replays=replays or stores.replay_store(config),
            policy=policies.verification_policy(config),
        ),
    )
    return Runtime(config, mail_filter, store, prefetcher, anchors)


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
