"""DMARC of the domain in From (RFC 9989), from what SPF and DKIM found.

A domain that passes can only be aligned with the Author Domain if it lies within the
Organizational Domain of that, since its own one is above it or itself. So nothing is
asked about any other: who writes in a stranger's name does not choose what we ask, and
cannot make the answer one that we never got.

Known deviations: none. Where §4.7 and §4.10.1 disagree about a record without ``p`` and
``rua`` (as if ``p=none``; no DMARC at all), the latter is followed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from stirmilter.mail import addresses
from stirmilter.mail.checks import dmarcwalk
from stirmilter.mail.checks.dmarcrecord import OCTETS, Policy, Record
from stirmilter.mail.checks.dmarcwalk import Walk
from stirmilter.mail.checks.dns import Resolver
from stirmilter.mail.results import BUDGET, DkimSignature, DmarcResult, SpfResult, Word
from stirmilter.stores import domainname

_Alignment = Literal["aligned", "other", "unknown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DmarcLimits:
    """What a stranger may have us look at."""

    authors: int = 32
    """Addresses of From that are read."""

    lexemes: int = addresses.LEXEMES
    """Lexical tokens of each, on average."""

    identifiers: int = 10
    """Domains whose alignment is looked at; those that pass, first."""

    record_octets: int = OCTETS
    """Of a record in the DNS; a longer one is none."""

    seconds: float = 3.0
    """Of the look-ups of a message, kept for DMARC: what a sender has us ask for SPF
    and DKIM must not use up the questions about what the domain in From wants of us.
    At most half of what there is."""

    questions: int = 30
    """As above."""


@dataclass(frozen=True, slots=True)
class _Identifier:
    """A domain that SPF or DKIM spoke about."""

    method: Literal["spf", "dkim"]
    domain: str
    strict: bool
    word: str


def check_author(
    found: tuple[str, str],
    spf: SpfResult | None,
    dkim: Sequence[DkimSignature],
    resolver: Resolver,
    limits: DmarcLimits | None = None,
) -> DmarcResult:
    """Check DMARC of a message by what `author` found in its From fields.

    Without a domain there it is `none`; with several, or one that cannot be read, or
    one beside an author who has none, DMARC is not possible, which someone may have
    wanted: `permerror`.

    Source: RFC 9989 §5.3.1, §11.5.
    """
    domain, reason = found
    if domain:
        return check(domain, spf, dkim, resolver, limits)
    word: Literal["none", "permerror"] = "none" if reason in _NOBODY else "permerror"
    return DmarcResult(word=word, reason=reason)


_NOBODY: Final = frozenset({"no-from", "no-domain"})


def author(fields: Sequence[str], limits: DmarcLimits | None = None) -> tuple[str, str]:
    """Return the Author Domain of the values of From, or none and the reason.

    One address without a domain, as MM4 writes a number, has none. Several must be of
    one domain, each of them: another program shows the number, or the address literal,
    that no domain speaks for.
    """
    if len(fields) != 1:
        return "", "several-from" if fields else "no-from"
    limits = limits or DmarcLimits()
    entries = addresses.parse(fields[0], limits.authors, limits.lexemes).entries
    domains: set[str] = set()
    for mailbox in entries:
        domain, reason = _domain(mailbox)
        if reason:
            return "", reason
        domains.add(domain)
    if len(domains) > 1:
        return "", "several-domains"
    if any(domains):
        return domains.pop(), ""
    return "", "several-authors" if len(entries) > 1 else "no-domain"


def _domain(mailbox: addresses.Mailbox | None) -> tuple[str, str]:
    """Return the domain of an author, perhaps none, or the reason why not."""
    if mailbox is None:
        return "", "unreadable-from"
    if mailbox.domain.startswith("["):
        return "", "address-literal"
    domain = domainname.canonical(mailbox.domain) if mailbox.domain else ""
    return ("", "malformed-domain") if domain is None else (domain, "")


def check(
    domain: str,
    spf: SpfResult | None,
    dkim: Sequence[DkimSignature],
    resolver: Resolver,
    limits: DmarcLimits | None = None,
) -> DmarcResult:
    """Check DMARC of an Author Domain in its one spelling (RFC 9989 §5.3).

    Args:
        domain: of From; see `author`.
        spf: of MAIL FROM. The HELO identity says nothing here (§4.4.2).
        dkim: every signature that was looked at.
        resolver: asks for this message.
        limits: what is looked at.
    """
    limits = limits or DmarcLimits()
    walk = dmarcwalk.walk(domain, resolver, limits.record_octets)
    applicable = walk.applicable
    if walk.failed and walk.own is None:
        return DmarcResult(word="temperror", reason="dns", domain=domain)
    if applicable is None:
        return DmarcResult(word="none", reason="no-record", domain=domain)
    above, record = applicable
    if not record.applies:
        return DmarcResult(word="none", reason="no-policy", domain=domain)

    identifiers = _identifiers(record, spf, dkim, limits.identifiers)
    aligned, reason = _aligned(walk, identifiers, resolver, limits.record_octets)
    organizational = "" if walk.failed else walk.organizational
    if reason.startswith("undecided"):
        return DmarcResult(
            word="temperror",
            reason=reason,
            domain=domain,
            organizational=organizational,
        )
    return DmarcResult(
        word="pass" if aligned else "fail",
        reason=reason,
        domain=domain,
        organizational=organizational,
        policy=_policy(domain, above, record, resolver),
        aligned=aligned,
    )


def _identifiers(
    record: Record, spf: SpfResult | None, dkim: Sequence[DkimSignature], limit: int
) -> list[_Identifier]:
    """Return what may vouch for the author, once each; what passes comes first.

    What was not asked for since the message had spent its look-ups vouches for nobody.
    """

    def every() -> Iterator[_Identifier]:
        if spf is not None and spf.scope == "mailfrom":
            yield _Identifier("spf", spf.domain, record.strict_spf, _word(spf))
        for one in dkim:
            yield _Identifier("dkim", one.domain, record.strict_dkim, _word(one))

    wanted = [
        one for one in every() if one.domain and one.word in ("pass", "temperror")
    ]
    return sorted(dict.fromkeys(wanted), key=lambda one: one.word)[:limit]


def _word(found: SpfResult | DkimSignature) -> Word:
    return "none" if found.reason == BUDGET else found.word


def _aligned(
    walk: Walk, identifiers: Sequence[_Identifier], resolver: Resolver, octets: int
) -> tuple[tuple[str, ...], str]:
    """Return the identifiers that pass and are aligned, or the reason of none.

    What the DNS did not tell about an identifier that matters leaves it undecided
    (RFC 9989 §5.3.6).
    """
    found = [(one, _alignment(walk, one, resolver, octets)) for one in identifiers]
    aligned = tuple(
        f"{one.method}={one.domain}"
        for one, how in found
        if one.word == "pass" and how == "aligned"
    )
    if aligned:
        return aligned, ""
    if any(how == "unknown" for _, how in found):
        return (), "undecided-alignment"
    for one, how in found:
        if how == "aligned":
            return (), f"undecided-{one.method}"
    passed = any(one.word == "pass" for one in identifiers)
    return (), "not-aligned" if passed else "not-authenticated"


def _alignment(
    walk: Walk, one: _Identifier, resolver: Resolver, octets: int
) -> _Alignment:
    """Compare with the Author Domain: itself, or the Organizational Domains.

    Source: RFC 9989 §4.10.2.
    """
    if one.domain == walk.start:
        return "aligned"
    if one.strict:
        return "other"
    if walk.failed:
        top = walk.start.rpartition(".")[2]
        return "unknown" if domainname.is_within(one.domain, top) else "other"
    if not domainname.is_within(one.domain, walk.organizational):
        return "other"
    theirs = dmarcwalk.walk(one.domain, resolver, octets)
    if theirs.failed:
        return "unknown"
    return "aligned" if theirs.organizational == walk.organizational else "other"


def _policy(domain: str, above: str, record: Record, resolver: Resolver) -> Policy:
    """Return what the owner asks for; look whether the domain exists if that matters.

    One about which the DNS has no answer now exists.
    """
    own = above == domain
    there = record.policy(own=own, exists=True)
    absent = record.policy(own=own, exists=False)
    if there == absent or resolver.ask(domain, "A").outcome != "no-name":
        return there
    return absent
