"""One word for a message, out of what each method found (docs/profile.md §7)."""

from __future__ import annotations

from enum import StrEnum

from stirmilter.stir.result import Word


class Verdict(StrEnum):
    """What a reader of one word may rely on."""

    AUTHENTICATED = "authenticated"
    """Number, recipients, body and header fields are all vouched for."""

    NUMBER_AUTHENTICATED = "number-authenticated"
    """Number, recipients and body; the header (Content-Type!) is not protected."""

    DOMAIN_AUTHENTICATED = "domain-authenticated"
    """The domain by DMARC; of the number nothing is known."""

    UNAUTHENTICATED = "unauthenticated"
    """Nobody vouches for anything."""

    FAILED = "failed"
    """A PASSporT was there and does not hold."""

    UNDETERMINED = "undetermined"
    """Could not be judged now; it may be later."""


def combine(stir: Word, *, headers_covered: bool, dmarc_pass: bool) -> Verdict:
    """Combine the methods.

    Args:
        stir: result word of the message's PASSporTs.
        headers_covered: a valid DKIM signature covers PASSporT, From and Content-Type.
        dmarc_pass: DMARC passed. It never repairs a STIR failure: the domain of a
            relay says nothing about who used the number.
    """
    match stir:
        case "pass":
            return (
                Verdict.AUTHENTICATED
                if headers_covered
                else Verdict.NUMBER_AUTHENTICATED
            )
        case "none" | "neutral" | "policy":
            return (
                Verdict.DOMAIN_AUTHENTICATED if dmarc_pass else Verdict.UNAUTHENTICATED
            )
        case "fail" | "permerror":
            return Verdict.FAILED
        case "temperror":
            return Verdict.UNDETERMINED
