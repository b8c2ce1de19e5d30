"""The extensions that make a certificate a STIR certificate, in words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Final, TypeVar

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from stirmilter.inspection.report import Report
from stirmilter.stir import credential, hazmat, revocation
from stirmilter.stir.claimconstraints import ClaimConstraints
from stirmilter.stir.result import Unverified, printable
from stirmilter.stir.tnauthlist import TNAuthList

Kind = TypeVar("Kind", bound=x509.ExtensionType)

_OURS: Final = {"dest": {}, "iat": 0, "msgi": "", "orig": {}}
"""What every ``msg`` token of ours has; values differ."""


def explain(report: Report, certificate: x509.Certificate) -> None:
    """Note whom a certificate speaks for, and what its tokens may say.

    What cannot be read is a problem of the chain, and told there.
    """
    names = _find(certificate, x509.SubjectAlternativeName)
    for host in names.get_values_for_type(x509.DNSName) if names else ():
        report.fact("names the host", host)
    der = hazmat.extension(certificate, hazmat.TN_AUTH_LIST)
    name = "hands on" if credential.is_ca(certificate) else "speaks for"
    if der is not None:
        for entry in _entries(der):
            report.fact(name, entry)
    where = _reference(certificate)
    if where is not None:
        text = f"the list at {where}, which is not fetched (RFC 8226 section 10.1)"
        report.fact(name, text)
    elif der is None and credential.is_ca(certificate):
        report.fact(name, "whatever it issues: no TNAuthList limits it")
    elif der is None:
        report.fact(name, "nobody: no TNAuthList (RFC 8226 section 9)")
    for line in _constraints(certificate):
        report.fact("its tokens", line)
    for url in revocation.locations(certificate):
        report.fact("revoked by", f"the list at {printable(url)}, which is not fetched")


def _entries(der: bytes) -> list[str]:
    try:
        return str(TNAuthList.decode(der)).split(", ")  # no entry has a comma
    except Unverified as error:
        return [f"unreadable: {error.detail}"]


def _constraints(certificate: x509.Certificate) -> Iterable[str]:
    try:
        found = ClaimConstraints.decode(
            hazmat.extension(certificate, hazmat.CLAIM_CONSTRAINTS),
            hazmat.extension(certificate, hazmat.ENHANCED_CLAIM_CONSTRAINTS),
        )
    except Unverified as error:
        yield f"unreadable: {error.detail}"
        return
    yield from found.lines()
    try:
        found.check(_OURS)
    except Unverified as error:
        yield f"so none for messages: {error.detail}"


def beyond(report: Report, lists: Sequence[TNAuthList]) -> None:
    """Note what each of a path's lists names beyond the one above it (RFC 9060 §4.1).

    Args:
        report: where to.
        lists: signer first.
    """
    for inner, outer in pairwise(lists):
        for entry in _beyond(inner, outer):
            report.fact("beyond the one above", entry)


def _beyond(inner: TNAuthList, outer: TNAuthList) -> Iterable[str]:
    yield from (f"SPC {spc}" for spc in inner.spcs if spc not in outer.spcs)
    if outer.spcs:  # which numbers are a carrier's, no certificate says
        return
    for first, last in (block.ends for block in inner.blocks):
        if not outer.covers(first, last):
            yield f"+{first}" if first == last else f"+{first}-+{last}"
    yield from sorted(one for one in inner.numbers - outer.numbers if not one.isdigit())


def is_stir(certificate: x509.Certificate) -> bool:
    """Tell whether a certificate says whom it speaks for, here or elsewhere."""
    listed = hazmat.extension(certificate, hazmat.TN_AUTH_LIST)
    return listed is not None or _reference(certificate) is not None


def is_web(certificate: x509.Certificate) -> bool:
    """Tell whether a certificate is for servers of TLS (RFC 5280 §4.2.1.12)."""
    usage = _find(certificate, x509.ExtendedKeyUsage)
    return usage is not None and ExtendedKeyUsageOID.SERVER_AUTH in usage


def _reference(certificate: x509.Certificate) -> str | None:
    for entry in _find(certificate, x509.AuthorityInformationAccess) or ():
        if entry.access_method == hazmat.TN_AUTH_LIST_REFERENCE:
            return str(entry.access_location.value)
    return None


def _find(certificate: x509.Certificate, kind: type[Kind]) -> Kind | None:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None
