"""Which identifiers vouch for the author: those that pass and are aligned."""

from ipaddress import ip_address

import pytest

from stirmilter.mail.checks import dmarc, spf
from stirmilter.mail.results import DkimSignature, SpfResult, Word
from stirmilter.stores.dns import Lookups
from tests.dns_server import DnsServer
from tests.mail.checks.vouchers import by_dkim, by_spf, publish


@pytest.mark.parametrize(
    ("tags", "identifier", "aligned"),
    [
        ("p=reject", "a.example.com", True),
        ("p=reject", "example.com", True),
        ("p=reject", "b.c.example.com", True),
        ("p=reject", "example.net", False),
        ("p=reject", "notexample.com", False),
        ("p=reject", "com", False),
        ("p=reject; adkim=s; aspf=s", "a.example.com", True),
        ("p=reject; adkim=s; aspf=s", "example.com", False),
        ("p=reject; adkim=s; aspf=s", "b.a.example.com", False),
    ],
)
def test_what_is_aligned_passes(
    zone: DnsServer, lookups: Lookups, tags: str, identifier: str, aligned: bool
) -> None:
    publish(zone, {"example.com": tags})

    for method, found in (
        ("spf", dmarc.check("a.example.com", by_spf(identifier), [], lookups)),
        ("dkim", dmarc.check("a.example.com", None, by_dkim(identifier), lookups)),
    ):
        assert found.word == ("pass" if aligned else "fail")
        assert found.reason == ("" if aligned else "not-aligned")
        assert found.aligned == ((f"{method}={identifier}",) if aligned else ())
        assert found.policy == "reject"


def test_each_method_has_its_own_strictness(zone: DnsServer, lookups: Lookups) -> None:
    publish(zone, {"example.com": "p=reject; aspf=s"})
    publish(zone, {"example.net": "p=reject; adkim=s"})

    def aligned(domain: str) -> tuple[str, ...]:
        above = f"a.{domain}"
        return dmarc.check(domain, by_spf(above), by_dkim(above), lookups).aligned

    assert aligned("example.com") == ("dkim=a.example.com",)
    assert aligned("example.net") == ("spf=a.example.net",)


def test_an_organization_of_its_own_is_not_aligned_with_the_one_above(
    zone: DnsServer, lookups: Lookups
) -> None:
    publish(zone, {"example.com": "p=reject", "lab.example.com": "p=none; psd=n"})

    above = dmarc.check("example.com", None, by_dkim("x.lab.example.com"), lookups)
    below = dmarc.check("x.lab.example.com", None, by_dkim("example.com"), lookups)
    within = dmarc.check("x.lab.example.com", None, by_dkim("lab.example.com"), lookups)

    assert (above.word, below.word, within.word) == ("fail", "fail", "pass")


def test_neighbours_below_a_public_suffix_are_not_aligned(
    zone: DnsServer, lookups: Lookups
) -> None:
    publish(zone, {"bank": "p=reject; psd=y"})

    found = dmarc.check("one.bank", None, by_dkim("two.bank", "a.one.bank"), lookups)

    assert found.aligned == ("dkim=a.one.bank",)


def test_every_identifier_that_passes_counts(zone: DnsServer, lookups: Lookups) -> None:
    publish(zone, {"example.com": "p=reject"})
    dkim = [
        *by_dkim("example.com", word="fail"),
        *by_dkim("example.net", "a.example.com", "a.example.com", "example.com"),
    ]

    found = dmarc.check("example.com", by_spf("example.com"), dkim, lookups)

    assert found.aligned == (
        "spf=example.com",
        "dkim=a.example.com",
        "dkim=example.com",
    )


@pytest.mark.conformance("E-12")
@pytest.mark.parametrize("word", ["fail", "softfail", "neutral", "none", "permerror"])
def test_what_does_not_pass_does_not_count(
    zone: DnsServer, lookups: Lookups, word: Word
) -> None:
    publish(zone, {"example.com": "p=reject"})
    dkim = by_dkim("example.com", word=word)

    found = dmarc.check("example.com", by_spf("example.com", word), dkim, lookups)

    assert (found.word, found.reason) == ("fail", "not-authenticated")


def test_the_identity_of_helo_says_nothing(zone: DnsServer, lookups: Lookups) -> None:
    publish(zone, {"example.com": "p=reject"})
    zone.add("example.com", "TXT", "v=spf1 +all")
    client = ip_address("192.0.2.1")
    by_helo = spf.helo(client, "example.com", lookups)
    null = spf.mail_from(client, "example.com", "<>", lookups)

    assert (by_helo.word, null.word) == ("pass", "pass")
    assert dmarc.check("example.com", by_helo, [], lookups).word == "fail"
    assert dmarc.check("example.com", null, [], lookups).word == "pass"


@pytest.mark.parametrize(
    ("broken", "identifier", "word", "reason"),
    [
        # No record is known yet.
        ("_dmarc.a.example.com", "a.example.com", "temperror", "dns"),
        # The author's own is, and his organization is not.
        ("_dmarc.example.org", "b.example.org", "temperror", "undecided-alignment"),
        ("_dmarc.example.org", "o.example.org", "pass", ""),
        ("_dmarc.example.org", "example.net", "fail", "not-aligned"),
        # That of the identifier is not.
        ("_dmarc.b.example.com", "b.example.com", "temperror", "undecided-alignment"),
        # Nobody needs that one.
        ("_dmarc.example.net", "b.example.net", "fail", "not-aligned"),
    ],
)
def test_what_the_dns_did_not_tell_is_a_temporary_error_if_it_matters(
    zone: DnsServer,
    lookups: Lookups,
    broken: str,
    identifier: str,
    word: str,
    reason: str,
) -> None:
    publish(zone, {"example.com": "p=reject", "o.example.org": "p=reject"})
    zone.fails.add(broken)
    author = "o.example.org" if "example.org" in broken else "a.example.com"

    found = dmarc.check(author, None, by_dkim(identifier), lookups)

    assert (found.word, found.reason) == (word, reason)
    assert (found.policy == "") == (word == "temperror")
    known = {"_dmarc.b.example.com", "_dmarc.example.net"}
    assert found.organizational == ("example.com" if broken in known else "")


@pytest.mark.parametrize(
    ("identifier", "word"),
    [("b.example.com", "temperror"), ("attacker.example", "fail")],
)
def test_only_an_identifier_that_could_have_helped_leaves_it_undecided(
    zone: DnsServer, lookups: Lookups, identifier: str, word: str
) -> None:
    """A sender must not escape the policy of another by a dead server of his own."""
    publish(zone, {"example.com": "p=reject"})

    failing = by_spf(identifier, "temperror")
    signed = by_dkim(identifier, word="temperror")

    assert dmarc.check("example.com", failing, [], lookups).word == word
    assert dmarc.check("example.com", None, signed, lookups).word == word
    passing = by_dkim("example.com")
    assert dmarc.check("example.com", failing, passing, lookups).word == "pass"


def test_what_was_not_asked_for_leaves_nothing_undecided(
    zone: DnsServer, lookups: Lookups
) -> None:
    """A sender must not escape a policy by spending what his message may ask."""
    publish(zone, {"example.com": "p=reject"})
    sender = SpfResult(word="temperror", reason="budget", domain="example.com")
    signature = DkimSignature(word="temperror", reason="budget", domain="example.com")

    found = dmarc.check("example.com", sender, [signature], lookups)

    assert (found.word, found.reason) == ("fail", "not-authenticated")
    passing = by_dkim("example.com")
    assert dmarc.check("example.com", sender, passing, lookups).word == "pass"
