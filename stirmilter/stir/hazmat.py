"""The only file that touches cryptography's unstable interfaces.

`cryptography.hazmat.asn1` and `cryptography.x509.verification` stand outside that
project's compatibility policy, so pyproject.toml sets an upper bound and everything
they give us passes through here: strict DER for three extensions, and RFC 5280 path
validation under rules for STIR certificates instead of the web's.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

from cryptography import x509
from cryptography.hazmat import asn1
from cryptography.x509 import verification

TN_AUTH_LIST = x509.ObjectIdentifier("1.3.6.1.5.5.7.1.26")  # RFC 8226 §9
TN_AUTH_LIST_REFERENCE = x509.ObjectIdentifier("1.3.6.1.5.5.7.48.14")  # §10.1
CLAIM_CONSTRAINTS = x509.ObjectIdentifier("1.3.6.1.5.5.7.1.27")  # RFC 8226 §8
ENHANCED_CLAIM_CONSTRAINTS = x509.ObjectIdentifier("1.3.6.1.5.5.7.1.33")  # RFC 9118 §3


@asn1.sequence
class TelephoneNumberRange:
    """``TelephoneNumberRange``; its extension marker admits nothing yet."""

    start: asn1.IA5String
    count: int


TNEntry = (
    Annotated[asn1.Variant[asn1.IA5String, Literal["spc"]], asn1.Explicit(0)]
    | Annotated[asn1.Variant[TelephoneNumberRange, Literal["range"]], asn1.Explicit(1)]
    | Annotated[asn1.Variant[asn1.IA5String, Literal["one"]], asn1.Explicit(2)]
)


@asn1.sequence
class _Wrapped:
    """A SEQUENCE OF cannot stand alone in this decoder: it is wrapped in one more."""

    entries: Annotated[list[TNEntry], asn1.Size(1, None)]


@asn1.sequence
class JWTClaimValues:
    """``JWTClaimValues``: the values that one claim may take."""

    claim: asn1.IA5String
    values: Annotated[list[str], asn1.Size(1, None)]


@asn1.sequence
class EnhancedJWTClaimConstraints:
    """Both constraint extensions: RFC 8226 defines the first two members only."""

    must_include: Annotated[list[asn1.IA5String] | None, asn1.Explicit(0)]
    permitted_values: Annotated[list[JWTClaimValues] | None, asn1.Explicit(1)]
    must_exclude: Annotated[list[asn1.IA5String] | None, asn1.Explicit(2)]


def decode_tn_auth_list(der: bytes) -> list[tuple[str, str, int]]:
    """Return ``(kind, text, count)`` for each TNEntry: ``spc``, ``range`` or ``one``.

    Raises:
        ValueError: not strict DER of a TNAuthorizationList.
    """
    wrapped = asn1.decode_der(_Wrapped, b"\x30" + _length(len(der)) + der)
    entries = []
    for entry in wrapped.entries:
        if isinstance(entry.value, TelephoneNumberRange):
            start = entry.value.start.as_str()
            entries.append((entry.tag, start, entry.value.count))
        else:
            entries.append((entry.tag, entry.value.as_str(), 1))
    return entries


def encode_tn_auth_list(entries: Sequence[tuple[str, str, int]]) -> bytes:
    """Write what `decode_tn_auth_list` reads."""
    variants: list[Any] = [
        asn1.Variant(
            TelephoneNumberRange(start=asn1.IA5String(text), count=count)
            if kind == "range"
            else asn1.IA5String(text),
            kind,
        )
        for kind, text, count in entries
    ]
    wrapped = asn1.encode_der(_Wrapped(entries=variants))
    first = wrapped[1]  # strip the wrapper again
    return wrapped[2 + (first & 0x7F if first & 0x80 else 0) :]


def decode_claim_constraints(der: bytes) -> EnhancedJWTClaimConstraints:
    """Decode either constraint extension.

    Raises:
        ValueError: not strict DER of an EnhancedJWTClaimConstraints.
    """
    return asn1.decode_der(EnhancedJWTClaimConstraints, der)


def extension(
    certificate: x509.Certificate, oid: x509.ObjectIdentifier
) -> bytes | None:
    """Return the DER inside one of our extensions, critical or not, or None."""
    for candidate in certificate.extensions:
        if candidate.oid == oid and isinstance(
            candidate.value, x509.UnrecognizedExtension
        ):
            return candidate.value.value
    return None


class TrustAnchors:
    """The root certificates an operator trusts for STIR; never the web's."""

    def __init__(self, certificates: Sequence[x509.Certificate]) -> None:
        self.certificates = tuple(certificates)
        self._store = (
            verification.Store(list(self.certificates)) if self.certificates else None
        )

    def issuers_of(self, certificate: x509.Certificate) -> list[x509.Certificate]:
        """Return the anchors that bear the name of a certificate's issuer."""
        return [one for one in self.certificates if one.subject == certificate.issuer]

    def path(
        self, chain: Sequence[x509.Certificate], at: datetime, depth: int
    ) -> list[x509.Certificate]:
        """Build and validate a path from ``chain[0]`` to an anchor (RFC 5280 §6).

        Args:
            chain: the leaf, then any certificates that may help.
            at: the time at which every certificate of the path must be valid.
            depth: greatest number of certificates below the anchor.

        Returns:
            The path, leaf first, anchor last.

        Raises:
            ValueError: there is no such path; the text says why.
        """
        if self._store is None:
            raise ValueError("no trust anchor is configured")
        verifier = (
            verification.PolicyBuilder()
            .store(self._store)
            .time(at)
            .max_chain_depth(depth - 1)
            .extension_policies(ca_policy=_CA, ee_policy=_END_ENTITY)
            .build_client_verifier()
        )
        try:
            return verifier.verify(chain[0], list(chain[1:])).chain
        except verification.VerificationError as error:
            # What ours has refused says so itself.
            said = str(error).replace(_OF_OURS, "").replace(_NOBODY, _NO_ISSUER)
            raise ValueError(said) from None


class _TNAuthListExtension(x509.ExtensionType):
    oid = TN_AUTH_LIST


class _ClaimConstraintsExtension(x509.ExtensionType):
    oid = CLAIM_CONSTRAINTS


class _EnhancedClaimConstraintsExtension(x509.ExtensionType):
    oid = ENHANCED_CLAIM_CONSTRAINTS


def _must_sign_certificates(
    _policy: verification.Policy,
    _certificate: x509.Certificate,
    usage: x509.KeyUsage | None,
) -> None:
    if usage is not None and not usage.key_cert_sign:
        raise ValueError("the key usage of a CA certificate lacks keyCertSign")


def _must_not_limit_directory_names(
    _policy: verification.Policy,
    _certificate: x509.Certificate,
    constraints: x509.NameConstraints | None,
) -> None:
    """Refuse what the library passes over (RFC 5280 §4.2.1.10).

    It holds host names, addresses and mailboxes to their constraints, and refuses other
    names that are constrained; but the subject, a directory name, it does not look at.
    """
    if constraints is None:
        return
    trees = constraints.permitted_subtrees, constraints.excluded_subtrees
    for names in trees:
        if any(isinstance(name, x509.DirectoryName) for name in names or ()):
            raise ValueError("a CA certificate limits directory names: not supported")


_ANY = verification.Criticality.AGNOSTIC


def _known(policy: verification.ExtensionPolicy) -> verification.ExtensionPolicy:
    """Let the extensions that we understand be critical; others then fail the path.

    Certificate policies are understood: `certificatepolicies` reads them for those who
    ask for one. What maps or restricts them is not, and fails the path where critical.
    """
    for kind in (
        _TNAuthListExtension,
        _ClaimConstraintsExtension,
        _EnhancedClaimConstraintsExtension,
        x509.CertificatePolicies,
    ):
        policy = policy.may_be_present(kind, _ANY, None)
    return policy


_END_ENTITY = _known(verification.ExtensionPolicy.permit_all())
_CA = (
    _known(verification.ExtensionPolicy.permit_all())
    .require_present(x509.BasicConstraints, _ANY, None)
    .may_be_present(x509.KeyUsage, _ANY, _must_sign_certificates)
    .may_be_present(x509.NameConstraints, _ANY, _must_not_limit_directory_names)
)
_NOBODY = "candidates exhausted: all candidates exhausted with no interior errors"
_NO_ISSUER = "the chain lacks an issuer, or no anchor is above it"
_OF_OURS = "candidates exhausted: Python extension validator failed: ValueError: "


def _length(octets: int) -> bytes:
    """Write a DER length (X.690 §8.1.3)."""
    if octets < 0x80:  # noqa: PLR2004 - the short form ends here
        return bytes([octets])
    digits = octets.to_bytes((octets.bit_length() + 7) // 8, "big")
    return bytes([0x80 | len(digits)]) + digits
