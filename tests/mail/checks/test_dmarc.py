"""Whose domain vouches for the author, and what the owner asks for if none does."""

import time
from ipaddress import ip_address

import pytest

from stirmilter.mail.checks import dmarc, dmarcwalk, spf
from stirmilter.mail.results import DmarcResult
from stirmilter.stores.dns import Dns, DnsLimits, Lookups
from tests.dns_server import DnsServer
from tests.mail.checks.vouchers import by_dkim, by_spf, publish
from tests.silence import only_silence_takes_time
from tests.untraced import untraced

LARGE = 300_000


@pytest.mark.conformance("E-14")
def test_a_walk_asks_at_most_eight_questions(zone: DnsServer, lookups: Lookups) -> None:
    """The example of RFC 9989 §4.10."""
    dmarcwalk.walk("a.b.c.d.e.f.g.h.i.j.mail.example.com", lookups)

    assert [one.name for one in zone.questions] == [
        "_dmarc.a.b.c.d.e.f.g.h.i.j.mail.example.com",
        "_dmarc.g.h.i.j.mail.example.com",
        "_dmarc.h.i.j.mail.example.com",
        "_dmarc.i.j.mail.example.com",
        "_dmarc.j.mail.example.com",
        "_dmarc.mail.example.com",
        "_dmarc.example.com",
        "_dmarc.com",
    ]


@pytest.mark.parametrize(("labels", "questions"), [(1, 1), (7, 7), (8, 8), (9, 8)])
def test_a_walk_ends_at_the_top(
    zone: DnsServer, lookups: Lookups, labels: int, questions: int
) -> None:
    name = ".".join("abcdefghi"[:labels])
    dmarcwalk.walk(name, lookups)

    assert len(zone.questions) == questions
    assert zone.questions[-1].name == f"_dmarc.{name[-1]}"


@pytest.mark.parametrize(
    ("records", "organizational"),
    [
        # The examples of RFC 9989 §4.10.2.
        ({"mail.example.com": "p=none", "example.com": "p=none"}, "example.com"),
        ({"mail.example.com": "p=none; psd=n", "example.com": "p=none"},
         "mail.example.com"),
        ({"com": "p=none; psd=y"}, "example.com"),
        ({"example.com": "p=none; psd=y", "com": "p=none"}, "mail.example.com"),
        # Ours.
        ({}, "a.mail.example.com"),
        ({"a.mail.example.com": "p=none"}, "a.mail.example.com"),
        ({"a.mail.example.com": "p=none; psd=y", "com": "p=none"},
         "a.mail.example.com"),
        ({"com": "p=none"}, "com"),
        ({"com": "p=none; psd=u", "example.com": "p=none"}, "com"),
        ({"com": "p=none; psd=y", "example.com": "p=none; psd=n"}, "example.com"),
    ],
)  # fmt: skip
def test_the_walk_finds_the_organizational_domain(
    zone: DnsServer,
    lookups: Lookups,
    records: dict[str, str],
    organizational: str,
) -> None:
    publish(zone, records)

    found = dmarcwalk.walk("a.mail.example.com", lookups)

    assert found.organizational == organizational


@pytest.mark.parametrize(
    ("records", "policy", "above"),
    [
        ({"a.example.com": "p=quarantine", "example.com": "p=reject"}, "quarantine",
         "example.com"),
        ({"example.com": "p=reject"}, "reject", "example.com"),
        ({"example.com": "p=reject; sp=quarantine"}, "quarantine", "example.com"),
        ({"com": "p=reject; psd=y"}, "reject", "example.com"),
        ({"com": "p=reject; psd=y", "example.com": "p=quarantine"}, "quarantine",
         "example.com"),
        ({"com": "p=reject", "example.com": "p=quarantine"}, "reject", "com"),
        ({"a.example.com": "rua=mailto:x@example.com", "example.com": "p=reject"},
         "none", "example.com"),
    ],
)  # fmt: skip
def test_the_policy_is_of_the_author_or_the_organization_or_the_suffix(
    zone: DnsServer,
    lookups: Lookups,
    records: dict[str, str],
    policy: str,
    above: str,
) -> None:
    zone.add("a.example.com", "A", "192.0.2.1")
    publish(zone, records)

    found = dmarc.check("a.example.com", None, [], lookups)

    assert found == DmarcResult(
        word="fail",
        reason="not-authenticated",
        domain="a.example.com",
        organizational=above,
        policy=policy,  # type: ignore[arg-type]
    )


def test_a_record_between_the_author_and_the_organization_is_nobodys(
    zone: DnsServer, lookups: Lookups
) -> None:
    publish(zone, {"b.example.com": "p=reject", "example.com": "p=quarantine"})

    assert dmarc.check("a.b.example.com", None, [], lookups).policy == "quarantine"


@pytest.mark.parametrize(
    ("known", "policy"),
    [
        ("example.com", "reject"),
        ("a.example.com", "none"),
        ("b.a.example.com", "none"),
    ],
)
def test_np_is_for_domains_that_do_not_exist(
    zone: DnsServer, lookups: Lookups, known: str, policy: str
) -> None:
    zone.add(known, "A", "192.0.2.1")
    publish(zone, {"example.com": "p=none; np=reject"})

    assert dmarc.check("a.example.com", None, [], lookups).policy == policy


def test_existence_is_asked_for_only_if_it_matters(
    zone: DnsServer, lookups: Lookups
) -> None:
    publish(zone, {"example.com": "p=reject; sp=reject; np=reject"})
    publish(zone, {"example.net": "p=none; np=reject"})

    dmarc.check("a.example.com", None, [], lookups)
    dmarc.check("example.net", None, [], lookups)

    assert {one.kind for one in zone.questions} == {"TXT"}


@pytest.mark.parametrize("records", [{}, {"example.com": ""}, {"com": "p=nonsense"}])
def test_without_a_policy_there_is_no_dmarc(
    zone: DnsServer, lookups: Lookups, records: dict[str, str]
) -> None:
    publish(zone, records)

    found = dmarc.check("example.com", by_spf("example.com"), [], lookups)

    assert found.word == "none"
    assert found.reason == ("no-policy" if records else "no-record")


def test_several_records_are_none_and_those_of_something_else_do_not_count(
    zone: DnsServer, lookups: Lookups
) -> None:
    zone.add("_dmarc.example.com", "TXT", "v=DMARC1; p=reject", "v=DMARC1; p=none")
    zone.add(
        "_dmarc.example.net", "TXT", "v=DMARC1; p=reject", "v=spf1 -all", "x" * 900
    )

    assert dmarc.check("example.com", None, [], lookups).reason == "no-record"
    assert dmarc.check("example.net", None, [], lookups).policy == "reject"


def test_a_stranger_makes_us_ask_nothing(zone: DnsServer, lookups: Lookups) -> None:
    publish(zone, {"example.com": "p=reject"})
    many = by_dkim(*(f"{n}.attacker.example" for n in range(100)))

    dmarc.check("example.com", by_spf("attacker.example"), many, lookups)

    assert {one.name for one in zone.questions} == {"_dmarc.example.com", "_dmarc.com"}


def test_slow_names_of_spf_leave_time_for_dmarc(
    zone: DnsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    only_silence_takes_time(zone, monkeypatch)
    zone.silent.add("attacker.example")
    publish(zone, {"example.com": "p=reject"})
    limits = DnsLimits(
        question_seconds=1.0, server_seconds=0.5, message_seconds=4.0, questions=20
    )
    whole = Dns([zone.address], limits).for_message()
    includes = " ".join(f"include:{n}.attacker.example" for n in range(9))
    zone.add("attacker.test", "TXT", f"v=spf1 {includes} -all")

    judged = spf.mail_from(
        ip_address("192.0.2.1"),
        "attacker.test",
        "x@attacker.test",
        whole.reserve(2.0, 10),
    )

    assert judged.word == "temperror"
    assert dmarc.check("example.com", judged, [], whole).word == "fail"


def test_the_number_of_identifiers_is_bounded(
    zone: DnsServer, lookups: Lookups
) -> None:
    publish(zone, {"example.com": "p=reject", "lab.example.com": "p=none; psd=n"})
    dkim = by_dkim(*(f"{n}.lab.example.com" for n in range(10)), "example.com")

    eleven, one = (dmarc.DmarcLimits(identifiers=n) for n in (11, 1))
    assert dmarc.check("example.com", None, dkim, lookups).word == "fail"
    assert dmarc.check("example.com", None, dkim, lookups, eleven).word == "pass"
    failing = by_spf("example.com", "temperror")
    assert dmarc.check("example.com", failing, dkim[-1:], lookups, one).word == "pass"


@pytest.mark.parametrize(
    ("fields", "domain", "reason"),
    [
        (["One <one@Example.COM>"], "example.com", ""),
        (["one@example.com, two@EXAMPLE.com."], "example.com", ""),
        (["one@b\u00fccher.example"], "xn--bcher-kva.example", ""),
        (["+15551234567/TYPE=PLMN@mms.example"], "mms.example", ""),
        (["Group: one@example.com;"], "example.com", ""),
        (['"a@example.net" <one@example.com>'], "example.com", ""),
        (["one@example.com (two@example.net)"], "example.com", ""),
        (["+15551234567/TYPE=PLMN, one@example.com"], "", "several-domains"),
        (["one@example.com, +15551234567"], "", "several-domains"),
        (["+15551234567, +15551234568"], "", "several-authors"),
        (["Group: +15551234567, one@example.com;"], "", "several-domains"),
        (["ceo@[bank.example], one@example.com"], "", "address-literal"),
        (["one@example.com, ceo@[bank.example]"], "", "address-literal"),
        (["ceo@bank.example: one@example.com;"], "", "unreadable-from"),
        (["<ceo@bank.example>: one@example.com;"], "", "unreadable-from"),
        (["ceo@bank.example: one@example.com"], "", "unreadable-from"),
        (["a:ceo@bank.example:one@example.com;"], "", "unreadable-from"),
        (["a: b: one@example.com;"], "", "unreadable-from"),
        (["+15551234567/TYPE=PLMN"], "", "no-domain"),
        (["+15551234567"], "", "no-domain"),
        (["one@[192.0.2.1]"], "", "address-literal"),
        (["Group:;"], "", "no-domain"),
        ([""], "", "no-domain"),
        ([], "", "no-from"),
        (["one@example.com", "one@example.com"], "", "several-from"),
        (["one@example.com, two@example.net"], "", "several-domains"),
        (["one@example.com <two@example.net>"], "", "unreadable-from"),
        (["one@example.com@example.net"], "", "unreadable-from"),
        (["one@a..example"], "", "malformed-domain"),
        (["one@\udcff.example"], "", "malformed-domain"),
        ([f"one@{'a' * 64}.example"], "", "malformed-domain"),
    ],
)
def test_the_author_domain_is_one_or_none(
    fields: list[str], domain: str, reason: str
) -> None:
    assert dmarc.author(fields) == (domain, reason)


@pytest.mark.conformance("E-13")
@pytest.mark.parametrize(
    ("fields", "word"),
    [
        (["one@example.com"], "fail"),
        (["+15551234567/TYPE=PLMN"], "none"),
        ([], "none"),
        (["one@example.com, two@example.net"], "permerror"),
        (["one@a..example"], "permerror"),
        (["+15551234567, one@example.com"], "permerror"),
        (["+15551234567, +15551234568"], "permerror"),
        (["one@[192.0.2.1]"], "permerror"),
        (["ceo@bank.example: one@example.com;"], "permerror"),
    ],
)
def test_a_message_is_checked_by_its_from(
    zone: DnsServer, lookups: Lookups, fields: list[str], word: str
) -> None:
    publish(zone, {"example.com": "p=reject"})

    found = dmarc.check_author(dmarc.author(fields), None, [], lookups)

    assert (found.word, found.domain) == (word, "example.com" if word == "fail" else "")


@pytest.mark.parametrize(
    "value",
    [
        "a@b.example," * (LARGE // 12),
        "(" * LARGE,
        '"' * LARGE,
        "one@" + "a." * (LARGE // 2) + "example",
        "one@" + "\u00fc" * LARGE + ".example",
        "<" * LARGE,
    ],
    ids=["many", "comments", "quotes", "labels", "unicode", "brackets"],
)
def test_a_hostile_from_costs_little(
    zone: DnsServer, lookups: Lookups, value: str
) -> None:
    before = time.process_time()

    with untraced():
        found = dmarc.check_author(dmarc.author([value]), None, [], lookups)

    assert found.word == "permerror"
    assert time.process_time() - before < 1
    assert zone.questions == []
