"""Which header fields a DKIM signature protects, and under whose domain (RFC 6376).

``msgi`` vouches for the body alone. Another Content-Type shows another message of the
same octets, so only a signature over the fields beside it makes the message whole.

A field that the message lacks must be signed as lacking (RFC 6376 §5.4.2, a name in
``h=`` once more than it occurs): otherwise whoever handed the message on may have taken
it out. One that occurs twice is not protected, signed or not: of two, programs show
different ones.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal

from stirmilter.mail.results import BUDGET, DkimSignature, MailResults
from stirmilter.mail.transaction import Header
from stirmilter.stir.result import Reason, StirResult

Carrier = Literal["match", "mismatch", "absent", "none"]

_SINGLE: Final = ("from", "to", "content-type")
_STRICT_ONLY: Final = frozenset({"to"})
_SHOWN_BY: Final = ("content-transfer-encoding", "mime-version")


@dataclass(frozen=True, slots=True)
class Protection:
    """What the best of the DKIM signatures that pass protects."""

    covered: bool = False
    """PASSporT, From and Content-Type: the header may be relied on."""

    sealed: bool = False
    """And nobody who gets the message from us can add one more unnoticed."""

    signatures: tuple[str, ...] = ()
    """Those that cover as much: ``selector._domainkey.domain``."""

    domains: tuple[str, ...] = ()
    """Of these, in the same order."""

    missing: tuple[str, ...] = ()
    """What no single one covers, in lower case, To among it; the least there is."""

    exposed: tuple[str, ...] = ()
    """Fields beside them that tell how the body is shown, not covered either. They
    cost nothing; a note."""

    @property
    def strict(self) -> bool:
        """Whether To is covered as well."""
        return self.covered and not self.missing


def protect(
    results: MailResults,
    headers: Iterable[Header],
    names: Iterable[str],
    *,
    trusted: Collection[str] | None = None,
) -> Protection:
    """Tell what the signatures that pass protect; one must cover all, not two a half.

    A signature counts if it covers the body to its end. Results of an upstream protect
    nothing: they do not say what is signed.

    Args:
        results: what was found, by ourselves.
        headers: the fields of the message, as they were verified.
        names: fields that may hold a PASSporT.
        trusted: None believes every signature. Anybody may sign with a domain of his
            own, also what he has altered; so, with domains here, also none, only
            signatures count that are aligned with From or of one of these.
    """
    present = Counter(header.name.lower() for header in headers)
    tokens = [name for name in map(str.lower, names) if present[name]]
    found = [
        (_missing(one, present, tokens or ["passport"]), one)
        for one in results.signatures
        if not results.source and one.whole_body and _believed(one, results, trusted)
    ]
    if not found:
        return Protection(missing=(*(tokens or ["passport"]), *_SINGLE))
    least = min((missing for missing, _ in found), key=_weight)
    best = [one for missing, one in found if missing == least]
    needed = {*tokens, *_SINGLE}
    return Protection(
        covered=_STRICT_ONLY.issuperset(least),
        sealed=not least and any(needed <= one.sealed for one in best),
        signatures=tuple(f"{one.selector}._domainkey.{one.domain}" for one in best),
        domains=tuple(one.domain for one in best),
        missing=least,
        exposed=tuple(
            name
            for name in _SHOWN_BY
            if not any(_covers(one, name, present) for one in best)
        ),
    )


def withhold(result: StirResult, protection: Protection) -> StirResult:
    """Take the pass from a token whose message has an unprotected header (strict mode).

    Every other result stays.
    """
    if not result.passed or protection.strict:
        return result
    return replace(
        result,
        reason=Reason.HEADERS_UNPROTECTED,
        detail=f"no valid DKIM signature covers {', '.join(protection.missing)}",
        rule="RFC 6376 §5.4",
    )


def bind(
    spcs: Iterable[str],
    bindings: Mapping[str, Collection[str]],
    signatures: Iterable[DkimSignature] | None,
) -> Carrier:
    """Tell whether a carrier's token came under a DKIM domain of the same carrier.

    ``mismatch`` is a token of a carrier that is bound, under other domains only, or one
    of any carrier under domains that are all bound to others. ``absent`` is one of a
    carrier that is bound, and no signature that passes: whoever steals a token can also
    leave the signature out. ``none`` is all that cannot be compared: no carrier, nobody
    bound, DKIM not looked at, or no answer of the DNS about a signature of the carrier.

    Args:
        spcs: service provider codes on which the token rests (`Credential.carriers`).
        bindings: domains of each carrier; names below them are its own as well.
        signatures: what was found about each DKIM signature; None if nobody looked.
    """
    carriers, found = set(spcs), tuple(signatures or ())
    if not carriers or signatures is None:
        return "none"
    bound = any(spc in bindings for spc in carriers)
    names = {_name(one.domain) for one in found if one.word == "pass"}
    if not names:
        return (
            "absent" if bound and not _unanswered(found, carriers, bindings) else "none"
        )
    owners = {name: _owners(name, bindings) for name in names}
    if any(carriers & of_name for of_name in owners.values()):
        return "match"
    if bound or all(owners.values()):
        return "mismatch"
    return "none"


def _unanswered(
    signatures: Iterable[DkimSignature],
    carriers: Collection[str],
    bindings: Mapping[str, Collection[str]],
) -> bool:
    """Tell whether a signature of the carrier may be good, had the DNS an answer.

    Not one about which nothing was asked since the message had spent its look-ups:
    that is up to whoever wrote it.
    """
    return any(
        one.word == "temperror"
        and one.reason != BUDGET
        and not _owners(_name(one.domain), bindings).isdisjoint(carriers)
        for one in signatures
    )


def _missing(
    one: DkimSignature, present: Mapping[str, int], tokens: Iterable[str]
) -> tuple[str, ...]:
    """List what a signature leaves open of what it should cover."""
    return (
        *(name for name in tokens if name not in one.covers or not present[name]),
        *(
            name
            for name in _SINGLE
            if present[name] > 1 or not _covers(one, name, present)
        ),
    )


def _covers(one: DkimSignature, name: str, present: Mapping[str, int]) -> bool:
    """Tell whether a field can be neither altered nor, if there is none, have been."""
    return name in (one.covers if present[name] else one.sealed)


def _weight(missing: tuple[str, ...]) -> tuple[int, tuple[str, ...]]:
    """Order what is missing: the fields that a verdict needs count before To."""
    return 2 * len(set(missing) - _STRICT_ONLY) + len(missing), missing


def _believed(
    one: DkimSignature, results: MailResults, trusted: Collection[str] | None
) -> bool:
    if trusted is None:
        return True
    aligned = results.dmarc.aligned if results.dmarc is not None else ()
    return f"dkim={one.domain}" in aligned or any(
        _below(_name(one.domain), domain) for domain in trusted
    )


def _owners(name: str, bindings: Mapping[str, Collection[str]]) -> set[str]:
    return {
        spc
        for spc, domains in bindings.items()
        if any(_below(name, domain) for domain in domains)
    }


def _below(name: str, domain: str) -> bool:
    """Tell whether a name is a domain or one below it."""
    return f".{name}".endswith(f".{_name(domain)}")


def _name(domain: str) -> str:
    return domain.lower().rstrip(".")
