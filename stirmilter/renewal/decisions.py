"""What to sign with, from what is configured, what was proven, and the time."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from stirmilter.services import FormerKey, Signer
from stirmilter.stores.proofs import QUEUED, Proof, recent

Published = tuple[str, str]
"""What is proven: a URL, and the digest of the chain that it serves."""


def published(signer: Signer) -> Published:
    """Return what has to be proven of a signer."""
    return signer.x5u, signer.chain_digest


def choose(
    candidates: Iterable[Signer],
    previous: Iterable[Signer],
    proven: Collection[Published],
) -> tuple[Signer, ...]:
    """Return the signers to use: new ones where proven, else those before.

    Who it signs for is the operator's to say and needs no proof: a signer that stays
    takes its numbers and domains from the new configuration.

    Args:
        candidates: as the configuration has them now.
        previous: what is used until now.
        proven: URLs that were seen to serve these chains.
    """
    before = {one.name: one for one in previous if one.proven}
    return tuple(_choose(one, before.get(one.name), proven) for one in candidates)


def _choose(
    candidate: Signer, previous: Signer | None, proven: Collection[Published]
) -> Signer:
    if published(candidate) in proven:
        return replace(candidate, proven=True)
    if previous is not None:
        return replace(previous, numbers=candidate.numbers, domains=candidate.domains)
    return replace(candidate, proven=False)


def account(
    proofs: Iterable[Proof],
    signers: Iterable[Signer],
    now: datetime,
    freshness: timedelta,
) -> tuple[Proof, ...]:
    """Note which proofs are in use, and since when the others are not.

    They are forgotten when no mail that was signed under them can be on its way.
    """
    used = {published(one): one.name for one in signers if one.proven}
    found = []
    for proof in proofs:
        name = used.get((proof.x5u, proof.chain))
        if name is not None:
            found.append(replace(proof, name=name, retired=None))
        else:
            found.append(replace(proof, retired=proof.retired or now))
    return recent(found, now - QUEUED - freshness)


def former(
    proofs: Iterable[Proof], now: datetime, freshness: timedelta
) -> tuple[FormerKey, ...]:
    """Return the keys whose tokens may still be fresh (H-10)."""
    return tuple(
        FormerKey(proof.x5u, proof.public_key, proof.retired + freshness)
        for proof in proofs
        if proof.retired is not None and now <= proof.retired + freshness
    )


def reminder(until: datetime, now: datetime, days: Iterable[int]) -> str:
    """Name the stage of an expiry, for one message each; empty while it is far.

    Returns:
        The threshold that was passed last, as ``7 days``, or ``expired`` with the date:
        that message is repeated daily.
    """
    if now > until:
        return f"expired {now:%Y-%m-%d}"
    passed = [day for day in days if until - now <= timedelta(days=day)]
    if not passed:
        return ""
    return f"{min(passed)} days" if min(passed) > 1 else "1 day"
