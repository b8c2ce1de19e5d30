"""How much the log remembers and tells, and what becomes of the rest."""

import logging
from pathlib import Path

import pytest
from click.testing import CliRunner

from stirmilter import log
from stirmilter.cli.daemon import run
from stirmilter.log.lines import Line
from stirmilter.log.repeats import Repeats
from stirmilter.log.writing import JsonFormatter, TextFormatter, TraceLimits
from stirmilter.supervisor import Supervisor


def deep(calls: int) -> None:
    if calls:
        deep(calls - 1)
    raise ValueError("innermost")


def caused(times: int) -> BaseException:
    """An exception that others led to: so many in all."""
    try:
        deep(10)
    except ValueError as first:
        error: Exception = first
    for number in range(1, times):
        try:
            raise ValueError(f"caused {number}") from error
        except ValueError as next_one:
            error = next_one
    return error


def record(error: BaseException) -> logging.LogRecord:
    info = type(error), error, error.__traceback__
    return logging.LogRecord("stirmilter", logging.ERROR, "", 0, "x", (), info)


@pytest.mark.parametrize("kind", [TextFormatter, JsonFormatter])
def test_of_exceptions_that_led_to_each_other_the_last_are_told(
    kind: type[TextFormatter | JsonFormatter],
) -> None:
    error = caused(3)

    whole = kind(trace=TraceLimits(exceptions=3)).format(record(error))
    cut = kind(trace=TraceLimits(exceptions=2)).format(record(error))

    assert (whole.count("Traceback"), cut.count("Traceback")) == (3, 2)
    assert "innermost" in whole.replace("raise ValueError", "")
    assert "ValueError: innermost" not in cut
    assert "ValueError: caused 2" in cut


@pytest.mark.parametrize("kind", [TextFormatter, JsonFormatter])
def test_of_calls_the_innermost_are_told(
    kind: type[TextFormatter | JsonFormatter],
) -> None:
    """There are twelve: ours, and eleven of `deep`."""
    error = caused(1)

    whole = kind(trace=TraceLimits(frames=12)).format(record(error))
    cut = kind(trace=TraceLimits(frames=11)).format(record(error))

    assert (whole.count("File"), cut.count("File")) == (12, 11)
    assert "in caused" in whole
    assert "in caused" not in cut


@pytest.mark.parametrize(("texts", "written"), [(2, False), (1, True)])
def test_beyond_the_texts_that_are_remembered_the_oldest_is_written_again(
    texts: int, written: bool
) -> None:
    repeats = Repeats(60.0, lambda: 0.0, texts=texts)

    def say(text: str) -> bool:
        line = Line("trouble", text, key=text)
        made = logging.LogRecord("x", logging.ERROR, "", 0, line, (), None)
        return repeats.filter(made)

    assert say("a")
    assert say("b")
    assert say("a") is written


def test_settings_reach_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `stirmilter run` sets it up, before it serves anything."""
    path = tmp_path / "stirmilter.toml"
    path.write_text(
        '[milter]\nauthserv_id = "mx.example"\n'
        f'sockets = ["unix:{tmp_path}/s"]\nsocket_group = ""\n'
        '[replay]\nstore = "memory:"\n[fetch]\nstore = "memory:"\n'
        '[journal]\npath = ""\n[sign]\nproofs = "p.json"\n'
        "[log]\nrepeats = 3\ntrace_exceptions = 4\ntrace_frames = 5\n"
    )
    given: dict[str, object] = {}
    monkeypatch.setattr(log, "configure", lambda _, **named: given.update(named))
    monkeypatch.setattr(log, "take_over", lambda: None)
    monkeypatch.setattr(Supervisor, "run", lambda self: self.load())

    done = CliRunner().invoke(run, ["-c", str(path)])

    assert done.exit_code == 0, done.output
    assert given["repeats"] == 3
    assert given["trace"] == TraceLimits(exceptions=4, frames=5)
