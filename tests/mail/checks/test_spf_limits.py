"""What a look-up of SPF may cost, whatever the record says."""

import socket
import threading
import time

import pytest
import spf as pyspf
from hypothesis import given
from hypothesis import strategies as st

from stirmilter.mail.checks import spf
from stirmilter.mail.checks.dns import Answer, Kind
from stirmilter.stores.dns import Dns, DnsLimits, Lookups
from tests.dns_server import DnsServer
from tests.mail.checks.spfs import CLIENT, HELO, LARGE, SENDER, checked
from tests.untraced import untraced


class Says:
    """Says the same of every name; counts how often it was asked."""

    def __init__(self, *records: str) -> None:
        self.answer = Answer("found", records)
        self.asked: list[tuple[str, Kind]] = []

    def ask(self, name: str, kind: Kind) -> Answer:
        self.asked.append((name, kind))
        return self.answer if kind == "TXT" else Answer("no-name")


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
