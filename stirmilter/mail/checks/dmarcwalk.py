"""The DNS Tree Walk: from a domain up to its Organizational Domain (RFC 9989 §4.10)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from stirmilter.mail.checks import dmarcrecord
from stirmilter.mail.checks.dmarcrecord import Record
from stirmilter.mail.checks.dns import Resolver

QUERIES: Final = 8
"""What a walk may ask (RFC 9989 §4.10); a number of the standard and no setting."""


@dataclass(frozen=True, slots=True)
class Walk:
    """What was found from a domain up to where the walk stopped."""

    start: str
    records: dict[str, Record]
    """By domain, from the longest to the shortest."""

    failed: bool = False
    """Whether it stopped since the DNS did not answer."""

    @property
    def own(self) -> Record | None:
        """The record of the domain itself."""
        return self.records.get(self.start)

    @property
    def organizational(self) -> str:
        """The Organizational Domain (RFC 9989 §4.10.2); of a failed walk, a guess."""
        for domain, record in self.records.items():
            if record.psd == "n":
                return domain
            if record.psd == "y" and domain != self.start:
                below = self.start.split(".")[: -(domain.count(".") + 1)]
                return f"{below[-1]}.{domain}"
        return next(reversed(self.records), self.start)

    @property
    def applicable(self) -> tuple[str, Record] | None:
        """The domain and the record whose policy applies (RFC 9989 §4.10.1).

        The domain's own, else that of its Organizational Domain, else that of its
        Public Suffix Domain; what others there are between these is nobody's policy.
        """
        public = next((d for d, one in self.records.items() if one.psd == "y"), "")
        for domain in (self.start, self.organizational, public):
            if domain in self.records:
                return domain, self.records[domain]
        return None


def walk(domain: str, resolver: Resolver, octets: int = dmarcrecord.OCTETS) -> Walk:
    """Walk up from a domain in its one spelling, by at most eight questions.

    Args:
        domain: where to begin.
        resolver: asks for this message.
        octets: of a record; a longer one is none.
    """
    records: dict[str, Record] = {}
    for target in _targets(domain):
        record, failed = find(target, resolver, octets)
        if failed:
            return Walk(domain, records, failed=True)
        if record is not None:
            records[target] = record
            if record.psd != "u":
                break
    return Walk(domain, records)


def find(
    domain: str, resolver: Resolver, octets: int = dmarcrecord.OCTETS
) -> tuple[Record | None, bool]:
    """Return the record of one domain, and whether the DNS failed to answer.

    Records of something else do not count; several of DMARC are as good as none
    (RFC 9989 §4.10 step 2).
    """
    answer = resolver.ask(f"_dmarc.{domain}", "TXT")
    if answer.outcome == "temporary":
        return None, True
    read = (dmarcrecord.parse(text, octets) for text in answer.records)
    records = [record for record in read if record is not None]
    return (records[0] if len(records) == 1 else None), False


def _targets(domain: str) -> Iterator[str]:
    """Return the domain, then those above it; of a long one the last seven labels."""
    yield domain
    labels = domain.split(".")
    first = max(1, len(labels) - QUERIES + 1)
    for position in range(first, len(labels)):
        yield ".".join(labels[position:])
