"""Whatever hangs, the MTA has an answer in time, and signs of life until then."""

import socket
import threading
from collections.abc import Iterator

import pytest

from tests import mta
from tests.e2e.conftest import Daemon, Start
from tests.e2e.test_milter import BOB, SENDER, STRANGER, headers, moved, recipient

pytestmark = [pytest.mark.e2e, pytest.mark.conformance("O-04")]

QUICK = "progress_seconds = 0.2\nmessage_seconds = 20.0\n"
LATE = b"451 4.3.0 no verdict in time, try again later"


@pytest.fixture
def silent() -> Iterator[int]:
    """A port where connections are accepted, datagrams taken, and no word is said."""
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.socket(type=socket.SOCK_DGRAM) as datagrams,
    ):
        port = int(listener.getsockname()[1])
        datagrams.bind(("127.0.0.1", port))
        yield port


def signed(daemon: Daemon) -> bytes:
    with mta.session(daemon.socket) as session:
        answer = session.message(SENDER, [BOB], headers(123), b"Hello\r\n")
    return answer.value(b"PASSporT")


def received(daemon: Daemon, *fields: tuple[bytes, bytes]) -> mta.Answer:
    with mta.session(daemon.socket, STRANGER) as session:
        return session.message(
            SENDER, [recipient(123)], [*fields, *headers(123)], b"Hello\r\n"
        )


def results(answer: mta.Answer) -> bytes:
    name = b"Authentication-Results"
    return b" ".join(value for _, n, value in answer.inserted if n == name)


def test_a_name_server_that_hangs_costs_its_results_alone(
    start: Start, silent: int
) -> None:
    daemon = start(
        milter=QUICK,
        checks='methods = ["spf", "dmarc"]',
        more=f'[dns]\nservers = ["{silent}@127.0.0.1"]\nquestion_seconds = 1.5\n',
    )
    token = signed(daemon)

    answer = received(daemon, (b"PASSporT", token))

    assert (answer.verdict, answer.reply) == (b"c", b"")
    assert answer.progress >= 2
    assert b"stir=pass" in results(answer)
    assert b"spf=temperror" in results(answer)


def test_a_replay_store_that_hangs_degrades_to_what_is_set(
    start: Start, silent: int
) -> None:
    daemon = start(
        milter=QUICK,
        replay=f'store = "redis://127.0.0.1:{silent}/0"\nseconds = 1.0\n'
        'on_failure = "unknown"',
    )
    token = signed(daemon)

    answer = received(daemon, (b"PASSporT", token))

    assert answer.verdict == b"c"
    assert answer.progress >= 2
    assert b"stir=temperror" in results(answer)
    assert b"reason=replay-unknown" in results(answer)


def test_a_revocation_list_that_hangs_degrades_to_what_is_set(
    start: Start, silent: int
) -> None:
    daemon = start(
        milter=QUICK,
        fetch="seconds = 1.5",
        more=f'[revocation]\nmode = "hard"\ncrls = ["https://127.0.0.1:{silent}/c"]',
    )
    token = signed(daemon)

    answer = received(daemon, (b"PASSporT", token))

    assert answer.verdict == b"c"
    assert b"stir=temperror" in results(answer)


def test_all_that_hangs_at_once_ends_within_the_budget(
    start: Start, silent: int
) -> None:
    """Each wait alone would be longer than Postfix's patience."""
    daemon = start(
        milter="progress_seconds = 0.2\nmessage_seconds = 2.0",
        checks='methods = ["spf", "dkim", "dmarc"]',
        fetch="seconds = 300.0",
        replay=f'store = "redis://127.0.0.1:{silent}/0"\nseconds = 300.0',
        more=f'[dns]\nservers = ["{silent}@127.0.0.1"]\nmessage_seconds = 300.0\n'
        "question_seconds = 300.0\nserver_seconds = 300.0",
    )
    token = moved(signed(daemon), f"https://127.0.0.1:{silent}/x.pem")

    answer = received(daemon, (b"PASSporT", token))

    assert (answer.verdict, answer.reply) == (b"y", LATE)
    assert answer.progress >= 2
    assert "no decision in time" in daemon.logged()


def test_while_all_judges_are_busy_who_waits_is_answered_in_time(
    start: Start, silent: int
) -> None:
    """The second message never comes to a judge."""
    daemon = start(
        milter="workers = 1\nthreads = 1\n"
        "progress_seconds = 0.2\nmessage_seconds = 2.0",
        checks='methods = ["spf"]',
        more=f'[dns]\nservers = ["{silent}@127.0.0.1"]\nmessage_seconds = 300.0\n'
        "question_seconds = 300.0\nserver_seconds = 300.0",
    )
    answers: list[mta.Answer] = []

    def send() -> None:
        answers.append(received(daemon))

    senders = [threading.Thread(target=send) for _ in range(3)]
    for one in senders:
        one.start()
    for one in senders:
        one.join()

    assert [answer.reply for answer in answers] == [LATE] * 3
    assert all(answer.progress >= 2 for answer in answers)
