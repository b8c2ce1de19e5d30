"""What is asked of the DNS, and how long that may take."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import dns.name
import dns.resolver
import pytest

from stirmilter.stores.answers import Answer, Kind
from stirmilter.stores.dns import Dns, DnsLimits
from tests.dns_server import DnsServer
from tests.silence import only_silence_takes_time
from tests.stores.askers import message

HURRIED = DnsLimits(question_seconds=0.3, server_seconds=0.1)


@pytest.fixture
def system(server: DnsServer, monkeypatch: pytest.MonkeyPatch) -> DnsServer:
    """Let files that name 127.0.0.1 mean this server, whose port none can name."""
    reset = dns.resolver.Resolver.reset

    def redirected(resolver: dns.resolver.Resolver) -> None:
        reset(resolver)
        resolver.port = server.address[1]

    monkeypatch.setattr(dns.resolver.Resolver, "reset", redirected)
    return server


@pytest.mark.parametrize(
    ("kind", "values", "records"),
    [
        ("A", ["192.0.2.1"], ("192.0.2.1",)),
        ("AAAA", ["2001:DB8::1"], ("2001:db8::1",)),
        ("MX", ["20 b.example.", "10 A.example."], ("10 a.example", "20 b.example")),
        ("MX", ["0 ."], ("0 .",)),
        ("PTR", ["Mail.Example."], ("mail.example",)),
        ("TXT", ["v=spf1 -all"], ("v=spf1 -all",)),
        ("TXT", [""], ("",)),
    ],
)
def test_every_kind_of_record_becomes_text(
    server: DnsServer, kind: Kind, values: list[str], records: tuple[str, ...]
) -> None:
    server.add("one.example", kind, *values)

    assert message(server).ask("one.example", kind) == Answer("found", records)


def test_the_strings_of_a_text_record_are_joined_and_no_octet_is_lost(
    server: DnsServer,
) -> None:
    server.add("one.example", "TXT", (b"v=spf1 ip4:192.0", b".2.1 \xff", b"\x00-all"))

    found = message(server).ask("one.example", "TXT")

    assert found.records == ("v=spf1 ip4:192.0.2.1 \xff\x00-all",)


def test_a_name_without_data_is_not_a_name_that_does_not_exist(
    server: DnsServer,
) -> None:
    server.add("one.example", "A", "192.0.2.1")
    server.add("deep.below.example", "A", "192.0.2.1")
    asker = message(server)

    assert asker.ask("one.example", "TXT").outcome == "no-data"
    assert asker.ask("below.example", "TXT").outcome == "no-data"
    assert asker.ask("other.example", "TXT").outcome == "no-name"


def test_an_alias_is_followed(server: DnsServer) -> None:
    server.add("one.example", "CNAME", "two.example.")
    server.add("two.example", "TXT", "here")

    assert message(server).ask("one.example", "TXT").records == ("here",)


def test_no_search_domain_is_appended(system: DnsServer, tmp_path: Path) -> None:
    path = tmp_path / "resolv.conf"
    path.write_text("search inside.example\nnameserver 127.0.0.1\n")
    system.add("one.inside.example", "A", "192.0.2.1")

    assert Dns(path=path).for_message().ask("one", "A").outcome == "no-name"
    assert {question.name for question in system.questions} == {"one"}


def test_a_changed_file_of_the_system_is_read_again(
    system: DnsServer, tmp_path: Path
) -> None:
    path = tmp_path / "resolv.conf"
    system.add("one.example", "A", "192.0.2.1")
    asker = Dns(path=path, limits=DnsLimits(failed_seconds=0)).for_message()

    before = asker.ask("one.example", "A")
    path.write_text("nameserver 127.0.0.1\n")

    assert (before.outcome, "resolv.conf" in before.detail) == ("temporary", True)
    assert asker.ask("one.example", "A").outcome == "found"


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "a..example",
        ".example",
        f"{'a' * 64}.example",
        "a." * 127 + "example",
        "a." * 123 + "a" * 8,
        "new\nline.example",
        "nul\x00.example",
        "\udcff.example",
        "one\u2024two.example",
        "b\u00fc\x07.example",
        "x" * 300_000,
    ],
    ids=ascii,
)
def test_what_is_no_domain_name_is_not_asked_for(server: DnsServer, name: str) -> None:
    found = message(server).ask(name, "A")

    assert (found.outcome, server.questions) == ("malformed", [])


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("ONE.Example.", "one.example"),
        ("b\u00fccher.example", "xn--bcher-kva.example"),
        ("B\u00dcCHER\u3002example", "xn--bcher-kva.example"),
        ("bu\u0308cher.example", "xn--bcher-kva.example"),
        ("\uff4f\uff4e\uff45.example", "one.example"),
        ("stra\u00dfe.example", "xn--strae-oqa.example"),
    ],
)
def test_a_name_is_asked_for_in_one_spelling(
    server: DnsServer, name: str, asked: str
) -> None:
    message(server).ask(name, "A")

    assert [question.name for question in server.questions] == [asked]


def test_a_label_with_an_escape_is_taken_as_it_stands(server: DnsServer) -> None:
    message(server).ask(r"a\.b c.example", "A")

    assert [one.name for one in server.questions] == [r"a\\.b\032c.example"]


def test_what_does_not_fit_a_datagram_comes_by_tcp(server: DnsServer) -> None:
    server.truncates.add("one.example")
    server.add("one.example", "TXT", "short")
    server.add("two.example", "TXT", "x" * 4_000)
    asker = message(server)

    assert asker.ask("one.example", "TXT").records == ("short",)
    assert asker.ask("two.example", "TXT").records == ("x" * 4_000,)
    assert [one.transport for one in server.questions] == ["udp", "tcp"] * 2


@pytest.mark.parametrize(
    ("values", "detail"),
    [
        pytest.param(["x" * 33_000], "33000 octets", id="too-long"),
        pytest.param([str(n) for n in range(101)], "101 records", id="too-many"),
    ],
)
def test_an_answer_beyond_all_measure_is_malformed(
    server: DnsServer, values: list[str], detail: str
) -> None:
    server.add("one.example", "TXT", *values)
    asker = message(server)

    found = asker.ask("one.example", "TXT")

    assert (found.outcome, found.records) == ("malformed", ())
    assert detail in found.detail
    assert asker.ask("one.example", "TXT") is not None
    assert server.asked("one.example") == 2  # once by UDP and once by TCP


def test_a_server_that_fails_is_temporary_and_says_how(server: DnsServer) -> None:
    server.fails.add("one.example")
    server.refuses.add("two.example")
    asker = message(server)

    assert asker.ask("one.example", "A") == Answer("temporary", detail="SERVFAIL")
    assert asker.ask("two.example", "A") == Answer("temporary", detail="REFUSED")


@pytest.mark.parametrize("trouble", ["silent", "garbage"])
def test_no_answer_is_temporary_and_asked_for_once_in_a_while(
    server: DnsServer, trouble: str
) -> None:
    getattr(server, trouble).add("one.example")
    asked = Dns([server.address], HURRIED)
    first = asked.for_message().ask("one.example", "A")
    questions = server.asked("one.example")

    assert asked.for_message().ask("one.example", "A") == first
    assert first.outcome == "temporary"
    assert server.asked("one.example") == questions


def test_a_dead_server_leaves_time_for_the_next(server: DnsServer) -> None:
    server.add("one.example", "A", "192.0.2.1")
    with DnsServer() as dead:
        dead.silent.add("example")
        limits = DnsLimits(question_seconds=30, server_seconds=0.6)
        asked = Dns([dead.address, server.address], limits)

        assert asked.for_message().ask("one.example", "A").outcome == "found"


def test_all_questions_of_a_message_end_together(server: DnsServer) -> None:
    server.silent.add("example")
    asker = Dns([server.address], replace(HURRIED, message_seconds=0.05)).for_message()

    first = asker.ask("one.example", "A")
    second = asker.ask("two.example", "A")

    assert first.outcome == second.outcome == "temporary"
    assert second.detail == "no time is left for this message"
    assert server.asked("two.example") == 0


def test_a_message_may_ask_so_often_and_what_is_remembered_costs_nothing(
    server: DnsServer,
) -> None:
    asker = message(server, DnsLimits(questions=2))
    asker.ask("one.example", "A")
    asker.ask("two.example", "A")

    assert asker.ask("one.example", "A").outcome == "no-name"
    assert asker.ask("three.example", "A") == Answer(
        "temporary", detail="too many questions for one message", cause="spent"
    )


def test_a_part_leaves_questions_and_time_to_the_rest(server: DnsServer) -> None:
    whole = Dns([server.address], DnsLimits(questions=6)).for_message()
    part = whole.reserve(2.0, 4 - 1).reserve(questions=1)

    outcomes = [part.ask(f"{n}.example", "A").outcome for n in range(5)]
    rest = [whole.ask(f"{n}.test", "A").outcome for n in range(4)]

    assert outcomes == ["no-name"] * 2 + ["temporary"] * 3
    assert rest == ["no-name"] * 4


def test_a_part_has_half_of_what_there_is_whatever_is_reserved(
    server: DnsServer,
) -> None:
    whole = Dns([server.address], DnsLimits(questions=4)).for_message()
    part = whole.reserve(3_600.0, 1_000)

    outcomes = [part.ask(f"{n}.example", "A").outcome for n in range(3)]

    assert outcomes == ["no-name"] * 2 + ["temporary"]


def test_a_part_ends_before_the_rest_does(
    server: DnsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    only_silence_takes_time(server, monkeypatch)
    server.silent.add("silent.example")
    limits = DnsLimits(question_seconds=5, server_seconds=5, message_seconds=4.0)
    whole = Dns([server.address], limits).for_message()
    part = whole.reserve(3.9)

    silent = part.ask("silent.example", "A")
    late = part.ask("late.example", "A")

    assert silent.cause == "silent", "it was given all that there was"
    assert (late.cause, late.detail) == ("spent", "no time is left for this message")
    assert whole.ask("late.example", "A").outcome == "no-name"


def test_a_dead_zone_is_asked_under_two_names_and_no_more(
    server: DnsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A question has its time, which here ends sooner for those of that zone."""
    server.silent.add("silent.example")
    resolve = dns.resolver.Resolver.resolve

    def hurried(
        one: dns.resolver.Resolver,
        name: dns.name.Name,
        kind: str,
        **more: Any,  # noqa: ANN401 - how long
    ) -> dns.resolver.Answer:
        if "silent" in name.to_text():
            more["lifetime"] = 0.1
        return resolve(one, name, kind, **more)

    monkeypatch.setattr(dns.resolver.Resolver, "resolve", hurried)
    limits = DnsLimits(question_seconds=60, server_seconds=60, message_seconds=600)
    whole = Dns([server.address], limits).for_message()
    part = whole.reserve()

    causes = [part.ask(f"{n}.silent.example", "TXT").cause for n in range(4)]

    assert causes == ["silent", "silent", "spent", "spent"]
    assert part.ask("other.example", "TXT").cause == "spent"
    assert whole.reserve().ask("other.example", "TXT").outcome == "no-name"
    assert whole.ask("3.silent.example", "TXT").cause == "silent"


def test_silence_for_want_of_time_is_not_held_against_a_name(
    server: DnsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    only_silence_takes_time(server, monkeypatch)
    server.silent.add("silent.example")
    limits = DnsLimits(question_seconds=1.0, server_seconds=1.0, message_seconds=1.2)
    whole = Dns([server.address], limits).for_message()

    causes = [whole.ask(f"{n}.silent.example", "A").cause for n in range(2)]

    assert causes == ["silent", "spent"]


def test_help_does_not_pay_for_the_dns() -> None:
    program = (
        "import sys, click.testing, stirmilter.cli as cli;"
        "click.testing.CliRunner().invoke(cli.cli, ['--help']);"
        "print([m for m in sys.modules if m.split('.')[0] in ('dns', 'spf')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == "[]"
