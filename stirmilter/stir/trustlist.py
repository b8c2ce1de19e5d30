"""The list of a policy administrator: which authorities may issue STIR certificates.

A compact JWS by ES256. Its payload names ``version``, ``sequence``, ``exp`` and
``trustList``, the certificates of the authorities, as the American administrator
publishes it (ATIS-1000084); the answer of its interface, which wraps the JWS in a
``caList`` of JSON, is read as well. Who signed it stands at ``x5c`` or ``x5u``.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from stirmilter.stir import credential, hazmat, jws, strictjson
from stirmilter.stir.credential import TrustAnchors
from stirmilter.stir.result import Unverified, printable

# What an administrator's list looks like; an honest one is far from these.
_DEPTH: Final = 6  # certificates from its signer up
ENTRIES: Final = 1_000  # authorities; the American list has a few dozen
_NESTING: Final = 4  # of its JSON
_LATEST: Final = 253_402_300_799  # the last second of the year 9999


@dataclass(frozen=True, slots=True)
class Refused:
    """An entry of a list that is no authority one can trust, and why."""

    entry: str
    why: str


@dataclass(frozen=True, slots=True)
class TrustList:
    """The authorities of a list that was verified, or of a plain file."""

    authorities: tuple[x509.Certificate, ...]
    refused: tuple[Refused, ...] = ()
    version: str = ""
    sequence: int | None = None
    """None for a list that was not signed."""

    expires: datetime | None = None


@dataclass(frozen=True, slots=True)
class SignedList:
    """A list that was parsed; nothing in it is believed yet."""

    header: Mapping[str, Any]
    payload: bytes
    signing_input: bytes
    signature: bytes

    @property
    def x5u(self) -> str | None:
        """Where the certificates of the signer stand, if not in the list itself."""
        found = self.header.get("x5u")
        return found if isinstance(found, str) else None

    @property
    def x5c(self) -> tuple[x509.Certificate, ...] | None:
        """The certificates of the signer (RFC 7515 §4.1.6), if they are in the list.

        Raises:
            ValueError: what stands there are none.
        """
        found = self.header.get("x5c")
        if found is None:
            return None
        if not isinstance(found, list) or not 0 < len(found) <= _DEPTH:
            raise ValueError("x5c: not a list of a few certificates")
        return tuple(_certificate(one) for one in found)


def parse(text: str) -> SignedList:
    """Parse a list that claims to be signed.

    Raises:
        ValueError: it is no compact JWS by ES256, alone or as a ``caList``.
    """
    text = text.strip()
    if text.startswith("{"):
        text = _unwrap(text)
    parts = text.split(".")
    if len(parts) != 3:  # noqa: PLR2004 - RFC 7515 §3.1
        raise ValueError("not a compact JWS: no three parts")
    try:
        octets = [jws.b64url_decode(part) for part in parts]
        header = strictjson.parse(octets[0], "header", _NESTING)
    except Unverified as error:
        raise ValueError(error.detail) from None
    if header.get("alg") != jws.ALG:
        raise ValueError(f"alg is not {jws.ALG}")
    if "crit" in header:
        raise ValueError("crit names what is not understood (RFC 7515 §4.1.11)")
    signing_input = f"{parts[0]}.{parts[1]}".encode("ascii")
    return SignedList(header, octets[1], signing_input, octets[2])


def verify(
    signed: SignedList,
    chain: Sequence[x509.Certificate],
    anchors: TrustAnchors,
    now: datetime,
    entries: int = ENTRIES,
) -> TrustList:
    """Believe a list, if its signer leads to an anchor and it has not expired.

    Args:
        signed: the list.
        chain: its signer's certificate, then those above it.
        anchors: the administrator's root.
        now: aware time.
        entries: most authorities that it may name.

    Raises:
        ValueError: it is not to be believed; why.
    """
    key = chain[0].public_key()
    try:
        if not isinstance(key, ec.EllipticCurvePublicKey):
            raise ValueError("the key of the signer is not on P-256")  # noqa: TRY004
        if why := _unfit(chain[0]):
            raise ValueError(why)
        jws.verify(signed.signing_input, signed.signature, key)
        content = strictjson.parse(signed.payload, "payload", _NESTING)
    except Unverified as error:
        raise ValueError(error.detail) from None
    try:
        anchors.path(list(chain), now, _DEPTH)
    except ValueError as error:
        raise ValueError(f"the signer leads to no anchor: {error}") from None
    return _content(content, now, entries)


def plain(certificates: Sequence[x509.Certificate], now: datetime) -> TrustList:
    """Make a list of certificates that somebody else vouches for."""
    return _sorted_out(
        [(str(number), one) for number, one in enumerate(certificates)], now
    )


def _unfit(certificate: x509.Certificate) -> str:
    """Say why a certificate is none for a list; nothing if it may be.

    No extension says that one is. But an authority has its issuing key to guard, and
    who speaks for numbers is whom the list is about, even below a root of both.
    """
    usage = _usage(certificate)
    if usage is not None and not usage.digital_signature:
        return "the key usage of the signer lacks digitalSignature"
    if credential.is_ca(certificate):
        return "the signer is an authority"
    if hazmat.extension(certificate, hazmat.TN_AUTH_LIST) is not None:
        return "the signer is there to speak for numbers (TNAuthList)"
    return ""


def _unwrap(text: str) -> str:
    """Take the JWS out of the answer of the administrator's interface."""
    try:
        found = strictjson.parse(text.encode("utf-8", "surrogateescape"), "JSON", 8)
    except Unverified as error:
        raise ValueError(error.detail) from None
    listed = found.get("caList")
    if not isinstance(listed, str):
        raise ValueError("JSON without a caList")  # noqa: TRY004 - JSON's type
    return listed.strip()


def _content(content: Mapping[str, Any], now: datetime, most: int) -> TrustList:
    """Read a payload whose signature is good."""
    sequence, end = content.get("sequence"), content.get("exp")
    entries = content.get("trustList")
    if type(sequence) is not int or sequence < 0:
        raise ValueError("sequence is not a number")
    if type(end) is not int or not 0 < end <= _LATEST:
        raise ValueError("exp is not a time")
    if not isinstance(entries, list) or not entries:
        raise ValueError("trustList is not a list of certificates")
    if len(entries) > most:
        raise ValueError(f"trustList has {len(entries)} entries, at most {most}")
    expires = datetime.fromtimestamp(end, UTC)
    if expires <= now:
        raise ValueError(f"the list has expired: {expires:%F %RZ}")
    read: list[tuple[str, x509.Certificate | str]] = []
    for number, entry in enumerate(entries, 1):
        try:
            read.append((f"entry {number}", _certificate(entry)))
        except ValueError as error:
            read.append((f"entry {number}", str(error)))
    version = printable(str(content.get("version", "")), 20)
    found = _sorted_out(read, now)
    return TrustList(found.authorities, found.refused, version, sequence, expires)


def _sorted_out(
    entries: Sequence[tuple[str, x509.Certificate | str]], now: datetime
) -> TrustList:
    """Part the authorities from what is none."""
    good: dict[x509.Certificate, None] = {}
    refused = []
    for name, entry in entries:
        why = entry if isinstance(entry, str) else _fault(entry, now)
        if isinstance(entry, str) or why:
            refused.append(Refused(_shown(name, entry), why))
        else:
            good[entry] = None
    return TrustList(tuple(good), tuple(refused))


def _shown(name: str, entry: x509.Certificate | str) -> str:
    if isinstance(entry, str):
        return name
    return printable(entry.subject.rfc4514_string()) or name


def _fault(certificate: x509.Certificate, now: datetime) -> str:
    """Say why a certificate cannot be an anchor; nothing if it can."""
    if not credential.is_ca(certificate):
        return "it is no CA certificate"
    usage = _usage(certificate)
    if usage is not None and not usage.key_cert_sign:
        return "its key usage lacks keyCertSign"
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if not begin <= now <= end:
        return f"it is valid {begin:%F} to {end:%F}"
    return ""


def _usage(certificate: x509.Certificate) -> x509.KeyUsage | None:
    try:
        return certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return None


def _certificate(entry: object) -> x509.Certificate:
    """Read one certificate in PEM, or DER in base64 (RFC 7515 §4.1.6).

    Raises:
        ValueError: it is none.
    """
    if not isinstance(entry, str):
        raise ValueError("no certificate: not a string")  # noqa: TRY004 - JSON's type
    octets = entry.encode()
    if "-----BEGIN" not in entry:
        try:
            octets = base64.b64decode(entry, validate=True)
        except binascii.Error:
            raise ValueError("no certificate: neither PEM nor base64") from None
    try:
        [found] = credential.load_chain(octets, 1)
    except Unverified as error:
        raise ValueError(error.detail) from None
    return found
