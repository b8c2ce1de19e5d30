"""Credentials: certificate chains, from octets to the right to speak for a number.

Sources: RFC 8226, RFC 9060 (chains and delegates), RFC 5280 (paths), and for the
profile of end-entity certificates ATIS-1000080: P-256, digitalSignature, not a CA.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Final, TypeVar

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from stirmilter import events
from stirmilter.stir import delegation, hazmat, jws, uri
from stirmilter.stir.claimconstraints import ClaimConstraints
from stirmilter.stir.delegation import NO_LISTS, Lists, references
from stirmilter.stir.hazmat import TrustAnchors
from stirmilter.stir.result import Authority, Reason, Unverified
from stirmilter.stir.tnauthlist import TNAuthList

__all__ = [
    "Credential",
    "TrustAnchors",
    "assemble",
    "find_path",
    "load_chain",
    "read",
    "references",
    "validate",
]

CERTIFICATES: Final = 6
"""Default for the longest chain that is read, anchor not counted, and so of a path."""

# Which RSA keys of authorities we verify with is a matter of algorithms, as P-256 for
# signers is: none is known to have another, and a longer one would only cost us time.
_RSA_BITS: Final = 4096
_RSA_EXPONENT: Final = 65_537
_PEM: Final = b"-----BEGIN CERTIFICATE-----"

Kind = TypeVar("Kind", bound=x509.ExtensionType)


@dataclass(frozen=True)
class Credential:
    """An end-entity certificate that may sign PASSporTs, with the path above it.

    After `read` only its own form has been checked, and lists by reference that were
    not handed in are missing from its limits; after `validate` an anchor vouches for
    it. Neither says anything about revocation.
    """

    certificate: x509.Certificate
    path: tuple[x509.Certificate, ...]
    """Leaf first; the last one is the anchor after `validate`."""

    tn_auth_list: TNAuthList
    limits: tuple[TNAuthList, ...]
    """TNAuthLists of the CA certificates in the path (RFC 8226 §9)."""

    constraints: ClaimConstraints
    domains: frozenset[str] = frozenset()
    """Host names in the subjectAltName: who may vouch for a URI (RFC 5922 §7.2)."""

    @cached_property
    def public_key(self) -> ec.EllipticCurvePublicKey:
        """The P-256 key that PASSporT signatures are checked with."""
        key = self.certificate.public_key()
        assert isinstance(key, ec.EllipticCurvePublicKey)  # noqa: S101 - `read` saw to it
        return key

    def authority(self, identity: str) -> Authority:
        """Tell how the certificate covers a canonical number, or a canonical URI.

        A CA certificate with a TNAuthList limits every path through it (RFC 8226 §9);
        one that names a carrier may delegate any number (RFC 9060 §4.1). A URI is
        covered by its host's name in the subjectAltName, as in RFC 5922 §7.2: a
        TNAuthList says nothing about it.

        Raises:
            Unverified: `Reason.NOT_AUTHORIZED`; the certificate, or one above it, does
                not cover the identity.
        """
        if ":" in identity:
            if uri.domain(identity) in self.domains:
                return "domain"
            detail = "the certificate does not name the host of the URI"
            raise Unverified(Reason.NOT_AUTHORIZED, detail, "RFC 5922 §7.2")
        found = self.tn_auth_list.authority(identity)
        if found == "none":
            detail = "the certificate does not cover the number"
            raise Unverified(Reason.NOT_AUTHORIZED, detail, "RFC 8226 §9")
        if any(limit.authority(identity) == "none" for limit in self.limits):
            detail = "a certificate above does not cover the number"
            raise Unverified(Reason.NOT_AUTHORIZED, detail, "RFC 8226 §9")
        return found

    def carriers(self, number: str) -> tuple[str, ...]:
        """Return the codes of the carriers on whose word a number rests.

        Those of the first certificate in the path that names a carrier instead of the
        number; none if all of them that limit numbers name it.
        """
        for listed in (self.tn_auth_list, *self.limits):
            if listed.authority(number) == "spc":
                return listed.spcs
        return ()

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the certificate: evidence of what was believed (RFC 9475 §4)."""
        return self.certificate.fingerprint(SHA256()).hex()

    @cached_property
    def evidence(self) -> tuple[events.Certificate, ...]:
        """The path as octets, to be kept beside what it proved (RFC 9475 §4)."""
        return tuple(
            events.Certificate(
                certificate.fingerprint(SHA256()).hex(),
                certificate.public_bytes(Encoding.DER),
            )
            for certificate in self.path
        )

    @cached_property
    def validity(self) -> tuple[datetime, datetime]:
        """When the whole path is valid: from, until."""
        return (
            max(certificate.not_valid_before_utc for certificate in self.path),
            min(certificate.not_valid_after_utc for certificate in self.path),
        )

    def valid_at(self, at: datetime) -> bool:
        """Tell whether every certificate of the path is within its validity."""
        begin, end = self.validity
        return begin <= at <= end


def load_chain(
    octets: bytes, limit: int = CERTIFICATES
) -> tuple[x509.Certificate, ...]:
    """Read PEM certificates, signer first (RFC 9060 §7), or one DER certificate.

    Raises:
        Unverified: `Reason.CREDENTIAL_MALFORMED`.
    """
    try:
        if _PEM in octets:
            chain = x509.load_pem_x509_certificates(octets)
            if len(chain) != octets.count(_PEM):
                raise ValueError("the last one breaks off")
        else:
            chain = [x509.load_der_x509_certificate(octets)]
        for certificate in chain:
            _check_key(certificate.public_key())
            # Parsed lazily by the library; a fault here must not surface later.
            _ = certificate.extensions, certificate.version
            _ = certificate.subject, certificate.issuer
            _ = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    except Exception as error:  # noqa: BLE001 - see below
        # The parser meets a stranger's octets, and raises ValueError, its own
        # exceptions for versions, duplicates and algorithms, and others still.
        detail = f"not a certificate: {error}"
        raise Unverified(Reason.CREDENTIAL_MALFORMED, detail, "RFC 5280 §4") from None
    if len(chain) > limit:
        detail = f"{len(chain)} certificates, at most {limit}"
        raise Unverified(Reason.CREDENTIAL_MALFORMED, detail, "RFC 8725 §3")
    return tuple(chain)


def read(
    certificate: x509.Certificate,
    path: Sequence[x509.Certificate] = (),
    lists: Lists = NO_LISTS,
) -> Credential:
    """Check the form of an end-entity certificate and decode its extensions.

    Args:
        certificate: the signer's.
        path: leaf first; the certificate alone if it is empty.
        lists: the TNAuthLists that `references` named, by URL.

    Raises:
        Unverified: `Reason.CREDENTIAL_MALFORMED` for what cannot sign ES256 or be
            read, `Reason.CREDENTIAL_UNTRUSTED` for a certificate that must not sign
            PASSporTs (RFC 9060 §4), `Reason.NOT_AUTHORIZED` without a TNAuthList.
    """
    path = tuple(path) or (certificate,)
    if not jws.is_p256(certificate.public_key()):
        detail = "the key is not on P-256"
        raise Unverified(Reason.CREDENTIAL_MALFORMED, detail, "RFC 8226 §4")
    if is_ca(certificate):
        detail = "a CA certificate does not sign PASSporTs"
        raise Unverified(Reason.CREDENTIAL_UNTRUSTED, detail, "RFC 9060 §4")
    usage = _find(certificate, x509.KeyUsage)
    if usage is not None and not usage.digital_signature:
        detail = "the key usage lacks digitalSignature"
        raise Unverified(Reason.CREDENTIAL_UNTRUSTED, detail, "RFC 5280 §4.2.1.3")
    tn_auth_list, *limits = delegation.limits(path, lists)
    if tn_auth_list is None:
        raise Unverified(Reason.NOT_AUTHORIZED, *_no_list(certificate))
    return Credential(
        certificate,
        path,
        tn_auth_list,
        tuple(limit for limit in limits if limit is not None),
        ClaimConstraints.decode(
            hazmat.extension(certificate, hazmat.CLAIM_CONSTRAINTS),
            hazmat.extension(certificate, hazmat.ENHANCED_CLAIM_CONSTRAINTS),
        ),
        _domains(certificate),
    )


def validate(
    chain: Sequence[x509.Certificate],
    anchors: TrustAnchors,
    at: datetime,
    depth: int = CERTIFICATES,
) -> Credential:
    """Validate a chain to a configured anchor and read its leaf; nothing is fetched.

    So a path through a CA certificate whose TNAuthList is elsewhere is refused; who has
    the lists takes `find_path` and `assemble`.

    Raises:
        Unverified: what `find_path` and `assemble` raise.
    """
    return assemble(find_path(chain, anchors, at, depth), chain)


def assemble(
    path: Sequence[x509.Certificate],
    chain: Sequence[x509.Certificate],
    lists: Lists = NO_LISTS,
) -> Credential:
    """Read the leaf of a path that was validated, and hold the path to RFC 9060.

    Args:
        path: from `find_path`.
        chain: what it was found for.
        lists: the TNAuthLists that `references` named, by URL.

    Raises:
        Unverified: what `read` and `delegation.check` raise; then, if all that is at
            hand is good, `Reason.CREDENTIAL_UNAVAILABLE` for a list of a CA certificate
            that is not.
    """
    found = read(path[0], path, lists)
    delegation.check(path, chain, lists)
    delegation.check_fetched(path, lists)
    return found


def find_path(
    chain: Sequence[x509.Certificate],
    anchors: TrustAnchors,
    at: datetime,
    depth: int = CERTIFICATES,
) -> list[x509.Certificate]:
    """Find the path from the leaf of a chain to a configured anchor, both included.

    Source: RFC 8226 §4 and §7, RFC 5280 §6. RFC 9475 §4 wants `at` to be the time at
    which the message was signed: mail waits in queues longer than some certificates
    live.

    Raises:
        Unverified: `Reason.CREDENTIAL_EXPIRED` or `Reason.CREDENTIAL_UNTRUSTED`.
    """
    leaf = chain[0]
    if not _valid_at(leaf, at):
        raise Unverified(
            Reason.CREDENTIAL_EXPIRED,
            f"valid {leaf.not_valid_before_utc:%Y-%m-%dT%H:%MZ}"
            f" to {leaf.not_valid_after_utc:%Y-%m-%dT%H:%MZ}",
            "RFC 8224 §6.2 step 4",
        )
    above = _above(leaf, chain)
    try:
        return anchors.path([leaf, *above], at, depth)
    except ValueError as error:
        top = above[-1] if above else leaf
        used = (*above, *anchors.issuers_of(top))
        late = not all(_valid_at(certificate, at) for certificate in used)
        reason = Reason.CREDENTIAL_EXPIRED if late else Reason.CREDENTIAL_UNTRUSTED
        detail = f"no path to a trust anchor: {error}"
        raise Unverified(reason, detail, "RFC 5280 §6") from None


def _above(
    leaf: x509.Certificate, chain: Sequence[x509.Certificate]
) -> list[x509.Certificate]:
    """Pick the issuers out of a chain: one for each name, from the leaf upward.

    A chain is a line (RFC 9060 §7). Handed a heap of certificates of one name, a path
    builder would try them in every order, at a stranger's pleasure.
    """
    by_name: dict[x509.Name, x509.Certificate] = {}
    for certificate in chain[1:]:
        by_name.setdefault(certificate.subject, certificate)
    found: list[x509.Certificate] = []
    issuer = by_name.pop(leaf.issuer, None)
    while issuer is not None:
        found.append(issuer)
        issuer = by_name.pop(issuer.issuer, None)
    return found


def _check_key(key: object) -> None:
    """Refuse keys that make a signature cost more to check than it should.

    Raises:
        ValueError: neither elliptic curve, nor RSA of a usual size and exponent.
    """
    if isinstance(key, ec.EllipticCurvePublicKey):
        return
    if (
        isinstance(key, rsa.RSAPublicKey)
        and key.key_size <= _RSA_BITS
        and key.public_numbers().e <= _RSA_EXPONENT
    ):
        return
    raise ValueError("a kind of key that STIR certificates do not have")


def _no_list(certificate: x509.Certificate) -> tuple[str, str]:
    """Say why a certificate names no number."""
    access = _find(certificate, x509.AuthorityInformationAccess) or ()
    if any(entry.access_method == hazmat.TN_AUTH_LIST_REFERENCE for entry in access):
        return "TNAuthList by reference, which is not fetched", "RFC 8226 §10.1"
    return "no TNAuthList: the certificate names no number", "RFC 8226 §9"


def _domains(certificate: x509.Certificate) -> frozenset[str]:
    names = _find(certificate, x509.SubjectAlternativeName)
    if names is None:
        return frozenset()
    return frozenset(name.lower() for name in names.get_values_for_type(x509.DNSName))


def _valid_at(certificate: x509.Certificate, at: datetime) -> bool:
    return certificate.not_valid_before_utc <= at <= certificate.not_valid_after_utc


def is_ca(certificate: x509.Certificate) -> bool:
    """Tell whether a certificate may issue others (RFC 5280 §4.2.1.9)."""
    constraints = _find(certificate, x509.BasicConstraints)
    return constraints is not None and constraints.ca


def _find(certificate: x509.Certificate, kind: type[Kind]) -> Kind | None:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None
