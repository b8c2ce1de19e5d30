"""Answers are handed to a relay in the background, and one that is lost is told."""

import socket
import time
from collections.abc import Callable, Iterator
from email.message import Message
from email.parser import BytesParser
from typing import Any

import pytest
from aiosmtpd.controller import Controller

from stirmilter.adapters.submission import Relay, Submitter
from stirmilter.demo.postfix import free_port
from stirmilter.mail.transaction import Submission

ANSWER = Submission(
    "PostMaster@mms.two.example",
    b"To: PostMaster@mms.two.example\r\nX-Mms-Message-Type: MM4_forward.RES\r\n\r\n",
)


class Relayed:
    """What a relay was given; refuses recipients at other.example."""

    def __init__(self) -> None:
        self.taken: list[tuple[str | None, list[str], Message, str]] = []

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self,
        _server: object,
        _session: object,
        envelope: Any,  # noqa: ANN401
        address: str,
        _options: object,
    ) -> str:
        if address.endswith("other.example"):
            return "550 5.7.1 not here"
        envelope.rcpt_tos.append(address)
        return "250 ok"

    async def handle_DATA(  # noqa: N802 - aiosmtpd's name
        self,
        _server: object,
        session: Any,  # noqa: ANN401
        envelope: Any,  # noqa: ANN401
    ) -> str:
        message = BytesParser().parsebytes(envelope.content)
        self.taken.append(
            (envelope.mail_from, envelope.rcpt_tos, message, session.host_name)
        )
        return "250 ok"


@pytest.fixture
def relayed() -> Iterator[tuple[Relayed, int]]:
    handler = Relayed()
    port = free_port()
    controller = Controller(
        handler, hostname="127.0.0.1", port=port, ready_timeout=30.0
    )
    controller.start()
    yield handler, port
    controller.stop()


def until(condition: Callable[[], object]) -> None:
    for _ in range(1_500):
        if condition():
            return
        time.sleep(0.02)
    raise AssertionError("did not happen")


def submitter(
    port: int, queue: int = 10, seconds: float = 30.0
) -> tuple[Submitter, list[str]]:
    said: list[str] = []
    relay = Relay(
        host="127.0.0.1", port=port, name="mx.example", seconds=seconds, queue=queue
    )
    return Submitter(relay, said.append), said


def counted(port: int, queue: int = 10) -> tuple[Submitter, list[str]]:
    became: list[str] = []
    relay = Relay(host="127.0.0.1", port=port, name="mx.example", queue=queue)
    return Submitter(relay, lambda _: None, became.append), became


def test_an_answer_goes_out_from_the_null_sender(
    relayed: tuple[Relayed, int],
) -> None:
    handler, port = relayed
    one, said = submitter(port)
    one.start()

    one(ANSWER)
    until(lambda: handler.taken)
    one.close(30)

    [(sender, recipients, message, name)] = handler.taken
    assert sender == "<>"
    assert recipients == ["PostMaster@mms.two.example"]
    assert message["X-Mms-Message-Type"] == "MM4_forward.RES"
    assert name == "mx.example"
    assert said == []


def test_one_that_is_refused_is_told_and_the_next_is_taken(
    relayed: tuple[Relayed, int],
) -> None:
    handler, port = relayed
    one, said = submitter(port)
    one.start()

    one(ANSWER._replace(recipient="a@other.example"))
    one(ANSWER)
    until(lambda: handler.taken)
    one.close(30)

    [line] = said
    assert line.startswith("mm4: no answer to a@other.example: ")
    assert len(handler.taken) == 1


def test_a_relay_that_is_down_is_told() -> None:
    one, said = submitter(free_port())
    one.start()

    one(ANSWER)
    until(lambda: said)
    one.close(30)

    assert said[0].startswith("mm4: no answer to PostMaster@mms.two.example: ")


def test_what_is_beyond_the_queue_is_told_and_nobody_waits() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        one, said = submitter(silent.getsockname()[1], queue=2, seconds=60.0)

        for _ in range(5):  # the thread does not even run
            one(ANSWER)

    assert (
        said == ["mm4: too many answers wait; none to PostMaster@mms.two.example"] * 3
    )


def test_a_queue_that_is_full_holds_up_no_end() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        one, _ = submitter(silent.getsockname()[1], queue=1, seconds=60.0)
        one(ANSWER)
        one(ANSWER)

        before = time.monotonic()
        one.close(0.2)

    assert time.monotonic() - before < 30


def test_what_waits_is_handed_over_before_the_end(
    relayed: tuple[Relayed, int],
) -> None:
    handler, port = relayed
    one, _ = submitter(port)
    for _ in range(5):
        one(ANSWER)
    one.start()

    one.close(30)

    assert len(handler.taken) == 5


def test_what_became_of_each_is_counted(relayed: tuple[Relayed, int]) -> None:
    handler, port = relayed
    one, became = counted(port, queue=2)
    one(ANSWER._replace(recipient="a@other.example"))
    one(ANSWER)
    one(ANSWER)
    assert one.waiting == 2

    one.start()
    until(lambda: handler.taken)
    one.close(30)

    assert became == ["dropped", "failed", "sent"]
    assert one.waiting == 0
