"""The steps that DKIM and ARC verify a signature in (RFC 6376 §6.1, RFC 8617 §5.2)."""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from stirmilter.mail.checks.block import HeaderBlock
from stirmilter.mail.checks.canonical import (
    CRLF,
    Canonicalization,
    HashedBody,
    canonical_field,
)
from stirmilter.mail.checks.signature import MessageSignature, Signature
from stirmilter.mail.checks.taglist import Refused, without_value


@dataclass(frozen=True, slots=True, kw_only=True)
class DkimLimits:
    """What a stranger may cost us, and what we do not trust."""

    signatures: int = 10
    """Signatures of a message that are verified; the rest is ``policy``."""

    field_size: int = 8192
    """Octets of a signature field; none is longer in honest mail."""

    shortest_key: int = 1024
    """Bits of an RSA modulus (RFC 8301 §3.2: never less than 1024)."""

    longest_key: int = 8192
    """Bits of an RSA modulus (RFC 8301 §3.2: never less than 4096)."""

    skew: timedelta = timedelta(minutes=5)
    """How far clocks may disagree, for ``t=`` and ``x=``."""

    arc_sets: int = 10
    """ARC sets that are verified; a longer chain fails (RFC 8617 §4.2.1 allows 50)."""

    key_records: int = 4
    """Records of one key that are looked at, in the DNS's order; there should be one
    (RFC 6376 §3.6.2.2)."""


def check_times(signature: Signature, now: datetime, skew: timedelta) -> None:
    """Refuse a signature that has expired or was made in the future (§3.5, §6.1.1).

    Expiry is a test of the RFC's that fails; the future is ours to judge (RFC 8601
    §2.7.1 keeps ``policy`` for that).

    Raises:
        Refused: ``fail`` or ``policy``.
    """
    seconds, slack = now.timestamp(), skew.total_seconds()
    if signature.expires is not None and seconds - slack > signature.expires:
        raise Refused("fail", "expired")
    if signature.created is not None and signature.created > seconds + slack:
        raise Refused("policy", "from-the-future")


def check_body(signature: MessageSignature, body: HashedBody) -> None:
    """Compare ``bh=`` with what the body was found to be (§6.1.3).

    Raises:
        Refused: ``fail``; ``permerror`` if ``l=`` promises more than there is (§3.5).
    """
    if (signature.body.length or 0) > body.lengths[signature.body.canonicalization]:
        raise Refused("permerror", "body-shorter-than-signed")
    if not hmac.compare_digest(signature.body_hash, body.digests[signature.body]):
        raise Refused("fail", "body-altered")


def covers_whole_body(signature: MessageSignature, body: HashedBody) -> bool:
    """Tell whether nothing can follow what was signed (§8.2)."""
    length = signature.body.length
    return length is None or length >= body.lengths[signature.body.canonicalization]


def signed_octets(
    block: HeaderBlock, chosen: Iterable[int], at: int, form: Canonicalization
) -> bytes:
    """Return what a signature covers: chosen fields, and its own without ``b=`` (§3.7).

    Args:
        block: the message's header.
        chosen: places of the fields, in the order of hashing.
        at: place of the signature.
        form: canonicalization of the header.
    """
    name, value = block.field(at)
    own = canonical_field(name, without_value(value, b"b"), form)
    return CRLF.join([*(block.canonical(one, form) for one in chosen), own])
