"""A number that was not given to its sender: what is answered, and written down."""

import pytest

from stirmilter.stores.journalreader import JournalReader
from tests import mta
from tests.e2e.conftest import Start
from tests.e2e.test_journal import journal, kept
from tests.e2e.test_milter import BOB, SENDER, headers
from tests.e2e.watching import until

pytestmark = pytest.mark.e2e

REFUSING = """
[[submitter]]
name = "two"
networks = ["127.0.0.0/8"]
numbers = ["+12025550999"]
refused = "reject"
"""


def test_it_is_refused_and_that_is_written_down(start: Start) -> None:
    daemon = start(more=REFUSING)

    with mta.session(daemon.socket) as session:
        answer = session.message(
            SENDER, [BOB], headers(100), b"Hello\r\n", queue_id=b"Q1"
        )
        again = session.message(
            SENDER, [BOB], headers(999), b"Hello\r\n", queue_id=b"Q2"
        )

    text = b"not your number to send from: not-its-number"
    assert (answer.verdict, answer.reply) == (b"y", b"550 5.7.1 " + text)
    assert [name for _, name, _ in again.inserted] == [b"PASSporT"]
    until(lambda: kept(daemon) == 2, "both are written")
    with JournalReader(journal(daemon)) as reader:
        [event] = reader.find("Q1")
    assert (event.action, event.rule) == ("reject", "submitter:two")
    [line] = [one for one in daemon.logged().splitlines() if "Q1:" in one]
    assert line.startswith("WARNING Q1: out=unsigned reason=not-its-number")
    assert "action=reject" in line
    assert "rule=submitter:two" in line
