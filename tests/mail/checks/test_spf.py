"""Which identity SPF is asked about, and what each result means."""

import pytest

from stirmilter.mail.checks import spf
from stirmilter.mail.results import SpfResult
from stirmilter.stores.dns import Lookups
from tests.dns_server import DnsServer
from tests.mail.checks.spfs import CLIENT, HELO, LARGE, SENDER, checked


@pytest.mark.parametrize(
    ("record", "word", "reason"),
    [
        ("v=spf1 ip4:192.0.2.0/24 -all", "pass", "ip4"),
        ("v=spf1 -all", "fail", "all"),
        ("v=spf1 ~all", "softfail", "all"),
        ("v=spf1 ?all", "neutral", "all"),
        ("v=spf1", "neutral", "no-match"),
        ("v=spf1 mx -all", "fail", "all"),
        ("nothing", "none", "no-record"),
        ("v=spf1 nonsense -all", "permerror", "syntax"),
        ("v=spf1 redirect=none.example", "permerror", "redirect-without-record"),
        ("v=spf1 include:none.example", "permerror", "include-without-record"),
        ("v=spf1 exists:a.example exists:b.example exists:c.example", "permerror",
         "too-many-void-lookups"),
        ("v=spf1 include:example.org -all", "pass", "include"),
        ("v=spf1 include:loop.example -all", "permerror", "too-many-lookups"),
        ("v=spf1 a:broken.example -all", "temperror", "dns"),
    ],
)  # fmt: skip
def test_the_reason_tells_what_the_word_leaves_open(
    zone: DnsServer, record: str, word: str, reason: str
) -> None:
    zone.add("example.net", "TXT", record, "v=spf10 +all")
    zone.add("example.net", "MX", "10 mx.example.")
    zone.add("mx.example", "A", "198.51.100.7")
    zone.add("example.org", "TXT", "v=spf1 +all")
    zone.add("loop.example", "TXT", "v=spf1 include:0.example")
    zone.fails.add("broken.example")
    for number in range(12):
        zone.add(f"{number}.example", "TXT", f"v=spf1 include:{number + 1}.example")

    found = checked(zone)

    assert (found.word, found.reason) == (word, reason)
    assert (found.domain, found.address) == ("example.net", "one@example.net")


def test_several_records_are_none_that_can_be_read(zone: DnsServer) -> None:
    zone.add("example.net", "TXT", "v=spf1 +all", "v=spf1 -all")

    found = checked(zone)

    assert (found.word, found.reason) == ("permerror", "several-records")


@pytest.mark.parametrize("sender", ["<>", ""])
def test_the_null_sender_is_postmaster_at_helo(zone: DnsServer, sender: str) -> None:
    zone.add(HELO, "TXT", "v=spf1 exists:%{l}.allowed.example -all")
    zone.add("postmaster.allowed.example", "A", "127.0.0.2")

    found = checked(zone, sender)

    assert found == SpfResult(
        word="pass",
        reason="exists",
        scope="mailfrom",
        domain=HELO,
        address=f"postmaster@{HELO}",
    )


def test_helo_is_an_identity_of_its_own(zone: DnsServer, lookups: Lookups) -> None:
    zone.add(HELO, "TXT", "v=spf1 ip4:192.0.2.1 -all")

    found = spf.helo(CLIENT, "Mail.Example.ORG.", lookups)

    assert (found.word, found.scope, found.domain) == ("pass", "helo", HELO)
    assert found.address == "Mail.Example.ORG."


@pytest.mark.parametrize(
    ("sender", "helo"),
    [
        pytest.param("<+15551234567/TYPE=PLMN>", HELO, id="number"),
        pytest.param("<one@localhost>", HELO, id="single-label"),
        pytest.param("<one@[192.0.2.1]>", HELO, id="literal"),
        pytest.param("<one@a..example>", HELO, id="empty-label"),
        pytest.param(f"<one@{'a' * 64}.example>", HELO, id="long-label"),
        pytest.param("<one@>", HELO, id="no-domain"),
        pytest.param("<>", "[192.0.2.1]", id="helo-literal"),
        pytest.param("<>", "", id="no-helo"),
        pytest.param("<>", "one\x00two.example", id="helo-control"),
        pytest.param(f"<one@{'a.' * LARGE}example>", HELO, id="large"),
    ],
)
def test_what_has_no_domain_has_no_spf(zone: DnsServer, sender: str, helo: str) -> None:
    found = checked(zone, sender, helo=helo)

    assert (found.word, found.reason, found.domain) == ("none", "no-domain", "")
    assert zone.questions == []


def test_without_a_client_there_is_nothing_to_check(lookups: Lookups) -> None:
    found = spf.mail_from(None, HELO, SENDER, lookups)

    assert (found.word, found.reason) == ("none", "no-client")


@pytest.mark.parametrize("client", ["::ffff:192.0.2.1", "192.0.2.1"])
def test_a_mapped_address_is_one_of_ipv4(zone: DnsServer, client: str) -> None:
    zone.add("example.net", "TXT", "v=spf1 exists:%{ir}.%{v}.example -all")
    zone.add("1.2.0.192.in-addr.example", "A", "127.0.0.2")

    assert checked(zone, client=client).word == "pass"


def test_the_scope_of_an_address_is_no_part_of_it(zone: DnsServer) -> None:
    zone.add("example.net", "TXT", "v=spf1 ip6:fe80::/10 -all")

    assert checked(zone, client="fe80::1%eth0").word == "pass"


def test_the_domain_follows_the_last_at_sign(zone: DnsServer) -> None:
    zone.add("example.net", "TXT", "v=spf1 -all")
    zone.add("example.com", "TXT", "v=spf1 +all")

    found = checked(zone, '<"one@example.com"@example.net>')
    routed = checked(zone, "<@example.com,@example.org:one@example.net>")

    assert (found.word, routed.word) == ("fail", "fail")


@pytest.mark.parametrize(
    ("sender", "local_part"),
    [
        ("<@example.com,@example.org:one@example.net>", "one"),
        ("<@example.net>", "postmaster"),
        ("one@example.net", "one"),
    ],
)
def test_the_local_part_is_what_remains(
    zone: DnsServer, sender: str, local_part: str
) -> None:
    zone.add("example.net", "TXT", "v=spf1 exists:%{l}.example -all")
    zone.add(f"{local_part}.example", "A", "127.0.0.2")

    assert checked(zone, sender).word == "pass"


def test_a_domain_in_unicode_is_asked_for_in_a_labels(zone: DnsServer) -> None:
    zone.add("xn--bcher-kva.example", "TXT", "v=spf1 exists:%{d}.allowed.example -all")
    zone.add("xn--bcher-kva.example.allowed.example", "A", "127.0.0.2")

    found = checked(zone, "<one@b\u00fccher.example>")

    assert (found.word, found.domain) == ("pass", "xn--bcher-kva.example")


def test_a_local_part_outside_ascii_matches_nothing(zone: DnsServer) -> None:
    """RFC 8616 §4."""
    zone.add("example.net", "TXT", "v=spf1 exists:%{l}.example -all")
    zone.add("xn--jrg-sna.example", "A", "127.0.0.2")

    assert checked(zone, "<j\u00f6rg@example.net>").word == "fail"


def test_an_explanation_is_not_even_asked_for(zone: DnsServer) -> None:
    zone.add("example.net", "TXT", "v=spf1 -all exp=explain.example")
    zone.add("explain.example", "TXT", "buy now")

    found = checked(zone)

    assert (found.word, found.reason) == ("fail", "all")
    assert zone.asked("explain.example") == 0
