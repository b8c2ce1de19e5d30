"""No number, token or key of a message reaches the log, whichever way it takes."""

import base64
import io
import json
import logging
import os
import string
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import date
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from stirmilter import log
from stirmilter.events import Fetched, Handled
from stirmilter.log.masking import clean
from stirmilter.log.writing import Handler, JsonFormatter, TextFormatter

numbers = st.from_regex(r"[1-9][0-9]{7,14}", fullmatch=True)
around = st.text("ab +:/?=&.\"'\\\r\n\x1b%#_", max_size=6)


@st.composite
def dialled(draw: st.DrawFn) -> tuple[str, str]:
    """A number, and one of the ways to write it."""
    number = draw(numbers)
    separators = st.lists(
        st.sampled_from(["", "", "", " ", "-", ".", ") "]),
        min_size=len(number),
        max_size=len(number),
    )
    cut = draw(separators)
    written = "".join(a + b for a, b in zip(number, [*cut[:-1], ""], strict=True))
    return number, draw(st.sampled_from(["", "+", "+", "tel:+"])) + written


@st.composite
def tokens(draw: st.DrawFn) -> str:
    """Something that looks like a PASSporT, whole or cut."""
    claims = {"orig": {"tn": draw(numbers)}, "iat": 1}
    parts = [
        base64.urlsafe_b64encode(octets).rstrip(b"=").decode()
        for octets in (
            b'{"alg":"ES256","ppt":"msg","typ":"passport"}',
            json.dumps(claims).encode(),
            draw(st.binary(min_size=64, max_size=64)),
        )
    ]
    return ".".join(parts[: draw(st.integers(1, 3))])


@contextmanager
def written(formatter: logging.Formatter) -> Iterator[io.StringIO]:
    """Have the log written into a stream, and everything put back."""
    stream = io.StringIO()
    handler = Handler(stream)
    handler.setFormatter(formatter)
    before = log.logger.handlers[:], log.logger.level, log.logger.propagate
    log.logger.handlers[:] = [handler]
    log.logger.setLevel(logging.DEBUG)
    log.logger.propagate = False
    try:
        yield stream
    finally:
        log.logger.handlers[:], log.logger.level, log.logger.propagate = before


def raised(text: str) -> Exception:
    """An exception with a trace, that came of another one."""
    try:
        try:
            raise KeyError(text)
        except KeyError as error:
            raise ValueError(f"{text!r} is wrong") from error
    except ValueError as error:
        return error


def message(text: str) -> None:
    log.handled()(
        Handled(
            "in",
            "failed",
            "malformed",
            detail=text,
            x5u=f"https://certs.example/{text}?n={text}",
            queue_id=f"of {text}",
            methods=(("dkim", f"fail {text}"), ("differs", text)),
        )
    )


WAYS: list[Callable[[str], None]] = [
    message,
    lambda text: log.failed("4Yx1", raised(text)),
    lambda text: log.failed(f"of {text}", TimeoutError()),
    log.trouble,
    log.degraded,
    log.recovered,
    lambda text: log.finding("error", text, text),
    lambda text: log.fetched(Fetched(text, "failed", detail=text)),
    lambda text: log.rebuilt("store")(Path(text.replace("\0", ""))),
    lambda text: log.logger.error("reload refused: %s", raised(text)),
    lambda text: log.logger.critical("worker %d: %r", 1, raised(text)),
    lambda text: log.logger.warning("%s failed", text, exc_info=raised(text)),
    lambda text: log.logger.info("%(a)s", {"a": text}),
]
FORMATTERS = [TextFormatter(), JsonFormatter(), TextFormatter(priorities=True)]


def said(text: str, way: Callable[[str], None], formatter: logging.Formatter) -> str:
    with written(formatter) as stream:
        way(text)
    return stream.getvalue()


def without_separators(text: str) -> str:
    return text.translate(dict.fromkeys(map(ord, " .()-")))


def is_something_else(spelt: str) -> bool:
    """Whether it looks like a date, an address or an OID."""
    with suppress(ValueError):
        date.fromisoformat(spelt[:10])
        return True
    parts = spelt.split(".")
    return len(parts) > 4 or (len(parts) == 4 and all(len(p) < 4 for p in parts))


@given(
    number=dialled(),
    before=around,
    after=around,
    way=st.sampled_from(WAYS),
    formatter=st.sampled_from(FORMATTERS),
)
@pytest.mark.conformance("O-07")
def test_no_number_reaches_the_log(
    number: tuple[str, str],
    before: str,
    after: str,
    way: Callable[[str], None],
    formatter: logging.Formatter,
) -> None:
    bare, spelt = number
    assume(not is_something_else(spelt))

    found = said(before + spelt + after, way, formatter)

    assert found
    assert bare not in found
    # The last four are hidden however they are spelt.
    assert spelt not in found
    assert bare not in without_separators(found)


@given(
    token=tokens(),
    before=around,
    way=st.sampled_from(WAYS),
    formatter=st.sampled_from(FORMATTERS),
)
@pytest.mark.conformance("O-07")
def test_no_token_reaches_the_log(
    token: str, before: str, way: Callable[[str], None], formatter: logging.Formatter
) -> None:
    found = said(before + token, way, formatter)

    assert found
    for part in token.split("."):
        assert part[:12] not in found


@given(text=st.text(min_size=1, max_size=80), way=st.sampled_from(WAYS))
def test_whatever_is_logged_is_printable_ascii_that_json_can_hold(
    text: str, way: Callable[[str], None]
) -> None:
    found = said(text, way, TextFormatter())
    table = said(text, way, JsonFormatter())

    assert all(line.isascii() and line.isprintable() for line in found.split("\n"))
    [line, rest] = table.split("\n")
    assert rest == ""
    assert json.loads(line)["event"]


@given(text=st.text(max_size=40), forged=st.sampled_from(["\n", "\r\n", "\\n"]))
def test_no_exception_makes_a_line_of_its_own(text: str, forged: str) -> None:
    """Who can have one say what he likes must not write our log."""
    lines = said(
        f"{text}{forged}INFO 4Yx: in=authenticated", WAYS[1], TextFormatter()
    ).splitlines()

    assert [one for one in lines if one.startswith(("INFO", "WARNING"))] == []


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("dated 2026-01-02 12:00", "dated 2026-01-02 12:00"),
        ("address 192.168.100.200 is not public", "address 192.168.100.200 is not"),
        ("policy 2.16.840.1.114569.1.1.4", "policy 2.16.840.1.114569.1.1.4"),
        ("more than 1048576 octets", "more than 1048576 octets"),
        ("SPC 1234", "SPC 1234"),
        ("3f0c" * 16, "3f0c" * 16),
        ("not a number of +1 (202) 555-0123", "+1 (202) xxx-xxxx"),
        ("12025550123", "1202555xxxx"),
        ("+12345", "+1xxxx"),
        ("12025550123 12025550199", "1202xxxxxxx xxxxxxxxxxx"),
        ("1202555012312025550199", "1202xxxxxxxxxxxxxxxxxx"),
        ("redis://me:secret@host/0", "redis://...@host/0"),
        ("x -----BEGIN PRIVATE KEY-----\nMIG", "x [key]"),
        ("R" + "aB3_" * 20, "[token]"),
    ],
)
def test_what_stays_of_a_text(text: str, left: str) -> None:
    assert left in clean(text)


def test_a_short_number_is_hidden_where_the_message_is_from_it() -> None:
    event = Handled(
        "in", "failed", "stale", detail="orig is 12345", orig="12345", x5u="x/12345"
    )

    found = said("", lambda _: log.handled()(event), TextFormatter())

    assert "12345" not in found
    assert found.count("1xxxx") == 3


def test_whoever_asks_for_numbers_gets_them_but_no_query() -> None:
    event = Handled(
        "in",
        "failed",
        "stale",
        detail="orig is 12025550123",
        orig="12025550123",
        x5u="https://a/b?key=12025550199",
    )

    found = said("", lambda _: log.handled("full")(event), TextFormatter())

    assert found.count("12025550123") == 2
    assert 'x5u="https://a/b?..."' in found


def test_a_long_text_costs_no_time() -> None:
    for one in ("1" * 2_000_000, "1 " * 1_000_000, "eyJ." * 500_000, "aB" * 1_000_000):
        assert len(clean(one)) <= 1_000


def test_a_log_that_cannot_be_written_prints_nothing_of_the_message(
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Python's own way would print the record as it was handed over."""
    reading, writing = os.pipe()
    os.close(reading)
    stream = os.fdopen(writing, "w", buffering=1)
    handler = Handler(stream)
    record = logging.LogRecord("a", 40, "b", 1, "%s", ("12025550123",), None)

    handler.handle(record)

    assert capfd.readouterr().err == ""
    with suppress(OSError):
        stream.close()


def test_letters_are_no_digits() -> None:
    """Only ASCII is looked at: other digits are escaped, one by one."""
    found = clean("".join(chr(0x660 + int(one)) for one in "12025550123"))

    assert not set("12025550123") & (set(found) - set(string.hexdigits + "\\u{}"))
    assert "12025550123" not in found
