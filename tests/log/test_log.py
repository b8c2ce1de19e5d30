"""What an operator reads: one line for a message, and no number in full."""

import logging
import warnings
from collections.abc import Iterator
from dataclasses import replace

import pytest

from stirmilter import log
from stirmilter.events import Fetched, Handled
from stirmilter.log.writing import TextFormatter

PASSED = Handled(
    "in",
    "number-authenticated",
    "verified",
    orig="12025550123",
    x5u="https://certs.example/a.pem",
    queue_id="4Yx1ab2cd3z",
    seconds=0.0123,
)


class Lines(logging.Handler):
    """Keeps what is logged, as it would be written."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(TextFormatter())
        self.written: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.written.append(self.format(record))


@pytest.fixture
def unconfigured() -> Iterator[None]:
    """Leave the logger as it was found."""
    loggers = log.logger, logging.getLogger("py.warnings")
    before = [(one, one.handlers[:], one.level, one.propagate) for one in loggers]
    yield
    for one, handlers, level, propagate in before:
        one.handlers[:], one.level, one.propagate = handlers, level, propagate
    logging.captureWarnings(capture=False)


@pytest.fixture
def lines(unconfigured: None) -> list[str]:  # noqa: ARG001 - puts things back
    handler = Lines()
    log.logger.handlers[:] = [handler]
    log.logger.setLevel(logging.INFO)
    log.logger.propagate = False
    return handler.written


@pytest.mark.conformance("O-07")
def test_a_message_is_one_line(lines: list[str]) -> None:
    log.handled()(PASSED)

    [line] = lines
    assert line == (
        "INFO 4Yx1ab2cd3z: in=number-authenticated reason=verified orig=1202555xxxx"
        ' action=accept ms=12 x5u="https://certs.example/a.pem"'
    )


def test_a_signed_message_is_told_with_its_signer(lines: list[str]) -> None:
    log.handled()(Handled("out", "signed", "signed", "", "12025550123", signer="one"))

    [line] = lines
    assert line == (
        "INFO -: out=signed reason=signed orig=1202555xxxx action=accept ms=0"
        " signer=one"
    )


def test_hazards_of_a_body_are_told(lines: list[str]) -> None:
    hazards = ("long-lines", "8bit")
    log.handled()(Handled("out", "signed", "signed", "", hazards=hazards))

    [line] = lines
    assert line.endswith(" hazards=long-lines,8bit")


def test_what_the_policy_said_is_told(lines: list[str]) -> None:
    ruled = replace(PASSED, rule="r1", peer="two", shadow_action="reject")
    log.handled()(ruled)
    log.handled()(replace(ruled, shadow_rule="s1"))

    assert "ms=12 rule=r1 peer=two shadow=reject/- x5u" in lines[0]
    assert "shadow=reject/s1 " in lines[1]


@pytest.mark.parametrize(
    ("action", "level"),
    [
        ("accept", "INFO"),
        ("tag", "INFO"),
        ("quarantine", "WARNING"),
        ("tempfail", "WARNING"),
        ("reject", "WARNING"),
    ],
)
def test_what_does_not_arrive_is_a_warning(
    lines: list[str], action: str, level: str
) -> None:
    log.handled()(replace(PASSED, action=action))

    assert lines[0].startswith(level)


def test_a_failure_is_told_with_its_detail(lines: list[str]) -> None:
    event = Handled(
        "out", "failed", "not-authorized", "one: not covered", "12025550123", "tempfail"
    )

    log.handled()(event)

    [line] = lines
    assert line == (
        "WARNING -: out=failed reason=not-authorized orig=1202555xxxx action=tempfail"
        ' ms=0 detail="one: not covered"'
    )


@pytest.mark.parametrize(
    ("number", "masked"),
    [
        pytest.param("12025550123", "1202555xxxx", id="number"),
        pytest.param("12345", "1xxxx", id="short"),
        pytest.param("1234", "xxxx", id="shorter"),
        pytest.param("1", "xxxx", id="one-digit"),
        pytest.param(None, "-", id="none"),
    ],
)
@pytest.mark.conformance("O-07")
def test_a_number_is_masked(lines: list[str], number: str | None, masked: str) -> None:
    log.handled()(replace(PASSED, orig=number))

    assert f" orig={masked} " in lines[0]


def test_numbers_are_told_in_full_to_whoever_asks(lines: list[str]) -> None:
    log.handled("full")(PASSED)

    assert " orig=12025550123 " in lines[0]


@pytest.mark.parametrize(
    ("outcome", "level"),
    [
        ("failed", "WARNING"),
        ("undetermined", "WARNING"),
        ("signed", "INFO"),
        ("unsigned", "INFO"),
        ("authenticated", "INFO"),
        ("number-authenticated", "INFO"),
        ("domain-authenticated", "INFO"),
        ("unauthenticated", "INFO"),
    ],
)
def test_what_somebody_may_have_to_answer_for_is_a_warning(
    lines: list[str], outcome: str, level: str
) -> None:
    log.handled()(replace(PASSED, outcome=outcome))

    assert [line.split()[0] for line in lines] == [level]


@pytest.mark.parametrize("part", ["queue_id", "detail", "x5u"])
@pytest.mark.parametrize(
    ("text", "written"),
    [
        pytest.param("a\r\nINFO b", "a\\u{d}\\u{a}INFO b", id="line-end"),
        pytest.param("a\x1b[2J", "a\\u{1b}[2J", id="escape"),
        pytest.param("a\x00", "a\\u{0}", id="nul"),
        pytest.param("a\u202eb", "a\\u{202e}b", id="right-to-left-override"),
        pytest.param("a\udcff", "a\\u{dcff}", id="octet-outside-utf-8"),
    ],
)
def test_a_stranger_writes_no_control_character(
    lines: list[str], part: str, text: str, written: str
) -> None:
    log.handled()(replace(PASSED, **{part: text}))  # type: ignore[arg-type]

    [line] = lines
    assert written in line
    assert line.isascii()
    assert line.isprintable()


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("CC01723456B", "CC01723456B"),
        ("4Yx12025550123z", "4Yx12025550123z"),
        ("92077218932", "92077218932"),
        ("tel:12025550123", "tel:1202555xxxx"),
        ("A12025550123" * 3, "A1202555xxxx" * 3),
    ],
)
def test_a_queue_id_is_written_as_the_mta_writes_it(
    lines: list[str], text: str, written: str
) -> None:
    """However many digits of it stand in a row, be it all."""
    log.handled()(replace(PASSED, queue_id=text))
    log.failed(text, ValueError())

    assert [line.split()[1] for line in lines[:2]] == [f"{written}:"] * 2


def test_a_stranger_closes_no_quotation(lines: list[str]) -> None:
    """Whoever reads ``key=value`` would take what follows for ours."""
    log.handled()(replace(PASSED, detail='ppt a" action=accept b="'))

    assert ' detail="ppt a" action=accept' not in lines[0]


def test_a_long_text_is_cut(lines: list[str]) -> None:
    log.handled()(replace(PASSED, detail="x" * 10_000, x5u="y" * 10_000))

    assert len(lines[0]) < 500


@pytest.mark.parametrize(
    ("level", "written"),
    [
        pytest.param("ok", "INFO", id="ok"),
        pytest.param("warning", "WARNING", id="warning"),
        pytest.param("error", "ERROR", id="error"),
    ],
)
def test_a_finding_has_the_level_that_it_was_found_with(
    lines: list[str], level: str, written: str
) -> None:
    log.finding(level, "signer one", "may speak\nfor +1")

    assert lines == [f"{written} signer one: may speak\\u{{a}}for +1"]


def test_a_bug_is_told_once_with_its_trace_and_the_message(lines: list[str]) -> None:
    try:
        raise ValueError("a\nb")
    except ValueError as error:
        log.failed("4Yx1\n", error)

    [text] = lines
    first, *trace = text.splitlines()
    assert first == ("ERROR 4Yx1\\u{a}: internal error: a\\u{a}b")
    assert trace[-1] == "ValueError: a\\u{a}b"
    assert trace[0] == "Traceback (most recent call last):"
    assert "test_a_bug_is_told_once" in "".join(trace)
    assert text.count("Traceback") == 1


@pytest.mark.parametrize(
    ("level", "levels"),
    [
        pytest.param("debug", ["INFO", "WARNING"], id="debug"),
        pytest.param("info", ["INFO", "WARNING"], id="info"),
        pytest.param("warning", ["WARNING"], id="warning"),
        pytest.param("error", [], id="error"),
    ],
)
@pytest.mark.usefixtures("unconfigured")
def test_the_log_goes_to_standard_error_from_a_level_on(
    capsys: pytest.CaptureFixture[str], level: str, levels: list[str]
) -> None:
    log.configure(level)

    log.handled()(PASSED)
    log.handled()(replace(PASSED, outcome="failed"))

    out, err = capsys.readouterr()
    assert out == ""
    assert [line.split()[0] for line in err.splitlines()] == levels


@pytest.mark.usefixtures("unconfigured")
def test_configuring_again_writes_no_line_twice(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for _ in range(2):
        log.configure("info")

    log.handled()(PASSED)

    assert capsys.readouterr().err.count("4Yx1ab2cd3z") == 1


@pytest.mark.usefixtures("unconfigured")
def test_numbers_in_findings_are_masked(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure("info")

    log.finding("error", "signer one", "does not cover +12025550123, +12025550100-+120")

    assert "+1202555xxxx, +1202555xxxx-+120" in capsys.readouterr().err


@pytest.mark.usefixtures("unconfigured")
@pytest.mark.filterwarnings("default::UserWarning")
def test_a_warning_of_a_library_is_a_line_of_the_log(
    capsys: pytest.CaptureFixture[str],
) -> None:
    log.configure("info")

    warnings.warn("a negative serial number", UserWarning, stacklevel=1)

    err = capsys.readouterr().err
    assert err.startswith("WARNING ")
    assert "a negative serial number" in err


@pytest.mark.conformance("O-07")
def test_a_fetch_that_brought_nothing_is_one_line(lines: list[str]) -> None:
    log.fetched(Fetched("certs.example", "fetched", octets=9, seconds=0.1))
    log.fetched(
        Fetched(
            "certs.example", "failed", seconds=5.0012, detail='status 404\r\n"\x1b[2J'
        )
    )

    [line] = lines
    assert line == (
        "INFO fetch: host=certs.example outcome=failed ms=5001"
        r' detail="status 404\u{d}\u{a}\u{22}\u{1b}[2J"'
    )


def test_trouble_is_an_error_in_one_line_that_has_an_end(lines: list[str]) -> None:
    log.trouble("journal: /a\nb: " + "x" * 10_000)

    [line] = lines
    assert line.startswith("ERROR journal: /a\\u{a}b: xxx")
    assert len(line) < 500
