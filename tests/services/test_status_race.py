"""Two threads look one path up, and the answer of the later question stays."""

import sys
from collections.abc import Callable
from datetime import datetime
from itertools import count
from pathlib import Path
from threading import Event, Thread, current_thread, main_thread
from types import FrameType
from typing import Any

from stirmilter.services import TrustSet
from stirmilter.services.credentials import CredentialService
from stirmilter.services.revocation import PathStatus
from tests.laboratory import ALICE, NOW, X5U
from tests.services.revoked import MIDDLE, PLAIN, ROOT, Kept, trusting
from tests.stir.certificates import publish

Trace = Callable[[FrameType, str, Any], Any]


class Turning:
    """Good to who asked first and waits, revoked to who asks when a list has come."""

    def __init__(self) -> None:
        self.generation = 1
        self.asked, self.released = Event(), Event()

    def status(self, *_: object) -> PathStatus:
        if current_thread() is main_thread():
            return PathStatus("revoked")
        self.asked.set()
        self.released.wait(30)
        return PathStatus("good")


def interrupted(step: int, hook: Callable[[], None], work: Callable[[], object]) -> int:
    """Do some work, and something else at a step of its `_with_status`; count steps."""
    steps = count()

    def opcode(frame: FrameType, event: str, _: object) -> Trace:
        if event == "opcode" and next(steps) == step:
            hook()
            # In Python 3.13, a thread that is not traced ends this for what it ran.
            frame.f_trace_opcodes = False
            frame.f_trace_opcodes = True
        return opcode

    def call(frame: FrameType, _: str, __: object) -> Trace | None:
        if frame.f_code.co_name != "_with_status":
            return None
        frame.f_trace = opcode  # which Python 3.13 looks for in the next line
        frame.f_trace_opcodes = True
        return opcode

    before = sys.gettrace()
    sys._getframe().f_trace_opcodes = True  # which Python 3.12 looks for in the next
    sys.settrace(call)
    try:
        work()
    finally:
        sys.settrace(before)
    return next(steps)


def test_a_late_answer_by_an_old_list_does_not_stand_for_that_by_the_new(
    tmp_path: Path,
) -> None:
    publish(tmp_path, "it", PLAIN, MIDDLE)
    step, steps = 0, 1
    while step < steps:
        turning = Turning()
        service = CredentialService(
            Kept(tmp_path),
            [TrustSet(anchors=trusting(ROOT))],
            revocation=turning,  # type: ignore[arg-type]
        )

        def look(
            service: CredentialService = service, now: datetime = NOW
        ) -> PathStatus:
            return service.at(f"{X5U}it.pem", now, now, ALICE).status

        late = Thread(target=look)
        late.start()
        assert turning.asked.wait(30)
        turning.generation = 2

        def finish(turning: Turning = turning, late: Thread = late) -> None:
            turning.released.set()
            late.join()

        steps = interrupted(step, finish, look)
        finish()
        assert look().word == "revoked", f"step {step}"
        step += 1
    assert steps > 10
