"""The end of a message: wait for what was fetched, have it decided, apply that.

Written once as steps that say what they wait for, so that each transport waits in its
own way: libmilter's thread stands still, the native loop turns to somebody else.

A panic of a library that is written in Rust is no `Exception` (PyO3's PanicException),
and no reason either to leave an MTA without an answer.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, NamedTuple, Protocol

from stirmilter.adapters.draft import Draft, Reply
from stirmilter.adapters.service import NAME, Service
from stirmilter.events import Handled
from stirmilter.haste import TakesLong, haste
from stirmilter.mail.transaction import (
    Connection,
    Decision,
    Transaction,
)

Answer = Literal["continue", "tempfail", "reject"]
"""What the MTA is told at the end; the reply of the latter two is set before."""

_INTERNAL: Final = ("451", "4.3.0", "internal error, try again later")
_TOO_LATE: Final = ("451", "4.3.0", "no verdict in time, try again later")
_NO_QUARANTINE: Final = ("451", "4.3.5", "no quarantine here, try again later")


class Channel(Protocol):
    """What a transport does for a session, in the protocol's own terms."""

    @property
    def gone(self) -> bool:
        """Whether the MTA is known to have left, and does not hear what we answer."""

    @property
    def leading_space(self) -> bool:
        """Whether values of fields carry the space after the colon, both ways."""

    @property
    def can_quarantine(self) -> bool:
        """Whether the MTA lets us."""

    @property
    def may_decide(self) -> bool:
        """Whether what takes not long may be decided on the thread that asks."""

    def macro(self, name: str) -> str | None:
        """Return the value of a macro, by its name with braces if it has some."""

    def insert(self, name: str, value: str) -> None:
        """Insert a header field above all others."""

    def remove(self, name: str, occurrence: int) -> None:
        """Remove a header field: which of that name, from 1."""

    def quarantine(self, reason: str) -> None:
        """Have the message held."""

    def set_reply(self, code: str, enhanced: str, text: str) -> None:
        """Say how a message is refused that is about to be."""


class Wait(NamedTuple):
    """What a step waits for, and how long."""

    future: Future[Any]
    deadline: float
    """By `time.monotonic`."""


Steps = Generator[Wait, bool, Answer]
"""Resumed with whether what was waited for is done; raises nothing."""


@dataclass(frozen=True, slots=True)
class Ending:
    """A message that is complete, until it is answered."""

    service: Service
    channel: Channel
    connection: Connection
    draft: Draft

    def steps(self) -> Steps:
        """Have the message decided, apply the decision, and tell what became of it."""
        queue_id = "-"
        started = time.perf_counter()
        try:
            queue_id = self.channel.macro("i") or "-"
            answer, event = yield from self._answered(queue_id)
        except GeneratorExit:  # whom we would have answered has gone
            raise
        except BaseException as error:  # noqa: BLE001 - nothing a message holds escapes
            self.service.failed(queue_id, error)
            answer = self._refuse("tempfail", _INTERNAL)
            event = self.service.filter.refused(self.connection, "internal-error")
        finally:
            self.draft.release()
        self.service.observe(
            replace(
                event,
                queue_id=queue_id,
                seconds=time.perf_counter() - started,
                stages=(*self.draft.waits, *event.stages),
            )
        )
        return answer

    def _answered(self, queue_id: str) -> Generator[Wait, bool, tuple[Answer, Handled]]:
        """Answer the message, and say what to tell of it."""
        told, who = self.service.filter.refused, self.connection
        if (refusal := self.draft.refusal) is not None:
            event = told(who, refusal.reason, refusal.action)
            return self._refuse(refusal.action, refusal.reply), event
        decision, problem = yield from self._decided(queue_id)
        if decision is None:
            code = "too-late" if problem is _TOO_LATE else "internal-error"
            return self._refuse("tempfail", problem), told(who, code)
        answer, event = self._apply(decision), decision.event
        if answer == "tempfail":  # perhaps since there is no quarantine
            event = replace(event, action="tempfail")
        return answer, event

    def _decided(
        self, queue_id: str
    ) -> Generator[Wait, bool, tuple[Decision | None, Reply]]:
        """Have the message decided; without a decision, it is to come again.

        Whether it is when we are wrong, or late, is the filter's to say.
        """
        draft = self.draft
        transaction = draft.prepared.transaction(
            self.connection,
            draft.sender,
            tuple(draft.recipients),
            tuple(draft.headers),
            quarantine=self.channel.can_quarantine,
            late=lambda: draft.late,
        )
        problem = _INTERNAL
        try:
            if draft.error is not None:
                raise draft.error
            decision = yield from self._decide(transaction)
            if decision is not None:
                return decision, problem
            problem = _TOO_LATE
            self.service.failed(queue_id, TimeoutError("no decision in time"))
        except GeneratorExit:  # whom we would have answered has gone
            raise
        except BaseException as error:  # noqa: BLE001 - nothing a message holds escapes
            self.service.failed(queue_id, error)
        undecided = self.service.filter.undecided(transaction)
        return (undecided if undecided.action == "accept" else None), problem

    def _decide(
        self, transaction: Transaction
    ) -> Generator[Wait, bool, Decision | None]:
        """Run the filter, on a judge's thread if it takes long.

        None when it takes too long.
        """
        draft, service = self.draft, self.service
        deadline = time.monotonic() + service.message_seconds
        if draft.prepared.at_once and self.channel.may_decide:
            try:
                with haste():
                    decision = service.filter.decide(transaction)
            except TakesLong:
                pass
            else:
                draft.waits.append(("queue", 0.0))
                return decision
        if draft.prepared.urls:
            began = time.perf_counter()
            yield from self._await_urls(draft.prepared.urls)
            draft.waits.append(("prefetch", time.perf_counter() - began))
        place = service.queue.enter()

        def judge() -> Decision:
            draft.waits.append(("queue", place.leave()))
            return service.filter.decide(transaction)

        future: Future[Decision] = service.executor.submit(judge)
        if (yield Wait(future, deadline)):
            return future.result()
        draft.late = True
        if future.cancel():
            place.leave()
        return None

    def _await_urls(self, urls: Sequence[str]) -> Generator[Wait, bool, None]:
        """Wait for what was begun with the header, so that no judge has to.

        What was at hand then may have grown old since, so it is asked for again.
        """
        deadline = time.monotonic() + self.service.message_seconds / 2
        for fetch in self.service.prefetch(urls):
            if (yield Wait(fetch, deadline)):
                fetch.result()  # a bug of ours; that a fetch failed is no error here

    def _apply(self, decision: Decision) -> Answer:
        channel = self.channel
        if channel.gone:
            raise ConnectionError("the MTA has left before it was answered")
        if decision.reply is not None:
            if decision.action == "tempfail":
                return self._refuse("tempfail", decision.reply)
            if decision.action == "reject":
                answer = self._refuse("reject", decision.reply)
                if decision.answer is not None:
                    self.service.submit(decision.answer)
                return answer
        if decision.action == "quarantine" and not channel.can_quarantine:
            return self._refuse("tempfail", _NO_QUARANTINE)
        # From the last occurrence to the first: each removal renumbers those after it
        # (CVE-2022-48521 is what becomes of the other order).
        for gone in sorted(decision.remove, key=lambda r: -r.occurrence):
            channel.remove(gone.name, gone.occurrence)
        space = " " if channel.leading_space else ""
        for name, value in reversed(decision.insert):
            channel.insert(name, space + value)  # above our Received (RFC 8601 §4.1)
        if decision.action == "quarantine":
            channel.quarantine(f"{NAME}: {decision.event.rule}")
        return "continue"

    def _refuse(self, answer: Answer, reply: Reply) -> Answer:
        self.channel.set_reply(*reply)
        return answer
