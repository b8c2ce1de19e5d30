"""``div``: how a message reached somebody it was not sent to (RFC 8946).

Whoever forwards a message keeps its token and adds one of type ``div``: the same
``orig`` and ``iat``, in ``div`` one of the recipients named so far, in ``dest`` the new
ones, signed with a certificate for the number in ``div``. Tokens chain; a ``msg`` token
is the innermost of every chain that means anything here, and only it binds the body.

These functions follow the claims and believe every signature: they tell what is worth
checking, before anything is fetched. `services` checks it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from stirmilter.stir.claims import Claims, Identity
from stirmilter.stir.passport import Passport


def continues(diversion: Claims, innermost: Claims, named: Iterable[Identity]) -> bool:
    """Tell whether a ``div`` token takes a message on from one of `named`.

    Source: RFC 8946 §4.2: ``orig`` is the same all the way, and ``div`` was a ``dest``.
    """
    return diversion.orig == innermost.orig and diversion.div in set(named)


def reach(
    innermost: Claims, diversions: Iterable[Passport], steps: int
) -> set[Identity]:
    """Return everybody whom the tokens, if all are good, say the message is for.

    Args:
        innermost: the claims of the ``msg`` token.
        diversions: the ``div`` tokens beside it, in any order.
        steps: greatest length of a chain; a loop ends there at the latest.
    """
    named = set(innermost.dest)
    left = [token.claims for token in diversions]
    for _ in range(steps):
        taken = [claims for claims in left if continues(claims, innermost, named)]
        if not taken:
            break
        left = [claims for claims in left if claims not in taken]
        named.update(entry for claims in taken for entry in claims.dest)
    return named


def last(
    innermost: Claims, diversions: Sequence[Passport], steps: int
) -> set[Identity]:
    """Return those in `reach` from whom nothing was diverted yet."""
    named = reach(innermost, diversions, steps)
    onward = {token.claims.div for token in diversions}
    return {entry for entry in named if entry not in onward}
