"""What is remembered of the DNS, for how long and how much."""

import threading
from dataclasses import replace

import pytest

from stirmilter.haste import TakesLong, haste
from stirmilter.stores.answers import Answer, AnswerMemory, Kind
from stirmilter.stores.deadline import Deadline
from stirmilter.stores.dns import Dns, DnsLimits, Lookups
from tests.dns_server import DnsServer
from tests.stores.askers import message


def test_answers_out_of_memory_are_counted(server: DnsServer) -> None:
    asked = Dns([server.address])

    for _ in range(3):
        asked.for_message().ask("one.example", "A")

    memory = asked.memory
    assert (memory.hits, memory.misses, memory.entries) == (2, 1, 1)


def test_a_failure_is_asked_about_again_after_a_while(server: DnsServer) -> None:
    server.fails.add("one.example")
    asker = message(server, DnsLimits(failed_seconds=0))
    asker.ask("one.example", "A")
    server.fails.clear()

    assert asker.ask("one.example", "A").outcome == "no-name"


def test_a_wait_cut_short_by_one_message_says_nothing_to_the_next(
    server: DnsServer,
) -> None:
    server.add("one.example", "A", "192.0.2.1")
    server.slow["one.example"] = 0.2
    asked = Dns([server.address], DnsLimits(question_seconds=5, server_seconds=5))
    short = Lookups(asked, Deadline.after(0.05), 1)

    assert short.ask("one.example", "A").outcome == "temporary"
    assert asked.for_message().ask("one.example", "A").outcome == "found"


@pytest.mark.parametrize("kind", ["A", "TXT"])
def test_answers_are_remembered_and_absences_are(server: DnsServer, kind: Kind) -> None:
    server.add("one.example", "A", "192.0.2.1")
    asked = Dns([server.address])
    for name in ("one.example", "ONE.example.", "none.example", "none.example"):
        asked.for_message().ask(name, kind)

    assert server.asked("one.example") == server.asked("none.example") == 1


def test_nothing_is_remembered_longer_than_its_ttl(server: DnsServer) -> None:
    server.ttl = 0
    server.negative_ttl = 0
    server.add("one.example", "A", "192.0.2.1")
    asker = message(server)
    for name in ("one.example", "none.example") * 2:
        asker.ask(name, "A")

    assert server.asked("one.example") == server.asked("none.example") == 2


def test_a_negative_answer_without_its_soa_is_remembered_as_a_failure_is(
    server: DnsServer,
) -> None:
    server.negative_ttl = None
    asker = message(server, DnsLimits(failed_seconds=0))
    for _ in range(2):
        asker.ask("none.example", "A")

    assert server.asked("none.example") == 2


def test_many_threads_may_ask(server: DnsServer) -> None:
    asked = Dns([server.address])
    for number in range(20):
        server.add(f"n{number}.example", "A", f"192.0.2.{number}")
    wrong: list[int] = []

    def ask(asker: Lookups) -> None:
        for number in range(20):
            found = asker.ask(f"n{number}.example", "A")
            if found.records != (f"192.0.2.{number}",):
                wrong.append(number)

    threads = [
        threading.Thread(target=ask, args=(asked.for_message(),)) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert wrong == []


def test_the_memory_keeps_what_was_used_of_late() -> None:
    memory = AnswerMemory(entries=2, octets=10_000)
    answer = Answer("no-name")
    memory.put("a", "A", answer, 60)
    memory.put("b", "A", answer, 60)
    memory.get("a", "A")
    memory.put("c", "A", answer, 60)

    assert [memory.get(name, "A") is None for name in "abc"] == [False, True, False]


def test_the_memory_is_bounded_in_octets() -> None:
    memory = AnswerMemory(entries=100, octets=10_000)
    for number in range(20):
        memory.put(str(number), "TXT", Answer("found", ("x" * 2_000,)), 60)
    memory.put("large", "TXT", Answer("found", ("x" * 20_000,)), 60)

    assert memory.get("19", "TXT") is None
    assert memory.get("large", "TXT") is None
    memory.put("1", "TXT", Answer("found", ("x" * 2_000,)), 60)
    assert memory.get("1", "TXT") is not None


def test_the_memory_forgets_in_time() -> None:
    now = 0.0
    memory = AnswerMemory(entries=2, octets=10_000, clock=lambda: now)
    memory.put("a", "A", Answer("no-name"), 60)

    now = 59.9
    assert memory.get("a", "A") is not None
    now = 60.0
    assert memory.get("a", "A") is None


def test_what_has_ended_does_not_wait_until_its_place_is_needed() -> None:
    now = 0.0
    memory = AnswerMemory(entries=100, octets=10_000, clock=lambda: now)
    for number in range(10):
        memory.put(f"{number}.example", "A", Answer("no-name"), 10)
    memory.put("long.example", "A", Answer("no-name"), 1_000)
    now = 10.0
    memory.put("next.example", "A", Answer("no-name"), 10)

    assert len(memory._answers) == 2
    assert memory.get("long.example", "A")


def test_the_longest_memory_is_a_setting(
    server: DnsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: dict[str, float] = {}

    def put(_: AnswerMemory, name: str, *rest: object) -> None:
        kept[name] = float(str(rest[-1]))

    monkeypatch.setattr(AnswerMemory, "put", put)
    server.ttl = server.negative_ttl = 1_000_000
    server.add("one.example", "A", "192.0.2.1")
    limits = replace(DnsLimits(), found_seconds=70, absent_seconds=7)
    for name in ("one.example", "none.example"):
        message(server, limits).ask(name, "A")

    assert kept == {"one.example": 70, "none.example": 7}


def test_only_what_is_remembered_is_answered_in_haste(server: DnsServer) -> None:
    server.add("one.example", "A", "192.0.2.1")
    asked = Dns([server.address], DnsLimits(questions=1))
    lookups = asked.for_message()

    with pytest.raises(TakesLong), haste():
        lookups.ask("one.example", "A")
    assert not server.asked("one.example")
    assert (asked.memory.hits, asked.memory.misses) == (0, 0), "it is asked for again"

    found = lookups.ask("one.example", "A")  # its only question, which was not begun
    assert found.outcome == "found"
    with haste():
        assert asked.for_message().ask("one.example", "A") == found
    assert (asked.memory.hits, asked.memory.misses) == (1, 1)


@pytest.mark.parametrize("parts", [False, True])
def test_much_to_read_takes_long_though_it_is_remembered(
    server: DnsServer, *, parts: bool
) -> None:
    """A stranger writes what SPF, DKIM and DMARC then read."""
    server.add("one.example", "TXT", "x" * 5_000)
    asked = Dns([server.address])
    asked.for_message().ask("one.example", "TXT")

    def ask(times: int) -> int:
        whole = asked.for_message()
        asking = [whole.reserve() if parts else whole for _ in range(times)]
        return sum(len(one.ask("one.example", "TXT").records) for one in asking)

    with haste():
        assert ask(3) == 3
    with pytest.raises(TakesLong), haste():
        ask(4)
    assert ask(4) == 4


def test_many_records_are_much_to_read(server: DnsServer) -> None:
    server.add("one.example", "A", *[f"192.0.2.{n}" for n in range(99)])
    asked = Dns([server.address])
    asked.for_message().ask("one.example", "A")
    lookups = asked.for_message()

    with haste():
        for _ in range(6):
            lookups.ask("one.example", "A")
    with pytest.raises(TakesLong), haste():
        lookups.ask("one.example", "A")
