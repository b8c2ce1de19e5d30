"""Text, JSON and journald's priorities; what was just said is not said again."""

import json
import logging
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from stirmilter import log
from stirmilter.events import Fetched, Handled
from stirmilter.log.lines import Line
from stirmilter.log.repeats import Repeats
from stirmilter.log.writing import Style
from tests.log.test_log import PASSED

FIELDS = [
    "time",
    "level",
    "event",
    "queue_id",
    "direction",
    "outcome",
    "reason",
    "orig",
    "action",
    "ms",
    "stages",
    "methods",
    "rule",
    "peer",
    "shadow_action",
    "shadow_rule",
    "signer",
    "submitter",
    "hazards",
    "x5u",
    "detail",
]


@pytest.fixture(autouse=True)
def _put_back() -> Iterator[None]:
    loggers = log.logger, logging.getLogger("py.warnings"), logging.getLogger()
    before = [(one, one.handlers[:], one.level, one.propagate) for one in loggers]
    hook = threading.excepthook
    yield
    for one, handlers, level, propagate in before:
        one.handlers[:], one.level, one.propagate = handlers, level, propagate
    threading.excepthook = hook
    logging.captureWarnings(capture=False)


def objects(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


def test_a_message_is_one_object(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure("info", style="json")

    log.handled()(
        replace(
            PASSED,
            methods=(("dkim", "pass a.example"), ("dkim", "fail"), ("spf", "pass")),
            rule="r1",
            stages=(("queue", 0.0012345), ("stir", 0.01)),
            peer="two",
            detail='a "quoted"\nline',
        )
    )

    [found] = objects(capsys.readouterr().err)
    assert list(found) == FIELDS
    then = datetime.fromisoformat(str(found.pop("time")))
    assert then.utcoffset() == timedelta(0)
    assert found == {
        "level": "info",
        "event": "message",
        "queue_id": "4Yx1ab2cd3z",
        "direction": "in",
        "outcome": "number-authenticated",
        "reason": "verified",
        "orig": "1202555xxxx",
        "action": "accept",
        "ms": 12,
        "stages": {"queue": 1.23, "stir": 10.0},
        "methods": [["dkim", "pass a.example"], ["dkim", "fail"], ["spf", "pass"]],
        "rule": "r1",
        "peer": "two",
        "shadow_action": "",
        "shadow_rule": "",
        "signer": "",
        "submitter": "",
        "hazards": [],
        "x5u": "https://certs.example/a.pem",
        "detail": 'a "quoted"\\u{a}line',
    }


@pytest.mark.parametrize(
    "event",
    [
        Handled("out", "signed", "signed", signer="one"),
        Handled("in", "failed", "stale", shadow_action="reject", shadow_rule="s"),
    ],
)
def test_every_message_has_the_same_keys(
    capsys: pytest.CaptureFixture[str], event: Handled
) -> None:
    log.configure("info", style="json")

    log.handled()(event)

    [found] = objects(capsys.readouterr().err)
    assert list(found) == FIELDS
    assert found["orig"] is None


def test_every_other_line_names_its_event(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure("info", style="json")

    log.finding("warning", "signer one", "late")
    log.fetched(Fetched("certs.example", "failed", seconds=0.5, detail="status 404"))
    log.trouble("t")
    log.degraded("d")
    log.recovered("r")
    log.logger.info("stopped")
    log.failed("4Yx1", ValueError("v"))

    found = objects(capsys.readouterr().err)
    for one in found:
        del one["time"]
    trace = found[-1].pop("trace")
    assert isinstance(trace, list)
    assert trace[-1] == "ValueError: v"
    assert found == [
        {"level": "warning", "event": "finding", "subject": "signer one"}
        | {"text": "late"},
        {"level": "info", "event": "fetch", "host": "certs.example"}
        | {"outcome": "failed", "ms": 500, "detail": "status 404"},
        {"level": "error", "event": "trouble", "text": "t"},
        {"level": "warning", "event": "degraded", "text": "d"},
        {"level": "info", "event": "recovered", "text": "r"},
        {"level": "info", "event": "notice", "text": "stopped"},
        {"level": "error", "event": "internal-error", "queue_id": "4Yx1"}
        | {"text": "v"},
    ]


@pytest.fixture
def journal(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Callable[[], Path]]:
    """Have standard error lead to a file, which systemd says is the journal."""
    path = tmp_path / "journal"
    with path.open("w") as stream:
        found = os.fstat(stream.fileno())
        monkeypatch.setenv("JOURNAL_STREAM", f"{found.st_dev}:{found.st_ino}")

        def begin() -> Path:
            monkeypatch.setattr("sys.stderr", stream)  # pytest has its own until now
            return path

        yield begin


def everything() -> None:
    log.logger.debug("d")
    log.logger.info("i")
    log.logger.warning("w")
    log.logger.error("e")
    log.logger.critical("c")


@pytest.mark.parametrize("style", ["text", "json"])
def test_the_journal_is_told_the_priority_of_each_line(
    journal: Callable[[], Path], style: Style
) -> None:
    path = journal()
    log.configure("debug", style=style)

    everything()

    lines = path.read_text().splitlines()
    assert [line[:3] for line in lines] == ["<7>", "<6>", "<4>", "<3>", "<2>"]


def test_every_line_of_a_trace_has_its_priority(journal: Callable[[], Path]) -> None:
    """What journald reads without one becomes information."""
    path = journal()
    log.configure("info")

    try:
        raise ValueError("a")
    except ValueError as error:
        log.failed("4Yx1", error)

    lines = path.read_text().splitlines()
    assert len(lines) > 3
    assert all(line.startswith("<3>") for line in lines)


@pytest.mark.parametrize(
    ("named", "priorities"),
    [("1:2", True), ("", True), (None, False)],
    ids=["another", "none", "switched-off"],
)
def test_nobody_else_is_told_priorities(
    monkeypatch: pytest.MonkeyPatch,
    journal: Callable[[], Path],
    named: str | None,
    priorities: bool,
) -> None:
    """Whoever redirects standard error inherits the variable (systemd.exec(5))."""
    if named is not None:
        monkeypatch.setenv("JOURNAL_STREAM", named)
    path = journal()
    log.configure("info", priorities=priorities)

    log.logger.warning("w")

    assert path.read_text() == "WARNING w\n"


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def repeated(clock: Clock, seconds: float = 60.0) -> tuple[logging.Logger, list[str]]:
    """A logger that holds back, and what it wrote."""
    written: list[str] = []

    class Keeps(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            written.append(record.getMessage())

    handler = Keeps()
    handler.addFilter(Repeats(seconds, clock))
    logger = logging.Logger("a")  # noqa: LOG001 - nobody else's
    logger.addHandler(handler)
    return logger, written


def test_what_was_just_said_is_counted_and_told_when_it_is_said_again() -> None:
    clock = Clock()
    logger, written = repeated(clock)
    line = Line("trouble", "t", key="t")

    for now in (0.0, 1.0, 59.9, 60.0, 61.0, 120.0):
        clock.now = now
        logger.error(line)

    assert written == [
        "t",
        "t (2 more of these were not written)",
        "t (1 more of these were not written)",
    ]


def test_another_text_or_level_is_not_held_back() -> None:
    logger, written = repeated(Clock())

    logger.error(Line("trouble", "a", key="a"))
    logger.error(Line("trouble", "b", key="b"))
    logger.warning(Line("trouble", "a", key="a"))

    assert written == ["a", "b", "a"]


def test_no_seconds_hold_nothing_back() -> None:
    logger, written = repeated(Clock(), 0.0)

    for _ in range(3):
        logger.error(Line("trouble", "a", key="a"))

    assert written == ["a"] * 3


def test_texts_that_are_remembered_have_an_end() -> None:
    logger, written = repeated(Clock())

    for number in (*range(1_000), 0):
        logger.error(Line("trouble", str(number), key=str(number)))

    assert len(written) == 1_001


def test_lines_of_messages_are_never_held_back(
    capsys: pytest.CaptureFixture[str],
) -> None:
    log.configure("info")

    for number in range(3):
        log.handled()(PASSED)
        log.logger.info("reloaded")
        log.trouble("t")
        log.degraded("d")
        log.finding("error", "f", "f")
        log.fetched(Fetched("h", "failed", seconds=number / 10, detail="d"))

    written = capsys.readouterr().err.splitlines()
    assert sum("4Yx1ab2cd3z" in line for line in written) == 3
    assert written.count("INFO reloaded") == 3
    assert len(written) == 3 + 3 + 4


def test_a_bug_that_each_message_meets_is_traced_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    log.configure("info")

    def fail() -> None:
        raise ZeroDivisionError

    for number in range(3):
        try:
            fail()
        except ZeroDivisionError as error:
            log.failed(f"4Yx{number}", error)

    written = capsys.readouterr().err
    assert written.count("internal error") == 3
    assert written.count("Traceback") == 1


def test_a_reload_has_everything_said_again(capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        log.configure("info")
        log.finding("warning", "a", "b")

    assert capsys.readouterr().err == "WARNING a: b\n" * 2


def test_what_a_library_logs_and_what_ends_a_thread_takes_the_same_way(
    capsys: pytest.CaptureFixture[str],
) -> None:
    log.configure("info")
    log.take_over()

    def fail() -> None:
        raise ValueError("+12025550123\n")

    logging.getLogger("library").warning("about %s", "+12025550123")
    thread = threading.Thread(target=fail, name="one")
    thread.start()
    thread.join()

    first, second, *trace = capsys.readouterr().err.splitlines()
    assert first == "WARNING about +1202555xxxx"
    assert second == "CRITICAL thread one ended: ValueError: +1202555xxxx\\u{a}"
    assert trace[-1] == "ValueError: +1202555xxxx\\u{a}"
