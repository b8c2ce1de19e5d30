"""Reading a revocation list, strictly (RFC 5280 §5).

The library parses the list, checks its form, and that the algorithm that is signed is
the one that is not. The entries are then walked here: one by one through the library
they would cost 14 microseconds each, and its look-up by serial number alone confuses
the issuers of an indirect list.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import new as new_hash
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.hashes import HashAlgorithm
from cryptography.x509.oid import AuthorityInformationAccessOID as Access
from cryptography.x509.oid import ExtensionOID
from cryptography.x509.oid import SignatureAlgorithmOID as Algorithm

from stirmilter.stir import der, names
from stirmilter.stir.names import NameKey
from stirmilter.stir.revocation import RevocationList, Scope, SerialSet

ENTRIES: Final = 1_000_000
"""Default for the greatest number of entries."""

_PEM: Final = b"-----BEGIN X509 CRL-----"
_ALGORITHMS: Final = frozenset(
    {
        Algorithm.ECDSA_WITH_SHA256,
        Algorithm.ECDSA_WITH_SHA384,
        Algorithm.ECDSA_WITH_SHA512,
        Algorithm.RSA_WITH_SHA256,
        Algorithm.RSA_WITH_SHA384,
        Algorithm.RSA_WITH_SHA512,
    }
)
_KNOWN: Final = (
    x509.AuthorityKeyIdentifier,
    x509.IssuerAlternativeName,
    x509.CRLNumber,
    x509.IssuingDistributionPoint,
    x509.AuthorityInformationAccess,
    x509.FreshestCRL,
)
# Extensions of entries, and of lists, by the content of their OID.
_REASON: Final = bytes.fromhex("551d15")
_INVALIDITY: Final = bytes.fromhex("551d18")
_ISSUER: Final = bytes.fromhex("551d1d")

_TIMES: Final = (0x17, 0x18)  # UTCTime, GeneralizedTime
_BOOLEAN: Final = 0x01
_OCTETS: Final = 0x04
_ENUMERATED: Final = 0x0A
_DIRECTORY_NAME: Final = 0xA4
_REMOVED: Final = b"\x08"  # removeFromCRL


def read(octets: bytes, limit: int = ENTRIES) -> RevocationList:
    """Read a list in DER or PEM; who signed it is not asked here.

    Raises:
        ValueError: it is not one that can be used; why.
    """
    try:
        crl = (
            x509.load_pem_x509_crl(octets)
            if _PEM in octets
            else x509.load_der_x509_crl(octets)
        )
        return _read(crl, limit)
    except Exception as error:  # noqa: BLE001 - see below
        # The parser meets a stranger's octets, and raises ValueError, its own
        # exceptions for versions, duplicates and algorithms, and others still.
        raise ValueError(f"not a revocation list that can be used: {error}") from None


def _read(crl: x509.CertificateRevocationList, limit: int) -> RevocationList:
    if crl.next_update_utc is None:
        raise ValueError("it does not say when the next one comes")
    hashed = _hash(crl)
    tbs = crl.tbs_certlist_bytes
    point = _extensions(crl)
    issuer = names.key(crl.issuer.public_bytes())
    digest = new_hash(hashed.name, tbs).digest()  # without the interpreter's lock
    indirect = point is not None and point.indirect_crl
    return RevocationList(
        issuer=issuer,
        this_update=crl.last_update_utc,
        next_update=crl.next_update_utc,
        revoked=_Entries(tbs, issuer, limit, indirect=indirect).read(),
        indirect=indirect,
        scope=_scope(point),
        complete=point is None or not point.only_some_reasons,
        locations=_locations(point),
        issuers_at=_issuers_at(crl),
        digest=digest,
        hash=hashed,
        signature=crl.signature,
    )


def _hash(crl: x509.CertificateRevocationList) -> HashAlgorithm:
    hashed = crl.signature_hash_algorithm
    if hashed is None or crl.signature_algorithm_oid not in _ALGORITHMS:
        raise ValueError("signed by an algorithm that is not accepted")
    return hashed


def _extensions(
    crl: x509.CertificateRevocationList,
) -> x509.IssuingDistributionPoint | None:
    """Refuse what is not understood; return what tells for whom the list is."""
    point = None
    for extension in crl.extensions:
        if extension.oid == ExtensionOID.DELTA_CRL_INDICATOR:
            raise ValueError("a delta list, which is none alone")
        if extension.critical and not isinstance(extension.value, _KNOWN):
            oid = extension.oid.dotted_string
            raise ValueError(f"a critical extension that is not understood: {oid}")
        if isinstance(extension.value, x509.IssuingDistributionPoint):
            point = extension.value
    if point is not None and point.relative_name is not None:
        raise ValueError("a distribution point with a relative name")
    return point


def _scope(point: x509.IssuingDistributionPoint | None) -> Scope:
    if point is None:
        return "all"
    if point.only_contains_attribute_certs:
        return "attribute"
    if point.only_contains_user_certs:
        return "user"
    return "ca" if point.only_contains_ca_certs else "all"


def _locations(point: x509.IssuingDistributionPoint | None) -> frozenset[str]:
    """Return the URLs of the point; one that is named otherwise matches nothing."""
    if point is None or point.full_name is None:
        return frozenset()
    return frozenset(
        name.value if isinstance(name, x509.UniformResourceIdentifier) else repr(name)
        for name in point.full_name
    )


def _issuers_at(crl: x509.CertificateRevocationList) -> tuple[str, ...]:
    try:
        found = crl.extensions.get_extension_for_class(x509.AuthorityInformationAccess)
    except x509.ExtensionNotFound:
        return ()
    return tuple(
        entry.access_location.value
        for entry in found.value
        if entry.access_method == Access.CA_ISSUERS
        and isinstance(entry.access_location, x509.UniformResourceIdentifier)
    )


@dataclass(slots=True)
class _Entries:
    """Walks the entries of a list; the issuer of one is that of the next (§5.3.3)."""

    tbs: bytes
    issuer: NameKey
    limit: int
    indirect: bool
    found: dict[NameKey, list[bytes]] = field(default_factory=dict)

    def read(self) -> dict[NameKey, SerialSet]:
        tbs, last = self.tbs, self.issuer
        serials = self.found.setdefault(last, [])
        for count, (_, start, end) in enumerate(self._entries()):
            if count == self.limit:
                raise ValueError(f"more than {self.limit} entries")
            first, middle = der.content(tbs, start, end, der.INTEGER)
            _, _, after = der.element(tbs, middle, end)  # revocationDate
            removed = False
            if after < end:
                name, removed = self._extensions(after, end)
                if name is not None and name != last:
                    last = name
                    serials = self.found.setdefault(last, [])
            if not removed:
                serials.append(tbs[first:middle])
        return {name: SerialSet.build(serials) for name, serials in self.found.items()}

    def _entries(self) -> Iterator[tuple[int, int, int]]:
        """Find ``revokedCertificates``, which is absent when it would be empty."""
        at, end = der.content(self.tbs, 0, len(self.tbs), der.SEQUENCE)
        for _ in range(4):  # version, signature, issuer, thisUpdate
            _, _, at = der.element(self.tbs, at, end)
        tag, start, stop = der.element(self.tbs, at, end)
        if tag in _TIMES and stop < end:  # nextUpdate
            tag, start, stop = der.element(self.tbs, stop, end)
        if tag != der.SEQUENCE:
            return iter(())
        return der.elements(self.tbs, start, stop)

    def _extensions(self, at: int, end: int) -> tuple[NameKey | None, bool]:
        """Return the issuer that an entry names, and whether it unrevokes."""
        tbs, issuer, removed = self.tbs, None, False
        start, stop = der.content(tbs, at, end, der.SEQUENCE)
        for _, begin, last in der.elements(tbs, start, stop):
            first, middle = der.content(tbs, begin, last, der.OID)
            oid = tbs[first:middle]
            tag, inner, after = der.element(tbs, middle, last)
            critical = tag == _BOOLEAN and tbs[inner:after] != b"\0"
            if tag == _BOOLEAN:
                tag, inner, after = der.element(tbs, after, last)
            if oid == _ISSUER:
                issuer = self._named(inner, after)
            elif oid == _REASON:
                first, middle = der.content(tbs, inner, after, _ENUMERATED)
                removed = tbs[first:middle] == _REMOVED
            elif critical and oid != _INVALIDITY:
                raise ValueError("a critical extension of an entry, not understood")
        return issuer, removed

    def _named(self, at: int, end: int) -> NameKey:
        """Read a CertificateIssuer: exactly one directoryName (§5.3.3)."""
        if not self.indirect:
            raise ValueError("an entry names an issuer, and the list is not indirect")
        start, stop = der.content(self.tbs, at, end, der.SEQUENCE)
        found = [
            self.tbs[first:last]
            for tag, first, last in der.elements(self.tbs, start, stop)
            if tag == _DIRECTORY_NAME
        ]
        if len(found) != 1:
            raise ValueError("an entry that does not name one issuer")
        return names.key(found[0])
