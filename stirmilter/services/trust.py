"""Whom an operator trusts, for which numbers: several sets of anchors, one by one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from cryptography import x509

from stirmilter.stir import certificatepolicies
from stirmilter.stir.credential import TrustAnchors
from stirmilter.stir.result import Reason, Unverified
from stirmilter.stir.tn import NumberSet

DEFAULT: Final = "default"
"""Name of the set that is configured without one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustSet:
    """Anchors that belong together: those of one country's administrator, say."""

    anchors: TrustAnchors
    name: str = DEFAULT
    numbers: NumberSet | None = None
    """Which numbers it may vouch for; None is any number, and URIs."""

    policies: frozenset[str] = frozenset()
    """OIDs of certificate policies, of which a whole path must have one; empty is any.

    That is, each certificate below the anchor must (RFC 5280 §6.1.3 (d) to (f)).
    """

    crl_issuers: TrustAnchors = field(default_factory=lambda: TrustAnchors(()))
    """Who may sign indirect revocation lists: they themselves, or their roots."""

    crls: tuple[str, ...] = ()
    """Revocation lists that count for each certificate below, named by it or not."""

    def check_policy(self, path: Sequence[x509.Certificate]) -> None:
        """Refuse a path of other policies than are wanted (RFC 5280 §6.1.3).

        Args:
            path: leaf first, anchor last.

        Raises:
            Unverified: `Reason.CREDENTIAL_UNTRUSTED`.
        """
        if not self.policies:
            return
        found = certificatepolicies.along(path)
        if certificatepolicies.ANY not in found and self.policies.isdisjoint(found):
            raise Unverified(
                Reason.CREDENTIAL_UNTRUSTED,
                f"no certificate policy that trust set {self.name} asks for",
                "RFC 5280 §6.1.3",
            )

    def vouches_for(self, identity: str) -> bool:
        """Tell whether a canonical number, or URI, is this set's business."""
        return self.numbers is None or identity in self.numbers
