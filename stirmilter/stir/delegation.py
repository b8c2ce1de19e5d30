"""Delegate certificates: who may hand on which numbers (RFC 9060).

A CA certificate with a TNAuthList is a link of a delegation: what it issues must stay
within its own numbers, at every step and as a whole, not only for the number at hand.
Key identifiers must agree wherever both certificates of a step have them, and a
delegate chain must have them, in order, signer first.

A TNAuthList stands in the certificate, or where the certificate says (RFC 8226 §10.1),
or both: then the entries of both count. What a certificate refers to is fetched by
whoever asks, with `references`, and handed in as `lists`: octets by URL. Below a CA
certificate whose list is not at hand nobody knows the limits, so nothing passes there
(`check_fetched`). A signer's own list that is not at hand only takes from it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from types import MappingProxyType
from typing import Final, TypeVar

from cryptography import x509

from stirmilter.stir import hazmat
from stirmilter.stir.result import Reason, Unverified
from stirmilter.stir.tnauthlist import TNAuthList

Kind = TypeVar("Kind", bound=x509.ExtensionType)
Lists = Mapping[str, bytes]

NO_LISTS: Final[Lists] = MappingProxyType({})


def references(path: Iterable[x509.Certificate]) -> tuple[str, ...]:
    """Return the URLs of the TNAuthLists that certificates refer to (RFC 8226 §10.1).

    Raises:
        Unverified: `Reason.CREDENTIAL_MALFORMED`; a reference that is no https URL.
    """
    found = dict.fromkeys(url for one in path for url in _references(one))
    for url in found:
        if not url.startswith("https://"):
            raise Unverified(
                Reason.CREDENTIAL_MALFORMED,
                "a TNAuthList by reference to what is not https",
                "RFC 8226 §10.1",
            )
    return tuple(found)


def _references(certificate: x509.Certificate) -> Iterable[str]:
    for entry in _find(certificate, x509.AuthorityInformationAccess) or ():
        if entry.access_method == hazmat.TN_AUTH_LIST_REFERENCE:
            place = entry.access_location
            is_url = isinstance(place, x509.UniformResourceIdentifier)
            yield str(place.value) if is_url else ""


def limits(
    path: Sequence[x509.Certificate], lists: Lists = NO_LISTS
) -> tuple[TNAuthList | None, ...]:
    """Decode the TNAuthList of every certificate of a path, leaf first.

    Args:
        path: leaf first.
        lists: what was fetched. For the leaf, a reference that was not counts as
            absent; with one, a CA certificate has no list, for nobody knows it all.

    Raises:
        Unverified: `Reason.CREDENTIAL_MALFORMED`.
    """
    found = [_list(one, lists) for one in path]
    for place, certificate in enumerate(path):
        if place and _missing(certificate, lists):
            found[place] = None
    return tuple(found)


def _list(certificate: x509.Certificate, lists: Lists) -> TNAuthList | None:
    octets = hazmat.extension(certificate, hazmat.TN_AUTH_LIST)
    found = None if octets is None else TNAuthList.decode(octets)
    for url in _references(certificate):
        if url in lists:
            more = TNAuthList.decode(lists[url])
            found = more if found is None else found.joined(more)
    return found


def _missing(certificate: x509.Certificate, lists: Lists) -> list[str]:
    return [url for url in _references(certificate) if url not in lists]


def check_fetched(path: Sequence[x509.Certificate], lists: Lists = NO_LISTS) -> None:
    """Refuse a path of whose CA certificates a list by reference is not at hand.

    Args:
        path: leaf first; whether it is at hand for the leaf does not matter.
        lists: as `limits` takes them.

    Raises:
        Unverified: `Reason.CREDENTIAL_UNAVAILABLE`, with the URL.
    """
    for certificate in path[1:]:
        for url in _missing(certificate, lists):
            detail = "TNAuthList of a CA certificate by reference, not fetched"
            raise Unverified(
                Reason.CREDENTIAL_UNAVAILABLE, f"{detail}: {url}", "RFC 8226 §10.1"
            )


def check(
    path: Sequence[x509.Certificate],
    chain: Sequence[x509.Certificate],
    lists: Lists = NO_LISTS,
) -> None:
    """Refuse a path that hands on more than it holds, or whose links do not fit.

    Not one whose lists are not at hand: see `check_fetched`.

    Args:
        path: leaf first, as validated; its last certificate may be an anchor.
        chain: the certificates as they were published.
        lists: as `limits` takes them.

    Raises:
        Unverified: `Reason.NOT_AUTHORIZED` for a scope outside the one above,
            `Reason.CREDENTIAL_UNTRUSTED` for key identifiers that do not link,
            `Reason.CREDENTIAL_MALFORMED` for a delegate chain out of order.
    """
    found = limits(path, lists)
    delegated = any(listed is not None for listed in found[1:])
    for child, parent in pairwise(path):
        _check_link(child, parent, required=delegated)
    if delegated and list(chain[: len(path) - 1]) != list(path[:-1]):
        raise Unverified(
            Reason.CREDENTIAL_MALFORMED,
            "a delegate chain is published whole and in order, signer first",
            "RFC 9060 §7",
        )
    scopes = [listed for listed in found if listed is not None]
    for inner, outer in pairwise(scopes):
        if not outer.encompasses(inner):
            raise Unverified(
                Reason.NOT_AUTHORIZED,
                "a certificate names more than the one above it may hand on",
                "RFC 9060 §4.1",
            )


def _check_link(
    child: x509.Certificate, parent: x509.Certificate, *, required: bool
) -> None:
    """Compare the authority key identifier with the issuer's subject key identifier."""
    named = _find(child, x509.AuthorityKeyIdentifier)
    held = _find(parent, x509.SubjectKeyIdentifier)
    authority = named.key_identifier if named else None
    if authority is None or held is None:
        if required:
            raise Unverified(
                Reason.CREDENTIAL_UNTRUSTED,
                "a delegate chain without key identifiers",
                "RFC 9060 §7",
            )
        return
    if authority != held.digest:
        raise Unverified(
            Reason.CREDENTIAL_UNTRUSTED,
            "an authority key identifier is not that of the next certificate",
            "RFC 5280 §4.2.1.1",
        )


def _find(certificate: x509.Certificate, kind: type[Kind]) -> Kind | None:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None
