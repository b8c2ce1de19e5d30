"""Whom an operator trusts, for which numbers: several sets of anchors, one by one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from cryptography import x509

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
    """OIDs of certificate policies, of which a leaf must have one; empty is any."""

    crl_issuers: TrustAnchors = field(default_factory=lambda: TrustAnchors(()))
    """Who may sign indirect revocation lists: they themselves, or their roots."""

    crls: tuple[str, ...] = ()
    """Revocation lists that count for each certificate below, named by it or not."""

    def check_policy(self, leaf: x509.Certificate) -> None:
        """Refuse a leaf of another policy than is wanted (RFC 5280 §4.2.1.4).

        Raises:
            Unverified: `Reason.CREDENTIAL_UNTRUSTED`.
        """
        if self.policies and self.policies.isdisjoint(_policies(leaf)):
            raise Unverified(
                Reason.CREDENTIAL_UNTRUSTED,
                f"no certificate policy that trust set {self.name} asks for",
                "RFC 5280 §4.2.1.4",
            )

    def vouches_for(self, identity: str) -> bool:
        """Tell whether a canonical number, or URI, is this set's business."""
        return self.numbers is None or identity in self.numbers


def _policies(certificate: x509.Certificate) -> Iterable[str]:
    try:
        found = certificate.extensions.get_extension_for_class(x509.CertificatePolicies)
    except x509.ExtensionNotFound:
        return ()
    return [policy.policy_identifier.dotted_string for policy in found.value]
