"""What is beyond a limit of [checks]: told in a word, and nothing more is looked at."""

import pytest

from stirmilter.mail.checks import dmarc
from stirmilter.mail.checks.dns import Answer
from stirmilter.mail.checks.verification import DkimLimits
from stirmilter.mail.results import DmarcResult
from stirmilter.stores.dns import Lookups
from tests.dns_server import DnsServer
from tests.mail.checks.signed import DOMAIN, Zone, check, check_arc, rsa_record, sign
from tests.mail.checks.test_arc import CHAIN
from tests.mail.checks.vouchers import by_dkim, publish


@pytest.mark.parametrize(
    ("looked_at", "expected"),
    [(3, ("pass", "")), (2, ("permerror", "malformed-key"))],
)
def test_no_more_records_of_a_key_are_looked_at_than_may_be(
    looked_at: int, expected: tuple[str, str]
) -> None:
    """Beyond, the first one that is wrong says why."""
    several = Answer("found", ("p=!", "p=", rsa_record()))
    limits = DkimLimits(key_records=looked_at)

    [found] = check(sign(), Zone({f"rsa._domainkey.{DOMAIN}": several}), limits)

    assert (found.word, found.reason) == expected


def test_the_instance_of_arc_results_must_stand_within_the_limit_of_a_field() -> None:
    """The field may be longer: relays list many results. Its seal holds all of it."""
    limits = DkimLimits(field_size=4_000)
    near = CHAIN.replace(b"Results: i=1;", b"Results:" + b" " * 3_996 + b"i=1;")
    far = CHAIN.replace(b"Results: i=1;", b"Results:" + b" " * 3_998 + b"i=1;")

    assert near != CHAIN
    assert check_arc(near, limits=limits).word == "pass"
    assert check_arc(far, limits=limits).reason == "malformed-set"


def test_a_record_beyond_the_limit_is_none(zone: DnsServer, lookups: Lookups) -> None:
    """That of the author, and that of a domain which may be aligned."""
    publish(zone, {"example.com": "p=reject; psd=n", "a.example.com": "p=none; psd=n"})
    octets = len("v=DMARC1; p=reject; psd=n")

    def found(most: int, *signers: str) -> DmarcResult:
        limits = dmarc.DmarcLimits(record_octets=most)
        return dmarc.check("example.com", None, by_dkim(*signers), lookups, limits)

    assert found(octets, "example.com").policy == "reject"
    assert found(octets - 1, "example.com").reason == "no-record"
    assert found(octets, "a.example.com").reason == "not-aligned"


def test_the_record_of_a_signer_beyond_the_limit_is_none_as_well(
    zone: DnsServer, lookups: Lookups
) -> None:
    """Then nothing says that the signer's is an organization of its own."""
    long = "p=none; psd=n; x=" + "y" * 40
    publish(zone, {"example.com": "p=reject", "a.example.com": long})

    def found(most: int) -> DmarcResult:
        limits = dmarc.DmarcLimits(record_octets=most)
        signers = by_dkim("a.example.com")
        return dmarc.check("example.com", None, signers, lookups, limits)

    octets = len("v=DMARC1; " + long)
    assert found(octets).reason == "not-aligned"
    assert found(octets - 1).word == "pass"
