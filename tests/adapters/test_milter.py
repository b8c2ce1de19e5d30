"""The session over either transport: what must happen when we are wrong.

That the rest works with the real libmilter, and with Postfix, is shown by tests/e2e.
"""

import threading
from collections.abc import Callable
from datetime import datetime
from typing import Any

import Milter
import pytest

from stirmilter.haste import takes_long
from tests.adapters.sessions import (
    PanicError,
    broken,
    carry,
    panicking,
    panicking_late,
    told,
)
from tests.laboratory import NOW


@pytest.mark.conformance("O-08")
@pytest.mark.parametrize(
    ("bug", "kind"),
    [
        pytest.param(broken, ZeroDivisionError, id="exception"),
        pytest.param(panicking, PanicError, id="panic"),
        pytest.param(panicking_late, PanicError, id="judge"),
    ],
)
def test_an_internal_error_is_answered_451_and_reported_once_with_the_queue_id(
    talk: Any,  # noqa: ANN401
    bug: Callable[[], datetime],
    kind: type[BaseException],
) -> None:
    session, context, ledger = talk(bug)

    answer = carry(session)

    assert answer == Milter.TEMPFAIL
    assert context.replies == [("451", "4.3.0", "internal error, try again later")]
    [(queue_id, error)] = ledger.failed
    assert (queue_id, type(error)) == ("4Yx1ab", kind)
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


def test_a_decision_that_comes_too_late_may_let_the_message_go(
    talk: Any,  # noqa: ANN401
) -> None:
    released = threading.Event()

    def slow() -> datetime:
        takes_long()
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
    session, _, ledger = talk(lambda: NOW, "accept")
    session.session.channel.insert = broken

    answer = carry(session)

    assert answer == Milter.TEMPFAIL
    assert told(ledger) == [("undetermined", "internal-error", "tempfail")]


def test_an_error_in_a_callback_without_reply_is_answered_at_the_end(
    talk: Any,  # noqa: ANN401
) -> None:
    session, context, ledger = talk()
    session.envfrom("<a@one.example>")
    session.eoh()

    # What a bug in a callback would do; the MTA is told to go on all the same.
    session.session.draft.readers = (broken,)
    assert session.body(b"Hello\r\n") == Milter.CONTINUE

    assert session.eom() == Milter.TEMPFAIL
    assert context.replies[0][0] == "451"
    assert len(ledger.failed) == 1


def test_an_error_belongs_to_its_message_and_not_to_the_next(
    talk: Any,  # noqa: ANN401
) -> None:
    session, context, _ = talk()
    session.envfrom("<a@one.example>")
    session.eoh()
    session.session.draft.readers = (broken,)
    session.body(b"Hello\r\n")
    session.eom()

    assert carry(session) == Milter.CONTINUE
    assert context.added == ["Authentication-Results"]


@pytest.mark.conformance("O-04", "O-08")
def test_a_decision_that_takes_too_long_is_answered_451_with_progress_meanwhile(
    talk: Any,  # noqa: ANN401
) -> None:
    released = threading.Event()

    def slow() -> datetime:
        takes_long()
        released.wait(30)
        return NOW

    session, context, ledger = talk(slow, message_seconds=1.5, progress_seconds=0.1)

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
