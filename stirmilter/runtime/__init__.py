"""From values to wired objects: the one place where everything is put together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from threading import BoundedSemaphore

from stirmilter import log
from stirmilter.config import Config
from stirmilter.errors import StoreError
from stirmilter.mail.filter import MailFilter
from stirmilter.runtime import actions, checks, policies, signers, stores, trust
from stirmilter.runtime.watched import Cache, Claims
from stirmilter.services import (
    AuthenticationService,
    FormerKey,
    ReplayStore,
    Signer,
    TrustSet,
    VerificationPolicy,
    VerificationService,
)
from stirmilter.stir.credential import TrustAnchors
from stirmilter.stores.certificates import CertificateStore
from stirmilter.stores.crl import RevocationStore
from stirmilter.stores.fetch import ANY, Fetcher
from stirmilter.stores.prefetch import Prefetcher
from stirmilter.stores.replay import SqliteReplayStore


@dataclass(frozen=True, slots=True)
class Runtime:
    """Everything a worker needs, built and checked before the first message."""

    config: Config
    filter: MailFilter
    certificates: CertificateStore
    prefetcher: Prefetcher
    """What the filter has its chains from."""

    anchors: TrustAnchors
    """Those of all sets."""

    fetcher: Fetcher
    trust: tuple[TrustSet, ...]
    revocations: RevocationStore
    claims: Claims = field(default_factory=Claims)
    """What tells of the questions to the replay store."""

    caches: Mapping[str, Sequence[Cache]] = field(default_factory=dict)
    """What it remembers, by name."""

    @property
    def signers(self) -> tuple[Signer, ...]:
        """Whom it signs for, and with what."""
        return self.filter.authentication.signers

    def rest(self) -> None:
        """Leave what is kept in order, when nobody uses it any more."""
        store = self.filter.verification.replays.store
        if isinstance(store, SqliteReplayStore):
            try:
                store.rest()
            except StoreError as error:
                log.trouble(str(error))

    def using(self, signers: Iterable[Signer], former: Iterable[FormerKey]) -> Runtime:
        """Return the same with other signers."""
        authentication = self.filter.authentication.using(signers, former)
        return replace(self, filter=self.filter.using(authentication))


def build(config: Config, replays: ReplayStore | None = None) -> Runtime:
    """Wire a configuration.

    Args:
        config: as loaded.
        replays: a store to use instead of the configured one, by whoever judges by
            hand: then nothing is shared with the daemon, whose files are not theirs.

    Raises:
        ConfigError: a file cannot be used, with the dotted path that names it.
    """
    sets = trust.trust_sets(config)
    fetcher = stores.fetcher(config)
    shared = replays is None
    tier = stores.tier(config) if shared else None
    documents = stores.document_store(config, fetcher, tier)
    lists = stores.document_store(config, fetcher, tier, schemes=ANY)
    places = BoundedSemaphore(config.revocation.waiting)
    revocations = trust.revocation_store(config, sets, fetcher, lists, places)
    store = stores.certificate_store(config, documents, sets)
    prefetcher = Prefetcher(store, config.fetch.waiting)
    replays = replays or stores.replay_store(config)
    revocation = trust.revocation_service(config, revocations)
    references = trust.references(config, documents, places)
    again = stores.again(config, store)

    claims = Claims()

    def verification(
        anchors: Sequence[TrustSet], policy: VerificationPolicy
    ) -> VerificationService:
        return VerificationService(
            repository=prefetcher,
            anchors=anchors,
            replays=replays,
            policy=policy,
            revocation=revocation,
            references=references,
            again=again,
            trouble=log.degraded,
            claimed=claims,
        )

    believed = policies.verification_policy(config)
    mail_policy = policies.mail_policy(config)
    dns = checks.name_servers(config) if config.checks.methods else None
    mail_filter = MailFilter(
        policy=mail_policy,
        authentication=AuthenticationService(
            [signers.signer(config, i, fetcher) for i in range(len(config.signer))],
            algorithm=config.sign.digest,
            freshness=timedelta(seconds=config.verify.freshness),
            diversions=config.limits.diversions,
            uris=config.sign.uris,
            limits=policies.passport_limits(config),
        ),
        verification=verification(actions.general(config, sets), believed),
        peers={
            name: verification(anchors, policy)
            for name, anchors, policy in actions.peer_policies(config, sets, believed)
        },
        checks=checks.checks(config, mail_policy.actions, dns),
        dkim=checks.dkim_signer(config),
    )
    anchors = [one for trusted in sets for one in trusted.anchors.certificates]
    return Runtime(
        config,
        mail_filter,
        store,
        prefetcher,
        TrustAnchors(anchors),
        fetcher,
        tuple(sets),
        revocations,
        claims,
        {
            "documents": [documents],
            "chains": [store],
            "paths": [one.credentials for one in mail_filter.verifying],
            **({"dns": [dns.memory]} if dns else {}),
        },
    )
