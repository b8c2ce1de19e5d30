"""A conversation that is spoken to without a socket, and what an MTA says in it."""

import struct
from typing import Any

import pytest

from stirmilter.adapters.ending import Answer
from stirmilter.adapters.native.conversation import Conversation
from stirmilter.adapters.service import Service
from stirmilter.events import Handled
from stirmilter.mail.transaction import Decision, Preparation, Submission
from stirmilter.stir.msgi import BodyDigester
from tests.adapters.sessions import Ledger, frame

LONGEST = 131_072
CONNECT = frame(b"C", b"mx.one.example\x004\0\x19192.0.2.1\0")
MAIL = frame(b"M", b"<a@one.example>\0SIZE=3\0")
RCPT = frame(b"R", b"<b@two.example>\0")
HEADER = frame(b"L", b"From\0 a@one.example\0")
END_OF_HEADER, END = frame(b"N"), frame(b"E")
MESSAGE = MAIL + RCPT + HEADER + END_OF_HEADER + frame(b"B", b"Hello\r\n") + END


def offer(steps: int = 0x1FFFFF, actions: int = 0x1FF, version: int = 6) -> bytes:
    return frame(b"O", struct.pack("!III", version, actions, steps))


class Filter:
    """Decides as it is told, at once, and keeps what it is asked about."""

    def __init__(self, decision: Decision) -> None:
        self.decision = decision
        self.asked: list[Any] = []

    def prepare(self, *_: object) -> Preparation:
        return Preparation(BodyDigester(), at_once=True)

    def decide(self, transaction: Any) -> Decision:  # noqa: ANN401
        self.asked.append(transaction)
        return self.decision

    def refused(self, _who: object, reason: str, action: Any = "tempfail") -> Handled:  # noqa: ANN401
        return Handled("in", "undetermined", reason, action=action)

    def undecided(self, _transaction: object) -> Decision:
        return Decision(event=self.refused(None, "internal-error"), action="tempfail")


class Talk:
    """A conversation with a filter that decides as it is told."""

    def __init__(self, decision: Decision | None = None) -> None:
        event = Handled("in", "verified", "verified", rule="r")
        self.filter = Filter(decision or Decision(event=event))
        self.ledger = Ledger()
        self.submitted: list[Submission] = []
        filter_: Any = self.filter
        executor: Any = None  # all is decided at once
        self.service = Service(
            filter=filter_,
            executor=executor,
            observe=self.ledger.handled.append,
            failed=lambda queue_id, error: self.ledger.failed.append((queue_id, error)),
            submit=self.submitted.append,
        )
        self.conversation = Conversation(self.service, LONGEST)
        self.rest = b""

    def say(self, octets: bytes) -> bytes:
        """What it answers; a message is answered where it ends."""
        self.rest += octets
        while True:
            taken = self.conversation.receive(memoryview(self.rest))
            self.rest = self.rest[taken:]
            if (steps := self.conversation.steps) is None:
                break
            with pytest.raises(StopIteration) as end:
                next(steps)
            answer: Answer = end.value.value
            self.conversation.finish(answer)
        out = bytes(self.conversation.out)
        self.conversation.out.clear()
        return out


def greeted(decision: Decision | None = None, **options: int) -> Talk:
    talk = Talk(decision)
    talk.say(offer(**options))
    talk.say(CONNECT)
    return talk


def defined(scope: bytes, **macros: str) -> bytes:
    packed = "".join(f"{name}\0{value}\0" for name, value in macros.items())
    return frame(b"D", scope + packed.encode())
