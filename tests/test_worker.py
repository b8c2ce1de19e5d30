"""What a worker tells, and to whom."""

import pytest

from stirmilter import log, worker
from stirmilter.events import Handled

EVENT = Handled("in", "failed", "stale", queue_id="4Yx1\n")


def test_several_are_told_of_each_message_in_order() -> None:
    told: list[tuple[str, Handled]] = []

    worker.tell(
        lambda event: told.append(("log", event)),
        lambda event: told.append(("journal", event)),
    )(EVENT)

    assert told == [("log", EVENT), ("journal", EVENT)]


def test_what_one_runs_into_the_others_do_not_notice(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The message has been answered: nothing may come of it any more."""
    monkeypatch.setattr(log.logger, "handlers", [])
    monkeypatch.setattr(log.logger, "propagate", False)
    log.configure("info")
    told: list[Handled] = []

    def fail(_event: Handled) -> None:
        raise ZeroDivisionError

    worker.tell(fail, told.append)(EVENT)

    assert told == [EVENT]
    error = capsys.readouterr().err
    assert error.startswith("ERROR 4Yx1\\u{a}: not told to all\n")
    assert "ZeroDivisionError" in error
