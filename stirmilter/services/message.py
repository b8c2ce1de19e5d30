"""What both services look at, and the ports to what remembers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from cryptography import x509

from stirmilter.stir import identity, passport
from stirmilter.stir.identity import IdentityValue
from stirmilter.stir.msgi import BodyDigests
from stirmilter.stir.passport import Limits, Passport
from stirmilter.stir.remembering import remembered


class CertificateRepository(Protocol):
    """Where chains come from; `stores.certificates` is one over https."""

    def chain(self, x5u: str) -> tuple[x509.Certificate, ...]:
        """Return the chain published at a URL, signer first.

        Raises:
            FetchError: it cannot be had, now or a moment ago.
            Unverified: what is there is no chain.
        """
        ...


class ReplayStore(Protocol):
    """Who used a key first; `stores.replay` has several."""

    @property
    def remote(self) -> bool:
        """Whether each question is for somebody beyond this machine."""
        ...

    def claim(
        self,
        keys: Sequence[bytes],
        holder: bytes,
        signed_at: datetime,
        now: datetime,
        *,
        keep: bool = True,
    ) -> bool:
        """Record `holder` for all keys, unless another one is recorded for any.

        One atomic step, however many threads, processes and machines share the store;
        one that returns False has recorded nothing. Without `keep` it says what it
        would, and records nothing either.

        Args:
            keys: 16 octets each.
            holder: 16 octets; a second claim by the same one is granted as well.
            signed_at: of the token. The store keeps the keys for as long after it as
                the policy calls a token fresh, at least.
            now: aware time.
            keep: False for a message that is not let through, whatever is said here.

        Raises:
            StoreError: it cannot answer.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What a PASSporT is held against, or made from.

    Identities are canonical telephone numbers (`stir.tn`) or canonical URIs
    (`stir.uri`), as text: only the latter hold a colon.
    """

    orig: str | None
    """Identity of the originator; None when the message names no single one."""

    dest: frozenset[str]
    """Identities of the recipients: of those it is delivered to, to verify; of those it
    shows, to sign."""

    body: BodyDigests

    shown: frozenset[str] = frozenset()
    """To verify: identities that the message shows as its recipients. Some MMSCs
    deliver to those, whatever the envelope said."""

    others: int = 0
    """Recipients without an identity that a token could name."""

    dialled: tuple[str, ...] = ()
    """To verify: what the message shows among its recipients as it is dialled, in the
    characters ``0-9 # * +``. What means nobody whom the token names is one of
    `others`."""

    delivery: str = ""
    """What a retry of this delivery repeats and a replay does not: the replay store
    keeps a digest of it beside the key."""

    date: datetime | None = None
    """When the message says it was written; compared with ``iat``, never believed."""

    expires: datetime | None = None
    """When the originator stops caring; the token is stale from then on."""


@remembered(4_096, entries=100)
def read_value(value: str, limits: Limits) -> tuple[Passport, IdentityValue]:
    """Read a header value: its token, and the parameters that should mirror it.

    A message's values are read twice: with its header, to fetch what they name, and at
    its end. So the last few good ones are remembered.

    Raises:
        Unverified: what `identity.parse` or `passport.parse` found.
    """
    # Folds and parameters may take as much room again as the token.
    parsed = identity.parse(value, 2 * limits.token)
    return passport.parse(parsed.token, limits), parsed
