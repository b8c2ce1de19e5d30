"""What the tests of DMARC share: who vouches, and records to publish."""

from stirmilter.mail.results import DkimSignature, SpfResult, Word
from tests.dns_server import DnsServer


def by_spf(domain: str, word: Word = "pass") -> SpfResult:
    return SpfResult(word=word, domain=domain)


def by_dkim(*domains: str, word: Word = "pass") -> list[DkimSignature]:
    return [DkimSignature(word=word, domain=domain) for domain in domains]


def publish(zone: DnsServer, records: dict[str, str]) -> None:
    for domain, tags in records.items():
        zone.add(f"_dmarc.{domain}", "TXT", f"v=DMARC1; {tags}")
