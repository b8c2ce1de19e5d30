"""Which identity SPF is asked about, what each result means, and what it may cost."""

import socket
import threading
import time
from ipaddress import ip_address

import pytest
import spf as pyspf
from hypothesis import given
from hypothesis import strategies as st

from stirmilter.mail.checks import spf
from stirmilter.mail.checks.dns import Answer, Kind
from stirmilter.mail.results import SpfResult
from stirmilter.stores.dns import Dns, DnsLimits, Lookups
from tests.dns_server import DnsServer
from tests.untraced import untraced

CLIENT = ip_address("192.0.2.1")
HELO = "mail.example.org"
SENDER = "<one@example.net>"
LARGE = 300_000


class Says:
    """Says the same of every name; counts how often it was asked."""

    def __init__(self, *records: str) -> None:
        self.answer = Answer("found", records)
        self.asked: list[tuple[str, Kind]] = []

    def ask(self, name: str, kind: Kind) -> Answer:
        self.asked.append((name, kind))
        return self.answer if kind == "TXT" else Answer("no-name")


def checked(
    zone: DnsServer, sender: str = SENDER, client: str = "192.0.2.1", helo: str = HELO
) -> SpfResult:
    lookups = Dns([zone.address]).for_message()
    return spf.mail_from(ip_address(client), helo, sender, lookups)


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


def test_names_of_an_address_that_fail_are_passed_over(zone: DnsServer) -> None:
    """RFC 7208 §5.5."""
    zone.add("example.net", "TXT", "v=spf1 ptr -all")
    zone.add("2.2.0.192.in-addr.arpa", "PTR", "a.example.net.", "b.example.net.")
    zone.add("b.example.net", "A", "192.0.2.2")
    zone.fails |= {"a.example.net", "1.2.0.192.in-addr.arpa"}

    assert checked(zone, client="192.0.2.1").word == "fail"
    assert checked(zone, client="192.0.2.2").word == "pass"


@pytest.mark.parametrize(("number", "word"), [(9, "pass"), (10, "fail")])
def test_ten_names_of_an_address_are_looked_at(number: int, word: str) -> None:
    """RFC 7208 §4.6.4; the names come in the order of the answer."""
    names = [f"n{n}.example.net" for n in range(12)]

    class Named(Says):
        def ask(self, name: str, kind: Kind) -> Answer:
            if kind == "PTR":
                return Answer("found", tuple(names))
            if kind == "A":
                there = name == names[number]
                return Answer("found", ("192.0.2.1" if there else "192.0.2.9",))
            return super().ask(name, kind)

    assert spf.mail_from(CLIENT, HELO, SENDER, Named("v=spf1 ptr -all")).word == word


def test_a_long_name_is_cut_until_it_is_one(zone: DnsServer) -> None:
    """RFC 7208 §7.3."""
    local_part = ".".join(["a" * 50] * 5)
    zone.add("example.net", "TXT", "v=spf1 exists:%{l}.%{l}.example -all")
    zone.add(".".join(["a" * 50] * 4) + ".example", "A", "127.0.0.2")

    assert checked(zone, f"<{local_part}@example.net>").word == "pass"


def test_a_silent_server_is_a_temporary_error(zone: DnsServer) -> None:
    zone.silent.add("example.net")
    lookups = Dns([zone.address], DnsLimits(question_seconds=0.2)).for_message()

    found = spf.mail_from(CLIENT, HELO, SENDER, lookups)

    assert (found.word, found.reason) == ("temperror", "dns")


def test_the_limits_are_settings(zone: DnsServer, lookups: Lookups) -> None:
    zone.add("example.net", "TXT", "v=spf1 exists:a.example exists:b.example -all")

    def found(limits: spf.SpfLimits) -> str:
        return spf.mail_from(CLIENT, HELO, SENDER, lookups, limits).reason

    assert found(spf.SpfLimits()) == "all"
    assert found(spf.SpfLimits(lookups=1)) == "too-many-lookups"
    assert found(spf.SpfLimits(void_lookups=1)) == "too-many-void-lookups"
    assert found(spf.SpfLimits(record_octets=20)) == "too-long"
    assert found(spf.SpfLimits(term_octets=10)) == "too-long"
    assert found(spf.SpfLimits(local_part=2)) == "too-long"


def test_pyspf_never_asks_the_resolver_of_the_system(
    zone: DnsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither by its own look-up, which has search domains, nor past ours."""
    reached: list[object] = []
    connect = socket.socket.connect
    sendto = socket.socket.sendto

    def watch(address: object) -> None:
        if address != zone.address:
            reached.append(address)

    def watched_connect(door: socket.socket, address: object) -> None:
        watch(address)
        connect(door, address)  # type: ignore[arg-type]

    def watched_sendto(door: socket.socket, *arguments: object) -> int:
        watch(arguments[-1])
        return sendto(door, *arguments)  # type: ignore[call-overload,no-any-return]

    everything = (
        "v=spf1 a mx ptr exists:%{p}.example include:example.org exp=exp.example"
        " redirect=example.com"
    )
    zone.add("example.net", "TXT", everything)
    zone.add("example.org", "TXT", "v=spf1 a -all")
    monkeypatch.setattr(socket.socket, "connect", watched_connect)
    monkeypatch.setattr(socket.socket, "sendto", watched_sendto)
    limits = spf.SpfLimits(void_lookups=100)
    lookups = Dns([zone.address]).for_message()
    spf.mail_from(CLIENT, HELO, SENDER, lookups, limits)

    assert {one.name for one in zone.questions} >= {"example.net", "example.com"}
    assert [one for one in reached if one not in _answered(zone)] == []
    with pytest.raises(pyspf.TempError):
        pyspf.DNSLookup("example.net", "TXT")


def _answered(zone: DnsServer) -> list[object]:
    """Return whom the server itself wrote to: those who asked."""
    return zone.clients


def test_each_thread_asks_for_its_own_message() -> None:
    wrong: list[str] = []

    def judge(record: str, word: str) -> None:
        for _ in range(200):
            found = spf.mail_from(CLIENT, HELO, SENDER, Says(record))
            if found.word != word:
                wrong.append(word)

    threads = [
        threading.Thread(target=judge, args=(f"v=spf1 {sign}all", word))
        for sign, word in (("+", "pass"), ("-", "fail"), ("~", "softfail"))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert wrong == []


@pytest.mark.parametrize(
    "record",
    [
        pytest.param("v=spf1 exists:%%" + ".a" * LARGE + ".com", id="dots"),
        pytest.param("v=spf1 a:." + "a" * LARGE + "!", id="label"),
        pytest.param("v=spf1 x=" + "%{" * LARGE, id="braces"),
        pytest.param("v=spf1 exists:%{d" + "9" * LARGE + "}.com", id="digits"),
        pytest.param("v=spf1 a/" + "9" * LARGE, id="prefix"),
        pytest.param("v=spf1" + " ?all" * LARGE, id="terms"),
        pytest.param("v=spf1" + " exists:%%" + ".a" * 240 + ".com", id="fits"),
        pytest.param("v=spf1" + (" ?exists:%%" + ".a" * 240 + ".com") * 16, id="full"),
        pytest.param("v=spf1" + (" x=" + "%{" * 240) * 16, id="full-braces"),
    ],
)
def test_a_hostile_record_costs_little(record: str) -> None:
    """pyspf by itself takes minutes for the first ones; ours is far below a second."""
    before = time.process_time()

    with untraced():
        spf.mail_from(CLIENT, HELO, SENDER, Says(record))

    assert time.process_time() - before < 1


@pytest.mark.parametrize(
    "term",
    [
        pytest.param("?exists:%%" + ".a" * 240 + ".com", id="dots"),
        pytest.param("?a:." + "a" * 500 + "!", id="label"),
        pytest.param("ip6::::", id="address"),
        pytest.param("x{}=" + "%{{Sr-}}" * 80, id="macros"),
    ],
)
def test_a_hostile_chain_of_records_costs_little(term: str) -> None:
    class Chain(Says):
        def ask(self, name: str, kind: Kind) -> Answer:
            super().ask(name, kind)
            following = f"v=spf1 include:i{len(self.asked)}.example"
            terms = [term.format(n) for n in range(7_500 // len(term))]
            return Answer("found", (" ".join([following, *terms]),))

    sender = f"{'a-' * 250}@example.net"
    before = time.process_time()

    with untraced():
        found = spf.mail_from(CLIENT, HELO, sender, Chain())

    assert found.word == "permerror"
    assert time.process_time() - before < 0.5


def test_the_number_of_macros_is_bounded() -> None:
    record = "v=spf1" + " exists:%{i}%{d}.example" * 3 + " -all"
    limits = spf.SpfLimits(macros=5)

    def reason(limits: spf.SpfLimits | None) -> str:
        says = Says(record)
        return spf.mail_from(CLIENT, HELO, SENDER, says, limits).reason

    assert reason(limits) == "too-many-macros"
    assert reason(spf.SpfLimits(void_lookups=3)) == "all"


@pytest.mark.parametrize(
    "record", ["v=spf1 exists:%{d" + "9" * 500 + "}.com", "v=spf1 a/" + "9" * 500]
)
def test_a_number_of_many_digits_is_no_exception(record: str) -> None:
    limits = spf.SpfLimits(record_octets=LARGE, term_octets=LARGE)
    digits = record.replace("9" * 500, "9" * 5_000)

    for one in (record, digits):
        found = spf.mail_from(CLIENT, HELO, SENDER, Says(one), limits)
        assert found.word in ("permerror", "neutral")


@given(
    st.lists(
        st.one_of(
            st.sampled_from(
                ["v=spf1", " ", "a", "mx", "ptr", "exists:", "include:", "redirect=",
                 "ip4:", "ip6:", "/", "//", "%{", "}", "%{p}", "%{ir}", "%%", ".", "-",
                 "all", "example.net", "192.0.2.1", "::1", "exp=", "op=", "default="]
            ),
            st.text(max_size=5),
        ),
        max_size=12,
    )
)  # fmt: skip
def test_no_record_makes_an_exception(parts: list[str]) -> None:
    octets = "".join(parts).encode("utf-8", "replace").decode("latin-1")

    found = spf.mail_from(CLIENT, HELO, SENDER, Says(f"v=spf1 {octets}"))

    assert found.reason


@given(st.text(max_size=40), st.text(max_size=40))
def test_no_identity_makes_an_exception(helo: str, sender: str) -> None:
    found = spf.mail_from(CLIENT, helo, sender, Says("v=spf1 exists:%{h}%{s} -all"))

    assert found.word in ("none", "fail", "permerror")
