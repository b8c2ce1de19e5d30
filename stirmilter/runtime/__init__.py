"""From values to wired objects: the one place where everything is put together."""

from __future__ import annotations

import grp
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import timedelta

from stirmilter.config import Config
from stirmilter.errors import ConfigError
from stirmilter.mail.filter import MailFilter
from stirmilter.runtime import policies, signers, stores, trust
from stirmilter.services import (
    AuthenticationService,
    FormerKey,
    ReplayStore,
    Signer,
    VerificationService,
)
from stirmilter.stir.credential import TrustAnchors
from stirmilter.stores.certificates import CertificateStore
from stirmilter.stores.fetch import Fetcher


@dataclass(frozen=True, slots=True)
class Runtime:
    """Everything a worker needs, built and checked before the first message."""

    config: Config
    filter: MailFilter
    certificates: CertificateStore
    anchors: TrustAnchors
    fetcher: Fetcher

    @property
    def signers(self) -> tuple[Signer, ...]:
        """Whom it signs for, and with what."""
        return self.filter.authentication.signers

    def using(self, signers: Iterable[Signer], former: Iterable[FormerKey]) -> Runtime:
        """Return the same with other signers."""
        changed = MailFilter(
            policy=self.filter.policy,
            authentication=self.filter.authentication.using(signers, former),
            verification=self.filter.verification,
            clock=self.filter.clock,
        )
        return replace(self, filter=changed)


def build(config: Config, replays: ReplayStore | None = None) -> Runtime:
    """Wire a configuration.

    Args:
        config: as loaded.
        replays: a store to use instead of the configured one.

    Raises:
        ConfigError: a file cannot be used, with the dotted path that names it.
    """
    anchors = TrustAnchors(trust.anchors(config))
    fetcher = stores.fetcher(config)
    store = stores.certificate_store(config, fetcher)
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
            repository=store,
            anchors=anchors,
            replays=replays or stores.replay_store(config),
            policy=policies.verification_policy(config),
        ),
    )
    return Runtime(config, mail_filter, store, anchors, fetcher)


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
