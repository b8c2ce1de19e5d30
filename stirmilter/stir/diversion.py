"""``div``: how a message reached somebody it was not sent to (RFC 8946).

Whoever forwards a message keeps its token and adds one of type ``div``: the same
``orig`` and ``iat``, in ``div`` one of the recipients named so far, in ``dest`` the new
ones, signed with a certificate for the number in ``div``. Tokens chain; a ``msg`` token
is the innermost of every chain that means anything here, and only it binds the body.

These functions follow the claims and believe every signature: they tell what is worth
checking, before anything is fetched. `services` checks it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from collections.abc import Set as AbstractSet

from stirmilter.stir.claims import Claims
from stirmilter.stir.passport import Passport


def continues(diversion: Claims, innermost: Claims, named: AbstractSet[str]) -> bool:
    """Tell whether a ``div`` token takes a message on from one of `named`.

    Source: RFC 8946 §4.2: ``orig`` is the same all the way, and ``div`` was a ``dest``.
    ``iat``, which a diverter SHOULD keep (§4.1), must be the same here: it alone binds
    the diversion to one message, and without it whoever saw one could send any other
    message of the same two parties the same way.
    """
    return (
        diversion.div is not None
        and diversion.div.value in named
        and diversion.orig == innermost.orig
        and diversion.iat == innermost.iat
    )


def reach(
    innermost: Claims, diversions: Collection[Passport], steps: int
) -> frozenset[str]:
    """Return everybody whom the tokens, if all are good, say the message is for.

    Args:
        innermost: the claims of the ``msg`` token.
        diversions: the ``div`` tokens beside it, in any order.
        steps: greatest length of a chain; a loop ends there at the latest.
    """
    named = innermost.named
    for _ in range(steps):
        further = named.union(
            *(
                token.claims.named
                for token in diversions
                if continues(token.claims, innermost, named)
            )
        )
        if further == named:
            break
        named = further
    return named


def last(
    innermost: Claims, diversions: Sequence[Passport], steps: int
) -> frozenset[str]:
    """Return those in `reach` from whom nothing was diverted yet."""
    named = reach(innermost, diversions, steps)
    onward = {
        token.claims.div.value
        for token in diversions
        if token.claims.div and continues(token.claims, innermost, named)
    }
    return named - onward
