"""Delegate certificates: who may hand on which numbers (RFC 9060).

A CA certificate with a TNAuthList is a link of a delegation: what it issues must stay
within its own numbers, at every step and as a whole, not only for the number at hand.
Key identifiers must agree wherever both certificates of a step have them, and a
delegate chain must have them, in order, signer first.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TypeVar

from cryptography import x509

from stirmilter.stir import hazmat
from stirmilter.stir.result import Reason, Unverified
from stirmilter.stir.tnauthlist import TNAuthList

Kind = TypeVar("Kind", bound=x509.ExtensionType)


def limits(path: Sequence[x509.Certificate]) -> tuple[TNAuthList | None, ...]:
    """Decode the TNAuthList of every certificate of a path, leaf first.

    Raises:
        Unverified: `Reason.CREDENTIAL_MALFORMED`.
    """
    found = (hazmat.extension(one, hazmat.TN_AUTH_LIST) for one in path)
    return tuple(None if der is None else TNAuthList.decode(der) for der in found)


def check(path: Sequence[x509.Certificate], chain: Sequence[x509.Certificate]) -> None:
    """Refuse a path that hands on more than it holds, or whose links do not fit.

    Args:
        path: leaf first, as validated; its last certificate may be an anchor.
        chain: the certificates as they were published.

    Raises:
        Unverified: `Reason.NOT_AUTHORIZED` for a scope outside the one above,
            `Reason.CREDENTIAL_UNTRUSTED` for key identifiers that do not link,
            `Reason.CREDENTIAL_MALFORMED` for a delegate chain out of order.
    """
    lists = limits(path)
    delegated = any(listed is not None for listed in lists[1:])
    for child, parent in pairwise(path):
        _check_link(child, parent, required=delegated)
    if delegated and list(chain[: len(path) - 1]) != list(path[:-1]):
        raise Unverified(
            Reason.CREDENTIAL_MALFORMED,
            "a delegate chain is published whole and in order, signer first",
            "RFC 9060 §7",
        )
    scopes = [listed for listed in lists if listed is not None]
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
