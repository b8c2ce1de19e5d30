"""Records that name nothing but addresses: remembered, with the same results."""

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stirmilter.mail.checks import spf
from stirmilter.mail.checks.spf import SpfLimits
from stirmilter.mail.checks.spfrecord import Evaluation, _of_addresses
from stirmilter.mail.results import SpfResult
from tests.dns_server import DnsServer
from tests.mail.checks.spfs import CLIENT, HELO, SENDER, checked
from tests.mail.checks.test_spf_limits import Says

CLIENTS = st.sampled_from(["192.0.2.1", "198.51.100.9", "2001:db8::1"])
TERMS = st.sampled_from(
    [
        "",
        "-all",
        "~ALL",
        "all:",
        "?ip4:192.0.2.0/24",
        "ip4:192.0.2.1//1",
        "IP4:198.51.100.9",
        "ip4:192.0.2.0/33",
        "ip4:192.0.2",
        "-ip6:2001:db8::/32",
        "ip6:2001:db8::1/129",
        "ip6:::ffff:192.0.2.1",
        "include:example.net",
        "exists:%{l}.%{i}.example",
        "a",
        "redirect=other.example",
        "x=%{d}",
    ]
)


def judged(record: str, client: str, limits: SpfLimits | None = None) -> SpfResult:
    limits = limits or SpfLimits()
    return spf.mail_from(ip_address(client), HELO, SENDER, Says(record), limits)


@given(st.lists(TERMS, max_size=4).map(" ".join), CLIENTS)
def test_pyspf_agrees_whatever_the_record_says(terms: str, client: str) -> None:
    record = f"v=spf1 {terms}"
    whole = Evaluation(
        ip_address(client),
        HELO,
        local_part="one",
        domain="example.net",
        resolver=Says(record),
        limits=SpfLimits(),
    )

    expected = whole.run()

    for _ in range(2):
        found = judged(record, client)
        assert (found.word, found.reason) == expected


@pytest.mark.parametrize("end", ["-all", "exists:%{l}.example -all", "nonsense"])
def test_a_record_is_asked_for_once(end: str) -> None:
    """However it is evaluated in the end: the memory may not hold what has no TTL."""
    says = Says(f"v=spf1 ip4:198.51.100.1 {end}")

    spf.mail_from(CLIENT, HELO, SENDER, says)

    assert says.asked.count(("example.net", "TXT")) == 1


def test_what_is_said_of_one_client_is_not_said_of_another(zone: DnsServer) -> None:
    zone.add("example.net", "TXT", "v=spf1 include:example.org ~all")
    zone.add("example.org", "TXT", "v=spf1 ip4:192.0.2.1 -all")

    for _ in range(2):
        assert checked(zone, client="192.0.2.1").reason == "include"
        assert checked(zone, client="192.0.2.2").reason == "all"


@pytest.mark.parametrize(
    ("included", "word", "reason"),
    [
        ("v=spf1 ip4:192.0.2.1", "pass", "include"),
        ("v=spf1 -ip4:192.0.2.1", "softfail", "all"),
        ("v=spf1 ?all", "softfail", "all"),
        ("v=spf1 ip4:192.0.2.999 +all", "permerror", "syntax"),
    ],
)
def test_a_record_is_included_with_its_result(
    zone: DnsServer, included: str, word: str, reason: str
) -> None:
    zone.add("example.net", "TXT", "v=spf1 include:example.org ~all")
    zone.add("example.org", "TXT", included)

    found = checked(zone)

    assert (found.word, found.reason) == (word, reason)


def test_the_limits_hold_for_what_is_remembered() -> None:
    record = "v=spf1 ip4:192.0.2.1 -all"

    for _ in range(2):
        assert judged(record, "192.0.2.1").word == "pass"
        for limits in (SpfLimits(term_octets=8), SpfLimits(record_octets=24)):
            assert judged(record, "192.0.2.1", limits).reason == "too-long"


def test_a_long_record_is_evaluated_and_not_kept() -> None:
    record = f"v=spf1{' ip4:198.51.100.1' * 200} ip4:192.0.2.1 -all"
    _of_addresses.cache_clear()

    assert judged(record, "192.0.2.1").word == "pass"
    assert judged(record, "192.0.2.2").word == "fail"
    assert _of_addresses.cache_info().currsize == 0
