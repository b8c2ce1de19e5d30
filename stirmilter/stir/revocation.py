"""What a revocation list says of a certificate, and whether it may (RFC 5280 §5).

A list is direct, made by the authority that issued the certificates, or indirect: made
by another, who names the issuer beside the entries. STIR policy administrators publish
one indirect list for all the authorities of a country (ATIS-1000080).

Deviations from RFC 5280 §6.3.3 (b)(1): the ``cRLIssuer`` of a distribution point is not
compared with the issuer of the list. Of the real certificates that name the list of
the American administrator, half have none, and the others spell it in three ways. Who
may sign an indirect list is the operator's word instead, never a certificate's. The
signer of a list is itself not looked up in any (§6.3.3 (f) would have it validated).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Final, Literal, TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import HashAlgorithm

from stirmilter.stir import credential, names
from stirmilter.stir.hazmat import TrustAnchors
from stirmilter.stir.names import NameKey

__all__ = [
    "Answer",
    "Elsewhere",
    "RevocationList",
    "SerialSet",
    "answer",
    "locations",
    "needs_list",
]

Scope = Literal["all", "user", "ca", "attribute"]
Kind = TypeVar("Kind", bound=x509.ExtensionType)

_DEPTH: Final = 3
"""Certificates from the signer of an indirect list up, the anchor not counted. A policy
administrator has one or two; its anchor is the operator's to name, and no stranger's
chain is looked at here."""


class Elsewhere(ValueError):  # noqa: N818 - not a fault: ask another list
    """A list is not about a certificate."""


@dataclass(frozen=True, slots=True)
class SerialSet:
    """Serial numbers, sorted, each in the same number of octets.

    A set of Python integers would take ten times the room, in every worker.
    """

    octets: bytes
    width: int

    @classmethod
    def build(cls, serials: Sequence[bytes]) -> SerialSet:
        """Make a set of the contents of DER INTEGERs.

        Negative ones and zero too: an issuer that breaks RFC 5280 §4.1.2.2 can still
        revoke.
        """
        width = max(map(len, serials), default=1)
        padded = sorted(
            serial.rjust(width, b"\xff" if serial[0] & 0x80 else b"\0")
            for serial in serials
        )
        return cls(b"".join(padded), width)

    def __contains__(self, serial: int) -> bool:
        """Tell whether a serial number is among them."""
        width = self.width
        try:
            wanted = serial.to_bytes(width, "big", signed=True)
        except OverflowError:
            return False
        low, high = 0, len(self)
        while low < high:
            middle = (low + high) // 2
            if self.octets[middle * width : (middle + 1) * width] < wanted:
                low = middle + 1
            else:
                high = middle
        return self.octets[low * width : (low + 1) * width] == wanted

    def __len__(self) -> int:
        return len(self.octets) // self.width


_NONE: Final = SerialSet(b"", 1)


@dataclass(frozen=True, kw_only=True)
class RevocationList:
    """A revocation list, read but not yet believed: `answer` asks who signed it."""

    issuer: NameKey
    this_update: datetime
    next_update: datetime
    """Required here: a list without end could be replayed for ever (§5.1.2.5)."""

    revoked: Mapping[NameKey, SerialSet]
    """By the issuer of the certificates."""

    indirect: bool
    scope: Scope
    complete: bool
    """Whether it lists all reasons: if not, what it does not list may be revoked."""

    locations: frozenset[str]
    """Where it says that it stands, if it does (IssuingDistributionPoint)."""

    issuers_at: tuple[str, ...]
    """Where the certificates of its signer stand (authority information access)."""

    digest: bytes
    """Of what is signed; the octets themselves are not kept."""

    hash: HashAlgorithm
    signature: bytes
    helpers: tuple[x509.Certificate, ...] = ()
    """What may lead from its signer to an anchor, as a stranger gave it."""

    @cached_property
    def entries(self) -> int:
        """How many certificates it lists."""
        return sum(map(len, self.revoked.values()))

    def check_time(self, now: datetime, skew: timedelta) -> None:
        """Refuse a list that is not valid yet, or no more.

        Raises:
            ValueError: saying which.
        """
        if self.this_update > now + skew:
            raise ValueError(f"the list is from the future: {self.this_update:%F %RZ}")
        if self.next_update < now:
            raise ValueError(f"the list has expired: {self.next_update:%F %RZ}")

    def signed_by(self, certificate: x509.Certificate) -> bool:
        """Tell whether a certificate bears the issuer's name, may sign lists, and did.

        Source: RFC 5280 §6.3.3 (f), (g).
        """
        usage = _find(certificate, x509.KeyUsage)
        if usage is not None and not usage.crl_sign:
            return False
        if names.key(certificate.subject.public_bytes()) != self.issuer:
            return False
        key, hashed = certificate.public_key(), Prehashed(self.hash)
        try:
            if isinstance(key, ec.EllipticCurvePublicKey):
                key.verify(self.signature, self.digest, ec.ECDSA(hashed))
            elif isinstance(key, rsa.RSAPublicKey):
                key.verify(self.signature, self.digest, PKCS1v15(), hashed)
            else:
                return False
        except (InvalidSignature, ValueError):
            return False
        return True


@dataclass(frozen=True, slots=True)
class Answer:
    """What a list that may speak says of a certificate."""

    signer: x509.Certificate
    """Who has signed the list."""

    revoked: bool
    """Put on hold is revoked too."""

    complete: bool
    """False if it lists some reasons alone: then it cannot tell that one is good."""

    silent: bool
    """Whether it is an indirect list without a word about the issuer: whether it is
    meant to cover that issuer, nothing in it tells."""


def answer(
    listed: RevocationList,
    certificate: x509.Certificate,
    issuer: x509.Certificate,
    signers: TrustAnchors,
    now: datetime,
) -> Answer:
    """Tell what a list says of a certificate (RFC 5280 §6.3.3).

    Args:
        listed: from a place that the certificate names, or that the operator does.
        certificate: of a path that has been validated.
        issuer: the next one in that path.
        signers: anchors of those who may sign indirect lists, or they themselves.
        now: the time at which the signer of an indirect list must be valid.

    Raises:
        Elsewhere: the list is not about this certificate.
        ValueError: nobody who may has signed it.
    """
    key = names.key(certificate.issuer.public_bytes())
    if not listed.indirect and listed.issuer != key:
        raise Elsewhere("the list is another issuer's")
    wanted = "ca" if credential.is_ca(certificate) else "user"
    if listed.scope not in ("all", wanted):
        raise Elsewhere(f"the list is of {listed.scope} certificates alone")
    named = set(locations(certificate))
    if listed.locations and named and listed.locations.isdisjoint(named):
        raise Elsewhere("the list belongs to another distribution point")
    direct = listed.issuer == key and listed.signed_by(issuer)
    signer = issuer if direct else _signer(listed, signers, now)
    if signer is None:
        raise ValueError("nobody who may has signed the list")
    return Answer(
        signer,
        revoked=certificate.serial_number in listed.revoked.get(key, _NONE),
        complete=listed.complete,
        silent=not direct and key not in listed.revoked,
    )


def locations(certificate: x509.Certificate) -> tuple[str, ...]:
    """Return the URLs at which a certificate says its list stands, in order.

    Source: RFC 5280 §4.2.1.13. Only http and https; a point for some reasons alone is
    left out, since it cannot tell that a certificate is good.
    """
    points = _find(certificate, x509.CRLDistributionPoints) or ()
    return tuple(
        name.value
        for point in points
        if point.reasons is None
        for name in point.full_name or ()
        if isinstance(name, x509.UniformResourceIdentifier)
        and name.value.startswith(("https://", "http://"))
    )


def needs_list(certificate: x509.Certificate) -> bool:
    """Tell whether a certificate says that there is a list which may revoke it."""
    return _find(certificate, x509.CRLDistributionPoints) is not None


def _signer(
    listed: RevocationList, signers: TrustAnchors, now: datetime
) -> x509.Certificate | None:
    """Return a signer that the operator's anchors vouch for, if such a one has signed.

    A direct list too may be signed by one of them.
    """
    for one in (*signers.certificates, *listed.helpers):
        if not listed.signed_by(one):
            continue
        try:
            signers.path([one, *listed.helpers], now, _DEPTH)
        except ValueError:
            continue
        return one
    return None


def _find(certificate: x509.Certificate, kind: type[Kind]) -> Kind | None:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None
