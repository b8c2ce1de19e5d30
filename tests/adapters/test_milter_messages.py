"""The session over either transport: messages, their bounds and what is told.

Of each message the log hears once, and its room is there for the next one.
"""

import socket
import threading
import tracemalloc
from dataclasses import replace
from datetime import datetime
from typing import Any

import Milter
import pytest

from stirmilter.adapters.draft import Bounds
from stirmilter.adapters.occupancy import Place, Queue
from stirmilter.events import Handled
from stirmilter.haste import takes_long
from stirmilter.mail.survival import BodyHazards, BodyKeeper
from stirmilter.mail.transaction import Decision, Preparation, Transaction
from stirmilter.stir.msgi import BodyDigester
from tests.adapters.sessions import broken, carry, told
from tests.laboratory import NOW


def test_a_space_before_the_colon_makes_no_other_field(
    talk: Any,  # noqa: ANN401
) -> None:
    session, _, _ = talk(broken, "accept")
    session.envfrom("<a@one.example>")
    session.header("From \t", b" a@one.example")

    assert [header.name for header in session.session.draft.headers] == ["From"]


@pytest.mark.parametrize("end", ["eom", "abort", "close", "envfrom", "broken eom"])
def test_whatever_ends_a_message_its_room_is_there_for_the_next(
    talk: Any,  # noqa: ANN401
    end: str,
) -> None:
    clock = broken if end.startswith("broken") else lambda: NOW
    session, context, _ = talk(clock, bounds=Bounds(held_octets=1_400))
    other = session.another()
    other_context = other.context

    def begin(one: Any) -> None:  # noqa: ANN401
        one.envfrom("<a@one.example>")
        one.header("X-Filler", b"x" * 600)

    begin(session)
    begin(other)
    assert other.eom() == Milter.TEMPFAIL
    too_much = ("452", "4.3.1", "too much mail at once, try again later")
    assert other_context.replies == [too_much]
    match end.split():
        case [*_, "eom"]:
            session.eom()
        case ["envfrom"]:
            session.envfrom("<b@one.example>")
        case _:
            getattr(session, end)()

    begin(other)
    other.eom()
    assert other_context.replies.count(too_much) == 1
    assert too_much not in context.replies


@pytest.mark.parametrize(
    ("name", "macros", "known"),
    [
        ("MX.one.example", {}, "mx.one.example"),
        ("mx.one.example", {"{client_resolve}": "OK"}, "mx.one.example"),
        ("mx.one.example", {"{client_resolve}": "FORGED"}, ""),
        ("mx.one.example", {"{client_resolve}": "FAIL"}, ""),
        ("mx.one.example", {"_": "mx.one.example [192.0.2.1]"}, "mx.one.example"),
        ("mx.one.example", {"_": "mx.one.example [192.0.2.1] (may be forged)"}, ""),
        ("unknown", {}, ""),
        ("[192.0.2.1]", {}, ""),
    ],
)
def test_the_name_of_a_client_is_one_that_leads_back_to_it(
    talk: Any,  # noqa: ANN401
    name: str,
    macros: dict[str, str],
    known: str,
) -> None:
    session, context, _ = talk()
    context.macros.update(macros)

    session.connect(name, socket.AF_INET, ("192.0.2.1", 25))

    assert session.session.connection.name == known


def test_a_session_counts_until_it_is_closed(talk: Any) -> None:  # noqa: ANN401
    session, _, _ = talk()
    sessions = session.session.service.sessions

    assert sessions.wait_until_none(0) == 1
    session.close()
    session.close()
    assert sessions.wait_until_none(30) == 0


def test_what_is_observed_carries_the_queue_id_and_the_time(
    talk: Any,  # noqa: ANN401
) -> None:
    session, _, ledger = talk()

    carry(session)

    [event] = ledger.handled
    assert (event.direction, event.outcome) == ("in", "unauthenticated")
    assert event.queue_id == "4Yx1ab"
    assert event.seconds > 0


def test_what_it_waited_for_is_told(talk: Any) -> None:  # noqa: ANN401
    session, _, ledger = talk(prefetch=lambda _: ())
    session.envfrom("<a@one.example>")
    session.header("From", b" a@one.example")
    session.eoh()
    session.session.draft.prepared = replace(
        session.session.draft.prepared,
        urls=("https://certs.example/a.pem",),
        at_once=False,
    )

    session.eom()
    carry(session)

    first, second = [[stage for stage, _ in one.stages] for one in ledger.handled]
    assert first == ["prefetch", "queue", "methods", "stir", "policy"]
    assert second == ["queue", "methods", "stir", "policy"]
    assert all(seconds >= 0 for _, seconds in ledger.handled[0].stages)


def test_a_message_that_waits_for_a_thread_is_counted(
    talk: Any,  # noqa: ANN401
) -> None:
    """The one thread is busy; whoever gives up waiting is counted no more."""
    released = threading.Event()

    def slow() -> datetime:
        takes_long()
        return NOW

    session, _, ledger = talk(slow, message_seconds=0.5)
    queue = session.session.service.queue
    busy = session.session.service.executor.submit(released.wait, 30)
    counted: list[int] = []

    def enter() -> Place:
        place = Queue.enter(queue)
        counted.append(queue.count)
        return place

    queue.enter = enter
    carry(session)
    released.set()

    assert busy.result()
    assert (counted, queue.count) == ([1], 0)
    assert told(ledger) == [("undetermined", "too-late", "tempfail")]


def test_a_header_that_is_too_large_is_told(talk: Any) -> None:  # noqa: ANN401
    session, context, ledger = talk(bounds=Bounds(headers=0))

    assert carry(session) == Milter.REJECT

    assert context.replies[0][:2] == ("552", "5.3.4")
    assert told(ledger) == [("undetermined", "header-too-large", "reject")]


@pytest.mark.parametrize(
    ("bounds", "reason"),
    [
        (Bounds(recipients=0), "envelope-too-large"),
        (Bounds(held_octets=0), "too-much-mail"),
    ],
)
def test_a_message_beyond_other_bounds_is_told_as_deferred(
    talk: Any,  # noqa: ANN401
    bounds: Bounds,
    reason: str,
) -> None:
    session, _, ledger = talk(bounds=bounds)
    session.envfrom("<a@one.example>")
    session.envrcpt("<b@two.example>")

    assert session.eom() == Milter.TEMPFAIL

    assert told(ledger) == [("undetermined", reason, "tempfail")]


def test_a_message_that_found_no_quarantine_is_told_as_deferred(
    talk: Any,  # noqa: ANN401
) -> None:
    session, _, ledger = talk(actions=0x1)
    event = Handled("in", "failed", "stale", action="quarantine")
    decide = lambda _: Decision(event=event, action="quarantine", reply=None)  # noqa: E731
    session.session.service.filter.decide = decide

    assert carry(session) == Milter.TEMPFAIL

    assert told(ledger) == [("failed", "stale", "tempfail")]


@pytest.mark.parametrize(("actions", "known"), [(0x1, False), (0x21, True)])
def test_who_decides_knows_whether_there_is_a_quarantine(
    talk: Any,  # noqa: ANN401
    actions: int,
    known: bool,
) -> None:
    session, _, _ = talk(actions=actions)
    asked: list[bool] = []

    def decide(transaction: Transaction) -> Decision:
        asked.append(transaction.quarantine)
        return Decision(event=Handled("in", "unauthenticated", "no-passport"))

    session.session.service.filter.decide = decide

    assert carry(session) == Milter.CONTINUE
    assert asked == [known]


@pytest.mark.conformance("V-22")
def test_who_decides_too_late_is_told_so(
    talk: Any,  # noqa: ANN401
) -> None:
    """In time: a token is not used up for what was answered 451."""
    answered, asked = threading.Event(), threading.Event()
    late: list[bool] = []

    def decide(transaction: Transaction) -> Decision:
        takes_long()
        late.append(transaction.late())
        answered.wait(30)
        late.append(transaction.late())
        asked.set()
        return Decision(event=Handled("in", "unauthenticated", "no-passport"))

    # Long enough for the judge to have begun, or there is nothing to be late with.
    session, _, ledger = talk(message_seconds=2.0)
    session.session.service.filter.decide = decide

    assert carry(session) == Milter.TEMPFAIL
    answered.set()

    assert asked.wait(30)
    assert late == [False, True]
    assert told(ledger) == [("undetermined", "too-late", "tempfail")]


def test_a_second_sender_begins_a_second_message(
    talk: Any,  # noqa: ANN401
) -> None:
    """An MTA that says MAIL twice, without an abort between."""
    session, _, _ = talk()
    session.envfrom("<a@one.example>")
    session.envrcpt("<left-over@two.example>")
    session.header("From", b" +12025550123")

    session.envfrom("<b@one.example>")

    assert (session.session.draft.recipients, session.session.draft.headers) == ([], [])


@pytest.mark.conformance("O-05")
@pytest.mark.parametrize("chunk", [b"x" * 65_536, b"\r\n" * 32_768])
def test_memory_does_not_grow_with_the_body(
    talk: Any,  # noqa: ANN401
    chunk: bytes,
) -> None:
    """Empty lines are the harder case: whether they count is known at the end."""
    session, _, _ = talk()
    session.envfrom("<a@one.example>")
    session.eoh()
    prepared = session.session.draft.prepared = Preparation(
        BodyDigester(),
        hazards=BodyHazards([("Content-Type", b"multipart/mixed; boundary=x")]),
        kept=BodyKeeper(262_144, 262_144).body(),
    )
    session.session.draft.readers = prepared.readers()

    tracemalloc.start()
    try:
        for _ in range(256):  # 16 MiB
            session.body(chunk)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert prepared.digester.finish().length == 256 * 65_536
    assert most < 1_048_576
