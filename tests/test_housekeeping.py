"""What a worker does now and then is done when it is due, whatever the others do."""

import logging
import threading

import pytest

from stirmilter.housekeeping import Housekeeper, Task


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_task_runs_at_once_and_then_when_it_is_due() -> None:
    clock, runs = Clock(), list[float]()

    def run() -> list[str]:
        runs.append(clock.now)
        return []

    keeper = Housekeeper([Task("it", run, 10.0)], clock)

    for seconds in (0.0, 5.0, 5.0, 1.0, 9.0):
        clock.now += seconds
        keeper.run_due()

    assert runs == [100.0, 110.0, 120.0]


def test_it_sleeps_until_the_next_task_is_due() -> None:
    clock = Clock()
    keeper = Housekeeper([Task("a", list, 10.0), Task("b", list, 3.0)], clock)

    assert keeper.run_due() == 3.0


def test_problems_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    keeper = Housekeeper(
        [Task("lists", lambda: ["a failed", "b failed"], 1.0)], Clock()
    )

    with caplog.at_level(logging.WARNING, "stirmilter"):
        keeper.run_due()

    assert caplog.messages == ["lists: a failed", "lists: b failed"]


def test_a_task_that_raises_does_not_end_the_others(
    caplog: pytest.LogCaptureFixture,
) -> None:
    ran = threading.Event()

    def broken() -> list[str]:
        raise ZeroDivisionError

    def good() -> list[str]:
        ran.set()
        return []

    Housekeeper([Task("bad", broken, 60.0), Task("good", good, 60.0)]).start()

    assert ran.wait(30)
    assert "bad failed" in caplog.text


def test_without_tasks_there_is_no_thread() -> None:
    before = set(threading.enumerate())

    Housekeeper([]).start()

    assert set(threading.enumerate()) <= before
