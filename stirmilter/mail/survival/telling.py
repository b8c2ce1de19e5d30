"""Says of tokens whose body was altered what altered it; the verdict stays."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from stirmilter.haste import takes_long
from stirmilter.mail.survival import diagnosis
from stirmilter.mail.survival.boundaries import PartLimits
from stirmilter.mail.survival.keeping import KeptBody
from stirmilter.services import Verification
from stirmilter.stir.msgi import Digest
from stirmilter.stir.result import Reason, StirResult


def told(
    found: Verification,
    body: KeptBody,
    header: Iterable[tuple[str, bytes]],
    effort: int,
    limits: PartLimits,
) -> Verification:
    """Explain the digests that did not match, as far as a known change explains them.

    Args:
        found: what was concluded.
        body: as it arrived, if it was kept.
        header: fields of the message, as they arrived.
        effort: octets that may be digested, all tokens together.
        limits: how far a multipart is taken apart.
    """
    claims = {claim for one in (found.result, *found.passports) if (claim := _of(one))}
    if not claims:
        return found
    takes_long()
    octets, fields = body.octets, tuple(header)
    texts = {
        claim: None
        if octets is None
        else diagnosis.explain(octets, claim, fields, effort // len(claims), limits)
        for claim in claims
    }

    def explained(one: StirResult) -> StirResult:
        claim = _of(one)
        if claim is None:
            return one
        text = texts[claim]
        if text is not None:
            text = f"altered: {text}"
            return replace(one, detail=text, notes=(*one.notes, text))
        note = "what altered the body is not known"
        if octets is None:
            note += ": it was too large to keep"
        return replace(one, notes=(*one.notes, note))

    return Verification(explained(found.result), tuple(map(explained, found.passports)))


def _of(result: StirResult) -> Digest | None:
    """Return the digest that the body should have had, if it has another."""
    if result.reason is not Reason.BODY_ALTERED or result.passport is None:
        return None
    return result.passport.claims.msgi
