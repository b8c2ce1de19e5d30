"""What one place has served of revocation lists, and whose signatures were good."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final

from cryptography import x509

from stirmilter.errors import FetchError
from stirmilter.stir.revocation import RevocationList

_SIGNERS: Final = (
    4  # whose lists one place may have in use: one, and more at a rollover
)


@dataclass(slots=True)
class Kept:
    """What one place has served, and when to look again."""

    latest: RevocationList
    """As it came last; whoever may sign has signed it only if it is in `proved`."""

    due: float
    mark: object = None
    """Of a file: what changes when the file does."""

    proved: dict[x509.Certificate, RevocationList] = field(default_factory=dict)
    """By signer, the last list that was found to be signed by one who may."""

    @property
    def lists(self) -> tuple[RevocationList, ...]:
        """All that may speak, the newest first, each once."""
        found = {id(one): one for one in (self.latest, *self.proved.values())}
        return tuple(found.values())

    @property
    def trusted(self) -> tuple[RevocationList, ...]:
        """Those that were proved; before any was, the one that there is."""
        return tuple(self.proved.values()) or (self.latest,)

    @property
    def strange(self) -> bool:
        """Whether the last to come is by nobody whose list was proved here."""
        return bool(self.proved) and not any(
            one is self.latest for one in self.proved.values()
        )

    @property
    def entries(self) -> int:
        """How many certificates they name together."""
        return sum(one.entries for one in self.lists)

    def after(self, old: Kept, now: float, *, file: bool) -> Kept:
        """Return this with what was proved before; an heir takes the place of his own.

        Raises:
            FetchError: it is older than what the same signer has given, as caches may
                serve it. The operator may put an older file in place.
        """
        proved = dict(old.proved)
        for signer, listed in old.proved.items():
            if self.latest.signed_by(signer):
                if not file:
                    _check_newer(listed, self.latest, now)
                proved[signer] = self.latest
        return replace(self, proved=proved)

    def same_as(self, old: Kept) -> bool:
        """Tell whether what came is what was there, signature and all."""
        one, other = self.latest, old.latest
        return (one.digest, one.signature, one.helpers) == (
            other.digest,
            other.signature,
            other.helpers,
        )

    def prove(self, signer: x509.Certificate, now: float) -> None:
        """Note that one who may has signed what came last.

        What has ended gives way. Of what has not, nothing is forgotten: with as many
        signers as may be, the next one's lists are not kept in this way.
        """
        proved = {
            one: old
            for one, old in self.proved.items()
            if old is self.latest or old.next_update.timestamp() >= now
        }
        if len(proved) < _SIGNERS:
            self.proved = {**proved, signer: self.latest}


def _check_newer(old: RevocationList, new: RevocationList, now: float) -> None:
    """Refuse a list that was made before the one that we have, as caches may serve."""
    if new.this_update < old.this_update and old.this_update.timestamp() <= now:
        raise FetchError("an older list than the one that is known")
