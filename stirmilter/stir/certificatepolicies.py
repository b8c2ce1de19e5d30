"""Under which policies a certificate was issued (RFC 5280 §6.1.3 (d) to (f)).

A policy is an authority's word about how carefully it looks at whom it certifies. One
that only the leaf names is nobody's word: whoever issued it may have had another.

Deviation: CA certificates that map policies, or restrict them for those below, are not
followed. `hazmat` refuses such an extension where it is critical, as it must be but
for a mapping (§4.2.1.5, §4.2.1.11, §4.2.1.14); here it is refused in any case. Who asks
for no policy does not come here, and is then free to ignore what is not critical.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from cryptography import x509

from stirmilter.stir.result import Reason, Unverified

ANY: Final = "2.5.29.32.0"
"""The OID of anyPolicy: all that the certificate above has."""

_UNFOLLOWED: Final = {
    x509.ObjectIdentifier("2.5.29.33"): "policyMappings",
    x509.ObjectIdentifier("2.5.29.36"): "policyConstraints",
    x509.ObjectIdentifier("2.5.29.54"): "inhibitAnyPolicy",
}


def along(path: Sequence[x509.Certificate]) -> frozenset[str]:
    """Return the OIDs of the policies that a whole path has; with `ANY`, all.

    Args:
        path: leaf first. The last one is the anchor, which may have any policy, as
            RFC 5280 §6.1.1 (d) has it; one that is the leaf as well is looked at.

    Raises:
        Unverified: `Reason.CREDENTIAL_UNTRUSTED`; an authority maps or restricts them.
    """
    valid = frozenset({ANY})
    for certificate in reversed(path[:-1] or path):
        named = _named(certificate)
        kept = named if ANY in valid else named & valid
        valid = (kept | valid) if ANY in named else kept
    for certificate in path[1:-1]:
        for extension in certificate.extensions:
            if extension.oid in _UNFOLLOWED:
                raise Unverified(
                    Reason.CREDENTIAL_UNTRUSTED,
                    f"a CA certificate with {_UNFOLLOWED[extension.oid]},"
                    " which is not followed",
                    "RFC 5280 §6.1.4",
                )
    return valid


def _named(certificate: x509.Certificate) -> frozenset[str]:
    try:
        found = certificate.extensions.get_extension_for_class(x509.CertificatePolicies)
    except x509.ExtensionNotFound:
        return frozenset()
    return frozenset(one.policy_identifier.dotted_string for one in found.value)
