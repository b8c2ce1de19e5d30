r"""Results of milters and relays before us, where the operator vouches for them.

A field under a trusted authserv-id is worth what keeps strangers from writing one. No
place in the header tells them apart: a milter before us puts its field at the top, but
if it has nothing to say, what the client sent is at the top, and the Received that
would mark the border is not shown to milters. So the operator must guarantee, and says
so with `Upstream.strips`, that no field under these ids comes in from outside:

* OpenDKIM removes only those that hold a DKIM result, unless ``RemoveARAll`` is set;
  OpenDMARC removes none; rspamd those that ``remove_ar_from`` names;
* Postfix does it for all of them: ``header_checks`` with
  ``/^Authentication-Results:.*mx\.example/ IGNORE`` sees what comes from the client
  and not what milters add. Broad on purpose: a field too many may go;
* a relay before us does the same, and nobody else can speak from its address.

Two things narrow what could still slip through. The authserv-id must stand right at the
start, spelt as the operator spells it: a disguise that a filter missed is no match. And
of several fields that report one method, the topmost counts: it was written last.

Ours must not be among the ids: what claims our own is removed from the message.

Source: RFC 8601 §4.1, §5, §7.1.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Network, IPv6Network
from typing import Final, Literal, cast, get_args

from stirmilter.mail import authres
from stirmilter.mail.authres import Limits, Parsed, ResInfo
from stirmilter.mail.results import (
    ArcResult,
    DkimSignature,
    DmarcResult,
    MailResults,
    SpfResult,
    Word,
)
from stirmilter.mail.transaction import Connection, Header
from stirmilter.stir.result import printable

Method = Literal["spf", "dkim", "arc", "dmarc"]
Mode = Literal["evaluate", "trust", "both"]

METHODS: Final[frozenset[Method]] = frozenset(get_args(Method))
SIGNATURES: Final = 10
"""Default for the DKIM results that are read."""

_WORDS: Final = frozenset(get_args(Word))
_LIMITS: Final = Limits()
_UNSAID: Final = "not-reported"
_NOBODY: Final = "-"
"""Source of what no upstream has said, and we have not evaluated either."""

LENGTH: Final = 255
"""Default for the characters of a value that is read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstream:
    """Who evaluates mail before it reaches us, and over which way."""

    authserv_ids: tuple[str, ...]
    """As the upstream writes them, letter for letter."""

    networks: tuple[IPv4Network | IPv6Network, ...] = ()
    """Clients before whom the upstream stands: relays of ours; every address for a
    milter of the same Postfix."""

    daemon_names: frozenset[str] = frozenset()
    """Postfix services (``milter_macro_daemon_name``) that ask the upstream first."""

    methods: frozenset[Method] = METHODS
    """What it is believed about."""

    strips: bool = False
    """Whether the operator guarantees that nobody else's field under these ids gets
    here; without it nothing is believed."""

    def trusts(self, connection: Connection) -> bool:
        """Tell whether what comes this way has passed the upstream."""
        return self.strips and (
            connection.daemon_name in self.daemon_names
            or (
                connection.client is not None
                and any(connection.client in network for network in self.networks)
            )
        )


@dataclass(frozen=True, slots=True)
class Chosen:
    """The results that count, and where an upstream says otherwise."""

    results: MailResults
    differences: tuple[str, ...] = ()
    """Each begins with the method and a colon; printable."""


def read(
    headers: Iterable[Header],
    connection: Connection,
    upstreams: Sequence[Upstream],
    *,
    signatures: int = SIGNATURES,
    limits: Limits = _LIMITS,
    length: int = LENGTH,
) -> MailResults | None:
    """Return what trusted upstreams say of a message, or None if none says anything.

    A method that none reports is None. Signatures cover nothing: which header fields
    they sign is not in the results.

    Args:
        headers: as they arrived, the topmost first, before anything is removed.
        connection: who hands the message in.
        upstreams: whom the operator trusts.
        signatures: DKIM results that are read at most.
        limits: of each field; one beyond them is passed over.
        length: of a value in characters; one that is longer is as if it were not there,
            since what is left of an address may name somebody else's domain.
    """
    trusted = [one for one in upstreams if one.trusts(connection)]
    found: dict[Method, list[ResInfo]] = {}
    sources: dict[str, None] = {}
    for authserv_id, methods, resinfos in _fields(headers, trusted, limits):
        said = _by_method(resinfos, methods - found.keys())
        found |= said
        if said:
            sources[authserv_id] = None
    if not found:
        return None
    return MailResults(
        spf=_spf(found["spf"][0], length) if "spf" in found else None,
        dkim=_dkim(found["dkim"][:signatures], length) if "dkim" in found else None,
        arc=_arc(found["arc"][0]) if "arc" in found else None,
        dmarc=_dmarc(found["dmarc"][0], length) if "dmarc" in found else None,
        source=" ".join(sources),
    )


def choose(
    mode: Mode, ours: MailResults, theirs: MailResults | None, length: int = LENGTH
) -> Chosen:
    """Decide whose results count.

    ``evaluate`` is ours alone; ``trust`` is theirs, and what they do not say is
    ``none``; ``both`` is ours, with what they say otherwise as differences, each of at
    most `length` characters.
    """
    if mode == "trust":
        return Chosen(_complete(theirs or MailResults(source=_NOBODY)))
    if mode == "evaluate" or theirs is None:
        return Chosen(ours)
    return Chosen(ours, tuple(_differences(ours, theirs, length)))


def _fields(
    headers: Iterable[Header], trusted: Sequence[Upstream], limits: Limits
) -> Iterator[tuple[str, Collection[Method], tuple[ResInfo, ...]]]:
    """Read the fields of trusted upstreams: the id, what it may say, what it says."""
    believed: dict[str, set[Method]] = {}
    for upstream in trusted:
        for authserv_id in upstream.authserv_ids:
            believed.setdefault(authserv_id, set()).update(upstream.methods)
    for header in headers:
        if not believed or not header.named((authres.NAME,)):
            continue
        field = authres.parse(header.text, limits)
        if not isinstance(field, Parsed) or field.version != 1:
            continue
        methods = believed.get(field.authserv_id)
        plain = header.text.lstrip(" \t").startswith(field.authserv_id)
        if methods is not None and plain:
            yield field.authserv_id, methods, field.resinfos


def _by_method(
    resinfos: Iterable[ResInfo], methods: Collection[Method]
) -> dict[Method, list[ResInfo]]:
    said: dict[Method, list[ResInfo]] = {}
    for resinfo in resinfos:
        if resinfo.method in methods and resinfo.version == 1:
            said.setdefault(cast("Method", resinfo.method), []).append(resinfo)
    return said


def _word(found: ResInfo) -> Word:
    """Return a registered word; any other says nothing (RFC 8601 §2.7)."""
    return cast("Word", found.result) if found.result in _WORDS else "none"


def _spf(found: ResInfo, length: int) -> SpfResult:
    helo = not found.get("smtp.mailfrom") and bool(found.get("smtp.helo"))
    address = _text(found, "smtp.helo" if helo else "smtp.mailfrom", length)
    return SpfResult(
        word=_word(found),
        reason=_reason(found),
        scope="helo" if helo else "mailfrom",
        domain=_domain(address),
        address=address,
    )


def _dkim(found: Iterable[ResInfo], length: int) -> tuple[DkimSignature, ...]:
    """Read the signatures; ``dkim=none`` is that there is none."""
    return tuple(
        DkimSignature(
            word=_word(one),
            reason=_reason(one),
            domain=_domain(
                _text(one, "header.d", length) or _text(one, "header.i", length)
            ),
            selector=_text(one, "header.s", length),
            identity=_text(one, "header.i", length),
            algorithm=_text(one, "header.a", length),
            value=_text(one, "header.b", length),
            whole_body=False,  # nobody says so
        )
        for one in found
        if one.result != "none"
    )


def _arc(found: ResInfo) -> ArcResult:
    return ArcResult(word=_word(found), reason=_reason(found))


def _dmarc(found: ResInfo, length: int) -> DmarcResult:
    policy = found.get("policy.dmarc").lower()
    known = policy in ("none", "quarantine", "reject")
    return DmarcResult(
        word=_word(found),
        reason=_reason(found),
        domain=_domain(_text(found, "header.from", length)),
        policy=cast("Literal['none', 'quarantine', 'reject']", policy) if known else "",
    )


def _text(found: ResInfo, name: str, length: int) -> str:
    text = printable(found.get(name), length + 1)
    return text if len(text) <= length else ""


def _reason(found: ResInfo) -> str:
    return printable(found.reason or "")


def _domain(address: str) -> str:
    return address.rpartition("@")[2].rstrip(".>").lower()


def _complete(results: MailResults) -> MailResults:
    return replace(
        results,
        spf=results.spf or SpfResult(word="none", reason=_UNSAID),
        dkim=results.dkim or (),
        arc=results.arc or ArcResult(word="none", reason=_UNSAID),
        dmarc=results.dmarc or DmarcResult(word="none", reason=_UNSAID),
    )


def _differences(ours: MailResults, theirs: MailResults, length: int) -> Iterator[str]:
    """Name the methods on which both have a word, and not the same."""
    we, they = _words(ours), _words(theirs)
    for method, word in we.items():
        other = they.get(method, word)
        if other != word:
            told = f"{method}: {word} here, {other} at {theirs.source}"
            yield printable(told, length)


def _words(results: MailResults) -> dict[Method, str]:
    """Say in a word what was found; of DKIM, which domains pass."""
    found: dict[Method, str] = {}
    if results.spf is not None:
        found["spf"] = results.spf.word
    if results.dkim is not None:
        domains = {one.domain for one in results.signatures}
        found["dkim"] = f"pass of {' '.join(sorted(domains))}" if domains else "no pass"
    if results.arc is not None:
        found["arc"] = results.arc.word
    if results.dmarc is not None:
        found["dmarc"] = results.dmarc.word
    return found
