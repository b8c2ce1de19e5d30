"""What a worker does now and then, beside the messages, on one thread of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NoReturn

from stirmilter import log


@dataclass(slots=True)
class Task:
    """Something to do every so many seconds; it returns what went wrong, in words."""

    name: str
    run: Callable[[], Iterable[str]]
    seconds: float
    due: float = 0.0


class Housekeeper:
    """Runs tasks when they are due; what one raises is logged, and it comes again."""

    def __init__(
        self, tasks: Iterable[Task], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.tasks = list(tasks)
        self._clock = clock

    def run_due(self) -> float:
        """Run what is due, and return the seconds until the next task is."""
        for task in self.tasks:
            if self._clock() >= task.due:
                self._run(task)
                task.due = self._clock() + task.seconds
        return max(0.0, min(task.due for task in self.tasks) - self._clock())

    def _run(self, task: Task) -> None:
        try:
            for problem in task.run():
                log.degraded(f"{task.name}: {problem}")
        except Exception:  # noqa: BLE001 - a bug of ours must not end the others
            log.logger.exception("%s failed", task.name)

    def start(self) -> None:
        """Begin, on a thread that ends with the process."""
        if self.tasks:
            threading.Thread(target=self._loop, name="housekeeper", daemon=True).start()

    def _loop(self) -> NoReturn:
        while True:
            time.sleep(self.run_due())
