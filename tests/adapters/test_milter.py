"""The session object, driven without libmilter: what must happen when we are wrong.

libmilter's context is the one thing played here. That the rest works with the real one
is shown by tests/e2e.
"""

import socket
import threading
import tracemalloc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from typing import Any

import Milter
import pytest

from stirmilter.adapters.draft import Bounds
from stirmilter.adapters.milter import Service, Session
from stirmilter.events import Handled
from stirmilter.mail.filter import MailFilter
from stirmilter.mail.mailpolicy import MailPolicy
from stirmilter.mail.policy.failures import FailurePolicy
from stirmilter.mail.policy.policy import Policy
from stirmilter.mail.survival import BodyHazards, BodyKeeper
from stirmilter.mail.transaction import Decision, Preparation
from stirmilter.services import AuthenticationService
from stirmilter.stir.msgi import BodyDigester
from stirmilter.testca import TestCA
from tests.laboratory import NOW, verifier


class Context:
    """What pymilter's C module would be asked to do."""

    def __init__(self) -> None:
        self.replies: list[tuple[str, ...]] = []
        self.added: list[str] = []
        self.removed: list[tuple[str, int]] = []
        self.progressed = 0

    def getsymval(self, name: str) -> str | None:
        return {"i": "4Yx1ab"}.get(name)

    def setreply(self, *reply: str) -> None:
        self.replies.append(reply)

    def addheader(self, name: str, _value: str, _index: int) -> None:
        self.added.append(name)

    def chgheader(self, name: str, index: int, _value: str | None) -> None:
        self.removed.append((name, index))

    def progress(self) -> None:
        self.progressed += 1

    def setpriv(self, _session: object) -> None: ...


class Ledger:
    """Everything a service reports."""

    def __init__(self) -> None:
        self.handled: list[Handled] = []
        self.failed: list[tuple[str, BaseException]] = []


Talk = tuple[Session, Context, Ledger]


@pytest.fixture
def talk(ca: TestCA) -> Iterator[Any]:
    """Make a session whose filter reads a given clock."""
    with ThreadPoolExecutor(1) as executor:

        def make(
            clock: Any = lambda: NOW,  # noqa: ANN401
            internal: Any = "tempfail",  # noqa: ANN401 - one of two words
            **limits: Any,  # noqa: ANN401
        ) -> Talk:
            ledger, context = Ledger(), Context()
            failures = FailurePolicy(internal=internal)
            service = Service(
                filter=MailFilter(
                    policy=MailPolicy(
                        authserv_id="mx.example", actions=Policy(failures=failures)
                    ),
                    authentication=AuthenticationService([]),
                    verification=verifier(ca),
                    clock=clock,
                ),
                executor=executor,
                observe=ledger.handled.append,
                failed=lambda queue_id, error: ledger.failed.append((queue_id, error)),
                **limits,
            )
            session = Session(service)
            session._ctx = context
            session._actions = 0x1FF
            session._protocol = 0
            return session, context, ledger

        yield make


def carry(session: Session) -> int:
    session.envfrom("<a@one.example>")
    session.envrcpt("<b@two.example>")
    session.header("From", b" a@one.example")
    session.eoh()
    session.body(b"Hello\r\n")
    return session.eom()


def told(ledger: Ledger) -> list[tuple[str, str, str]]:
    """What became of each message, as the log tells it."""
    assert {event.queue_id for event in ledger.handled} <= {"4Yx1ab"}
    return [(one.outcome, one.reason, one.action) for one in ledger.handled]


def broken(*_: object) -> datetime:
    raise ZeroDivisionError("a bug of ours")


@pytest.mark.conformance("O-08")
def test_an_internal_error_is_answered_451_and_reported_once_with_the_queue_id(
    talk: Any,  # noqa: ANN401
) -> None:
    session, context, ledger = talk(broken)

    answer = carry(session)

    assert answer == Milter.TEMPFAIL
    assert context.replies == [("451", "4.3.0", "internal error, try again later")]
    [(queue_id, error)] = ledger.failed
    assert (queue_id, type(error)) == ("4Yx1ab", ZeroDivisionError)
    assert told(ledger) == [("undetermined", "internal-error", "tempfail")]


@pytest.mark.conformance("O-08")
def test_an_internal_error_may_let_the_message_go_without_what_is_forged(
    talk: Any,  # noqa: ANN401
) -> None:
    session, context, ledger = talk(broken, "accept")
    session.envfrom("<a@one.example>")
    session.header("Authentication-Results", b" mx.example; stir=pass")
    session.header("From", b" a@one.example")
    session.eoh()
    session.body(b"Hello\r\n")

    answer = session.eom()

    assert answer == Milter.CONTINUE
    assert (context.replies, context.added) == ([], [])
    assert context.removed == [("Authentication-Results", 1)]
    [(_, error)] = ledger.failed
    assert type(error) is ZeroDivisionError
    [event] = ledger.handled
    assert (event.reason, event.action, event.rule) == (
        "internal-error",
        "accept",
        "failure:internal",
    )


def test_a_space_before_the_colon_makes_no_other_field(
    talk: Any,  # noqa: ANN401
) -> None:
    session, _, _ = talk(broken, "accept")
    session.envfrom("<a@one.example>")
    session.header("From \t", b" a@one.example")

    assert [header.name for header in session._draft.headers] == ["From"]


def test_a_decision_that_comes_too_late_may_let_the_message_go(
    talk: Any,  # noqa: ANN401
) -> None:
    released = threading.Event()

    def slow() -> datetime:
        released.wait(30)
        return NOW

    session, context, ledger = talk(slow, "accept", message_seconds=0.3)

    answer = carry(session)
    released.set()

    assert (answer, context.replies) == (Milter.CONTINUE, [])
    assert [type(error) for _, error in ledger.failed] == [TimeoutError]


def test_an_error_while_a_decision_is_applied_is_answered_451_whatever_is_set(
    talk: Any,  # noqa: ANN401
) -> None:
    """Half of it may have been done: what is left in the header is not known."""
    session, context, ledger = talk(lambda: NOW, "accept")
    context.addheader = broken

    answer = carry(session)

    assert answer == Milter.TEMPFAIL
    assert told(ledger) == [("undetermined", "internal-error", "tempfail")]


@pytest.mark.parametrize("end", ["eom", "abort", "close", "envfrom", "broken eom"])
def test_whatever_ends_a_message_its_room_is_there_for_the_next(
    talk: Any,  # noqa: ANN401
    end: str,
) -> None:
    clock = broken if end.startswith("broken") else lambda: NOW
    session, context, _ = talk(clock, bounds=Bounds(held_octets=1_000))
    other = Session(session._service)
    other._ctx, other._actions, other._protocol = Context(), 0x1FF, 0
    other_context = other._ctx

    def begin(one: Session) -> None:
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
    ("name", "resolved", "known"),
    [
        ("MX.one.example", None, "mx.one.example"),
        ("mx.one.example", "OK", "mx.one.example"),
        ("mx.one.example", "FORGED", ""),
        ("mx.one.example", "FAIL", ""),
        ("unknown", None, ""),
        ("[192.0.2.1]", None, ""),
    ],
)
def test_the_name_of_a_client_is_one_that_leads_back_to_it(
    talk: Any,  # noqa: ANN401
    name: str,
    resolved: str | None,
    known: str,
) -> None:
    session, context, _ = talk()
    context.getsymval = {"{client_resolve}": resolved}.get

    session.connect(name, socket.AF_INET, ("192.0.2.1", 25))

    assert session._connection.name == known


def test_an_error_in_a_callback_without_reply_is_answered_at_the_end(
    talk: Any,  # noqa: ANN401
) -> None:
    session, context, ledger = talk()
    session.envfrom("<a@one.example>")
    session.eoh()

    # What a bug in a callback would do; libmilter is told to go on all the same.
    assert session.body(None) == Milter.CONTINUE

    assert session.eom() == Milter.TEMPFAIL
    assert context.replies[0][0] == "451"
    assert len(ledger.failed) == 1


def test_an_error_belongs_to_its_message_and_not_to_the_next(
    talk: Any,  # noqa: ANN401
) -> None:
    session, context, _ = talk()
    session.envfrom("<a@one.example>")
    session.eoh()
    session.body(None)
    session.eom()

    assert carry(session) == Milter.CONTINUE
    assert context.added == ["Authentication-Results"]


@pytest.mark.conformance("O-04", "O-08")
def test_a_decision_that_takes_too_long_is_answered_451_with_progress_meanwhile(
    talk: Any,  # noqa: ANN401
) -> None:
    released = threading.Event()

    def slow() -> datetime:
        released.wait(30)
        return NOW

    session, context, ledger = talk(slow, message_seconds=0.5, progress_seconds=0.1)

    answer = carry(session)
    released.set()

    assert answer == Milter.TEMPFAIL
    assert context.replies == [("451", "4.3.0", "no verdict in time, try again later")]
    assert context.progressed >= 2
    assert [type(error) for _, error in ledger.failed] == [TimeoutError]
    assert told(ledger) == [("undetermined", "too-late", "tempfail")]


def test_a_timeout_inside_the_filter_is_an_internal_error_at_once(
    talk: Any,  # noqa: ANN401
) -> None:
    """`TimeoutError` of the work must not look like our waiting for it."""

    def late() -> datetime:
        raise TimeoutError("inside")

    session, _, ledger = talk(late)

    assert carry(session) == Milter.TEMPFAIL
    assert [str(error) for _, error in ledger.failed] == ["inside"]


def test_a_session_counts_until_it_is_closed(talk: Any) -> None:  # noqa: ANN401
    session, _, _ = talk()
    sessions = session._service.sessions

    assert sessions.wait_until_none(0) == 1
    session.close()
    session.close()
    assert sessions.wait_until_none(0) == 0


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
    urls = ("https://certs.example/a.pem",)
    session._draft.prepared = replace(session._draft.prepared, urls=urls)

    session.eom()
    carry(session)

    first, second = [[stage for stage, _ in one.stages] for one in ledger.handled]
    assert first == ["prefetch", "queue", "stir", "methods", "policy"]
    assert second == ["queue", "stir", "methods", "policy"]
    assert all(seconds >= 0 for _, seconds in ledger.handled[0].stages)


def test_a_message_that_waits_for_a_thread_is_counted(
    talk: Any,  # noqa: ANN401
) -> None:
    """The one thread is busy; whoever gives up waiting is counted no more."""
    released = threading.Event()
    session, _, ledger = talk(message_seconds=0.3)
    queue = session._service.queue
    busy = session._service.executor.submit(released.wait, 30)
    waiting: list[int] = []
    session._ctx.progress = lambda: waiting.append(queue.count)
    session._service = replace(session._service, progress_seconds=0.1)

    carry(session)
    released.set()

    assert busy.result()
    assert set(waiting) == {1}
    assert queue.count == 0
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
    session, _, ledger = talk()
    session._actions = 0
    event = Handled("in", "failed", "stale", action="quarantine")
    decide = lambda _: Decision(event=event, action="quarantine", reply=None)  # noqa: E731
    session._service.filter.decide = decide

    assert carry(session) == Milter.TEMPFAIL

    assert told(ledger) == [("failed", "stale", "tempfail")]


def test_a_second_sender_begins_a_second_message(
    talk: Any,  # noqa: ANN401
) -> None:
    """An MTA that says MAIL twice, without an abort between."""
    session, _, _ = talk()
    session.envfrom("<a@one.example>")
    session.envrcpt("<left-over@two.example>")
    session.header("From", b" +12025550123")

    session.envfrom("<b@one.example>")

    assert (session._draft.recipients, session._draft.headers) == ([], [])


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
    prepared = session._draft.prepared = Preparation(
        BodyDigester(),
        hazards=BodyHazards([("Content-Type", b"multipart/mixed; boundary=x")]),
        kept=BodyKeeper(262_144, 262_144).body(),
    )
    session._draft.readers = prepared.readers()

    tracemalloc.start()
    try:
        for _ in range(256):  # 16 MiB
            session.body(chunk)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert prepared.digester.finish().length == 256 * 65_536
    assert most < 1_048_576
