"""What is said again and again is said once in a while, with how often it was not."""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from threading import Lock

from stirmilter.log.lines import Line


class Repeats(logging.Filter):
    """Holds back lines that say what was just said; those of messages never."""

    def __init__(
        self,
        seconds: float,
        clock: Callable[[], float] = time.monotonic,
        texts: int = 500,
    ) -> None:
        """Begin with nothing said.

        Args:
            seconds: for how long a text is not said again; 0 holds nothing back.
            clock: seconds that never go back.
            texts: how many are remembered; beyond, the oldest may be said again.
        """
        super().__init__()
        self._texts = texts
        self._seconds = seconds
        self._clock = clock
        self._lock = Lock()
        self._said: OrderedDict[str, tuple[float, int]] = OrderedDict()
        """By text: when it was last said, and how often it was not since."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether to write a line; one that is written tells of the others."""
        line = record.msg
        if record.exc_info and record.exc_info[1] and self._traced(record.exc_info[1]):
            record.exc_info = None
        if not isinstance(line, Line) or not line.key:
            return True
        with self._lock:
            held = self._held(f"{record.levelno} {line.key}")
        if held:
            record.msg = line.again(held)
        return held is not None

    def _traced(self, error: BaseException) -> bool:
        """Tell whether it was just told where such an exception comes from."""
        last = error.__traceback__
        while last is not None and last.tb_next is not None:
            last = last.tb_next
        where = (last.tb_frame.f_code.co_filename, last.tb_lineno) if last else ""
        with self._lock:
            return self._held(f"{type(error).__name__} {where}") is None

    def _held(self, text: str) -> int | None:
        now = self._clock()
        at, held = self._said.get(text, (None, 0))
        if at is not None and now - at < self._seconds:
            self._said[text] = at, held + 1
            return None
        self._said[text] = now, 0
        self._said.move_to_end(text)
        if len(self._said) > self._texts:
            self._said.popitem(last=False)
        return held
