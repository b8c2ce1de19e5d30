"""What an SPF record says of a client: check_host() by pyspf, over look-ups of ours.

What pyspf would do by itself is never done: it asks the system's resolver, search
domains included. Of its release 2.0.14 this mends:

* terms and records of any length, which it reads in quadratic time: a term of 64 kB,
  as an answer by TCP may hold, costs it a minute;
* a name of more than 253 characters after expansion loses one label, not as many as it
  takes (RFC 7208 §7.3);
* a failure to find the names of an address is no failure of SPF (§5.5);
* a number of thousands of digits is an exception in Python;
* each macro may cost a sixth of a millisecond, and there may be thousands.

The explanation that a domain publishes (``exp=``) is neither asked for nor used: it is
a stranger's text for our replies, and §6.2 leaves the choice to us.
"""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any, Final

from stirmilter.mail.checks.dns import Answer, Kind, Resolver
from stirmilter.mail.results import BUDGET, Word
from stirmilter.stir.remembering import remembered
from stirmilter.stores import domainname

with warnings.catch_warnings():  # its source has escapes that Python came to dislike
    warnings.simplefilter("ignore")
    import spf

_KINDS: Final[dict[str, Kind]] = {
    "A": "A",
    "AAAA": "AAAA",
    "MX": "MX",
    "PTR": "PTR",
    "TXT": "TXT",
}
_WORDS: Final[dict[str, Word]] = {
    "pass": "pass",
    "fail": "fail",
    "softfail": "softfail",
    "neutral": "neutral",
    "none": "none",
    "temperror": "temperror",
    "permerror": "permerror",
}
_MECHANISMS: Final = ("all", "include", "exists", "ptr", "ip4", "ip6", "mx", "a")
_DECIDED: Final = frozenset({"pass", "fail", "softfail", "neutral"})
_ADDRESSES: Final = re.compile(
    r"[-+?~]?(?:all|ip4:[0-9./]+|ip6:[0-9a-f:./]+)", re.ASCII | re.IGNORECASE
)
_PROBLEMS: Final = (
    # How pyspf's messages begin, which go on with a stranger's text.
    ("Too many DNS lookups", "too-many-lookups"),
    ("Void lookup", "too-many-void-lookups"),
    ("More than", "too-many-names"),
    ("Two or more", "several-records"),
    ("No valid SPF record for included", "include-without-record"),
    ("redirect domain has no SPF", "redirect-without-record"),
    ("too long", "too-long"),
    ("too many macros", "too-many-macros"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SpfLimits:
    """What the evaluation of one identity may cost (RFC 7208 §4.6.4)."""

    lookups: int = 10
    """Terms that ask the DNS."""

    void_lookups: int = 2
    """Look-ups that find nothing."""

    names: int = 10
    """Names of an address that are looked at."""

    record_octets: int = 8_192
    term_octets: int = 512
    """Names end at 253; a macro may be longer than what it stands for."""

    local_part: int = 512
    macros: int = 100
    """Expanded in all; each may stand for the whole sender, turned and quoted."""


def check_host(
    client: IPv4Address | IPv6Address,
    helo: str,
    *,
    local_part: str,
    domain: str,
    resolver: Resolver,
    limits: SpfLimits,
) -> tuple[Word, str]:
    """Evaluate the record of a domain (RFC 7208 §4): the word and the code of why.

    Args:
        client: who speaks.
        helo: as given.
        local_part: of the sender.
        domain: of the sender, in its one spelling.
        resolver: asks for this message.
        limits: what it may cost.
    """
    answer = resolver.ask(domain, "TXT")
    records = [one for one in answer.records if spf.RE_SPF.match(one.encode("latin-1"))]
    if len(records) == 1 and len(records[0]) <= limits.record_octets:
        found = _of_addresses(records[0], _plain(client), limits.term_octets)
        if found is not None:
            return found
    evaluation = Evaluation(
        client,
        helo,
        local_part=local_part,
        domain=domain,
        resolver=resolver,
        limits=limits,
        answer=answer,
    )
    return evaluation.run()


@remembered(2_048)
def _of_addresses(record: str, client: str, longest: int) -> tuple[Word, str] | None:
    """Evaluate a record that names nothing but addresses; None if there is more to it.

    Nobody is asked then, and no macro stands for anything, so what it says of a client
    is up to nothing else; the last few results are remembered.

    Args:
        record: its text.
        client: an address without scope.
        longest: octets of a term.
    """
    terms = record.split(" ")[1:]
    if not all(_ADDRESSES.fullmatch(term) for term in terms if term):
        return None
    evaluation = Evaluation(
        ip_address(client),
        "",
        local_part="",
        domain="",
        resolver=_Nobody(),
        limits=SpfLimits(record_octets=len(record), term_octets=longest),
    )
    return evaluation.run(record)


class _Nobody:
    """Stands for the DNS where nothing is asked."""

    def ask(self, _name: str, _kind: Kind) -> Answer:
        return Answer("temporary")


class Evaluation(spf.query):
    """One run of check_host() (RFC 7208 §4)."""

    def __init__(
        self,
        client: IPv4Address | IPv6Address,
        helo: str,
        *,
        local_part: str,
        domain: str,
        resolver: Resolver,
        limits: SpfLimits,
        answer: Answer | None = None,
    ) -> None:
        """Take what the macros stand for; the domain in its one spelling.

        `answer` is that to the first question, for the records of the domain, if it
        was asked before.
        """
        self._client = _plain(client)
        super().__init__(
            self._client,
            f"{local_part}@{domain}",
            domainname.canonical(helo) or "unknown",
        )
        # pyspf cuts at the first @, which may be one in quotes.
        self.l, self.o, self.d = local_part, domain, domain
        self._resolver = resolver
        self._limits = limits
        self._answer = answer
        self._macros = 0
        self._spent = False
        """Whether the last look-up that failed did so for want of time or questions."""

    def run(self, record: str | None = None) -> tuple[Word, str]:
        """Return the word and the code of why; of a record without asking for it."""
        try:
            word = _WORDS.get(self.check(record)[0], "permerror")
        except Exception:  # noqa: BLE001 - whatever a record makes pyspf raise
            return "permerror", "malformed"
        if word == "temperror":
            return word, BUDGET if self._spent else "dns"
        if word == "permerror":
            return word, _problem(self.perm_error)
        if word == "none":
            return word, "no-record"
        return word, _mechanism(self.mechanism)

    def check0(self, record: str | None, recursion: int) -> tuple[str, int, str]:
        """Refuse what is too long before it is read."""
        terms = (record or "").split(" ")
        if len(record or "") > self._limits.record_octets or any(
            len(term) > self._limits.term_octets for term in terms
        ):
            raise spf.PermError("too long")
        if record and recursion:  # at the top `check_host` has seen to it
            found = _of_addresses(record, self._client, self._limits.term_octets)
            if found is not None and found[0] in _DECIDED:
                return found[0], 250, ""
        return super().check0(record, recursion)

    def check_lookups(self) -> None:
        """Count a term that asks the DNS (RFC 7208 §4.6.4)."""
        self.lookups += 1
        if self.lookups > self._limits.lookups:
            raise spf.PermError("Too many DNS lookups")

    def get_explanation(self, spec: str) -> None:
        """Ask for none; see above."""

    def expand(self, s: str, stripdot: bool = True) -> str:
        """Cut a name from the left until it is short enough (RFC 7208 §7.3)."""
        self._macros += s.count("%{")
        if self._macros > self._limits.macros:
            raise spf.PermError("too many macros")
        expanded = super().expand(_Whole(s), stripdot)
        while len(expanded) > domainname.LENGTH and "." in expanded:
            expanded = expanded.partition(".")[2]
        return expanded

    def validated_ptrs(self) -> list[str]:
        """Return the names that lead back to the client (RFC 7208 §5.5)."""
        try:
            names = self.dns_ptr(self.i)[: self._limits.names]
        except spf.TempError:
            return []
        return [name for name in names if self._leads_back(name)]

    def _leads_back(self, name: str) -> bool:
        try:
            return self.cidrmatch(self.dns_a(name, self.A), self.cidrmax)
        except spf.TempError:
            return False

    def dns(
        self,
        name: str,
        qtype: str,
        cnames: object = None,  # noqa: ARG002 - pyspf's signature
        ignore_void: bool = False,
    ) -> list[Any]:
        """Ask in place of pyspf; count what finds nothing."""
        found = self._ask(name, _KINDS[qtype])
        if not found and not ignore_void:
            self.void_lookups += 1
            if self.void_lookups > self._limits.void_lookups:
                raise spf.PermError("Void lookup limit")
        return found

    def _ask(self, name: str, kind: Kind) -> list[Any]:
        if not name.isascii():  # a local part in UTF-8 never matches (RFC 8616 §4)
            return []
        answer, self._answer = self._answer, None
        if answer is None:
            answer = self._resolver.ask(name, kind)
        if answer.outcome == "temporary":
            self._spent = answer.cause == "spent"
            raise spf.TempError(answer.detail)
        if kind == "TXT":
            return [(record.encode("latin-1"),) for record in answer.records]
        if kind == "MX":
            pairs = (record.partition(" ") for record in answer.records)
            return [(int(pair[0]), pair[2].removesuffix(".")) for pair in pairs]
        return list(answer.records)


class _Whole(str):
    """A text that pyspf searches once, and not once for each of its labels."""

    __slots__ = ()

    def split(self, *_: object) -> list[str]:
        """Return the text in one piece."""
        return [str(self)]


def _plain(client: IPv4Address | IPv6Address) -> str:
    """Write an address without scope; a mapped one as that of IPv4 (RFC 7208 §5)."""
    if isinstance(client, IPv6Address):
        return str(client.ipv4_mapped or IPv6Address(int(client)))
    return str(client)


def _problem(error: spf.PermError | None) -> str:
    message = error.msg if error else ""
    codes = (code for start, code in _PROBLEMS if message.startswith(start))
    return next(codes, "syntax")


def _mechanism(term: str | None) -> str:
    """Name the mechanism that decided; the rest of the term is a stranger's text."""
    name = (term or "").lstrip("+-?~").lower()
    known = (one for one in _MECHANISMS if name.startswith(one))
    return next(known, "no-match")


def _refuse(*_: object, **__: object) -> list[Any]:
    raise spf.TempError("pyspf may not ask by itself")


spf.DNSLookup = _refuse
