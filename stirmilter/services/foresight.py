"""What verification will need, told from the header while the body is still to come.

Everything here is a guess that only costs time when it is wrong: `verification` judges
again, with the body. What a message cannot have fetched there it cannot have here: a
token that does not fit the message names nothing worth fetching (V-21).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from stirmilter.services.message import Message
from stirmilter.services.policy import VerificationPolicy
from stirmilter.stir import claims, diversion
from stirmilter.stir.passport import Passport
from stirmilter.stir.result import Unverified


@dataclass(frozen=True, slots=True)
class Needs:
    """What to prepare before `verify` is asked."""

    algorithms: frozenset[str] = frozenset()
    """Digests of the body, as RFC 9475 spells their names."""

    urls: tuple[str, ...] = ()
    """Different x5u whose chains will be wanted, at most `VerificationPolicy.x5u`."""


def algorithms(tokens: Iterable[Passport]) -> frozenset[str]:
    """Name the digests that tokens bind a body with."""
    found = (token.claims.msgi for token in tokens)
    return frozenset(digest.algorithm for digest in found if digest is not None)


def urls(
    tokens: Sequence[Passport],
    diversions: Sequence[Passport],
    message: Message,
    now: datetime,
    policy: VerificationPolicy,
) -> tuple[str, ...]:
    """List the x5u of tokens that fit, and of diversions that take them further.

    Args:
        tokens: all that could be read.
        diversions: those of type ``div`` that policy lets count.
        message: without its body.
        now: aware time.
        policy: what is believed, and how many x5u a message may have fetched.
    """
    found: dict[str, None] = {}
    further: dict[str, None] = {}
    for token in tokens:
        content = token.claims
        if content.div is not None:
            continue
        named = diversion.reach(content, diversions, policy.diversions)
        if not _fits(token, named, message, now, policy):
            continue
        found[token.x5u] = None
        if not content.named >= message.dest | message.shown:
            further |= {
                other.x5u: None
                for other in diversions
                if diversion.continues(other.claims, content, named)
            }
    return tuple(found | further)[: policy.x5u]


def _fits(
    token: Passport,
    named: frozenset[str],
    message: Message,
    now: datetime,
    policy: VerificationPolicy,
) -> bool:
    """Tell whether a token may be good for this message, or will be when it is here."""
    if token.claims.orig.value != message.orig or named.isdisjoint(message.dest):
        return False
    if message.expires is not None and now > message.expires:
        return False
    # What is from the near future may be of age when the body has come.
    ahead = max(policy.skew, policy.freshness)
    try:
        claims.check_freshness(token.claims, now, policy.freshness, ahead)
    except Unverified:
        return False
    return True
