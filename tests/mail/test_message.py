"""A message in a file and the message that crosses SMTP are the same."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stirmilter.mail.message import RawMessage, write_field
from stirmilter.mail.transaction import Header


def test_splits_at_the_first_empty_line() -> None:
    raw = RawMessage.parse(b"A: 1\r\nB:2\r\n\r\nbody\r\n\r\nmore\r\n")

    assert raw.headers == (Header("A", b" 1"), Header("B", b"2"))
    assert raw.body == b"body\r\n\r\nmore\r\n"


def test_folds_are_given_as_a_milter_gets_them() -> None:
    raw = RawMessage.parse(b"A: 1\r\n 2\r\n\t3\r\nB: 4\r\n\r\n")

    assert raw.headers == (Header("A", b" 1\n 2\n\t3"), Header("B", b" 4"))


@pytest.mark.parametrize(
    ("octets", "body"),
    [
        pytest.param(b"A: 1\n\nx\n", b"x\r\n", id="lf"),
        pytest.param(b"A: 1\r\n\nx\r\ny\n", b"x\r\ny\r\n", id="mixed"),
        pytest.param(b"A: 1\n\nx", b"x", id="no-line-end-at-the-end"),
        pytest.param(b"A: 1\n\n\n\n", b"\r\n\r\n", id="empty-lines"),
        pytest.param(b"A: 1\n\nx\ry\n", b"x\ry\r\n", id="bare-cr-stays"),
        pytest.param(b"A: 1\n\n", b"", id="no-body"),
        pytest.param(b"A: 1\n", b"", id="no-empty-line"),
        pytest.param(b"A: 1", b"", id="nothing-behind-the-field"),
        pytest.param(b"A: 1\n\n\x00\xff\n", b"\x00\xff\r\n", id="any-octet"),
    ],
)
def test_a_file_with_other_line_ends_is_read_as_if_it_had_crlf(
    octets: bytes, body: bytes
) -> None:
    raw = RawMessage.parse(octets)

    assert raw.headers == (Header("A", b" 1"),)
    assert raw.body == body


@pytest.mark.parametrize(
    "octets",
    [
        pytest.param(b"From alice Fri Jan  2 12:00:00 2026\nA: 1\n\n", id="mbox"),
        pytest.param(b"hello\n", id="text"),
        pytest.param(b"A: 1\nhello\n\n", id="line-between-fields"),
        pytest.param(b" A: 1\n\n", id="fold-before-any-field"),
        pytest.param(b": 1\n\n", id="field-without-a-name"),
        pytest.param(b"A B: 1\n\n", id="space-in-a-name"),
        pytest.param("\u00c4: 1\n\n".encode(), id="name-outside-ascii"),
        pytest.param(b"", id="empty-file"),
    ],
)
def test_refuses_what_does_not_begin_with_header_fields(octets: bytes) -> None:
    with pytest.raises(ValueError, match="not a header field"):
        RawMessage.parse(octets)


def test_space_before_the_colon_is_no_part_of_the_name() -> None:
    assert RawMessage.parse(b"A \t: 1\n\n").headers == (Header("A", b" 1"),)


def test_a_message_may_have_no_header_field() -> None:
    raw = RawMessage.parse(b"\r\nbody\r\n")

    assert raw == RawMessage((), b"body\r\n")


def test_a_field_is_written_with_crlf_folds() -> None:
    assert write_field("A", "1\n 2") == b"A: 1\r\n 2\r\n"


NAMES = st.from_regex(r"[!-9;-~]{1,8}", fullmatch=True)
LINES = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\r\n"), max_size=8
)
VALUES = st.lists(LINES, min_size=1, max_size=3).map("\n ".join)
BODIES = st.text("a\r\n.\x00\u00e9", max_size=12).map(
    lambda text: (
        text.replace("\r\n", "\n").replace("\r", "").replace("\n", "\r\n").encode()
    )
)


@given(st.lists(st.tuples(NAMES, VALUES), min_size=1, max_size=3), BODIES)
def test_what_is_written_is_read_back(
    fields: list[tuple[str, str]], body: bytes
) -> None:
    wire = b"".join(write_field(name, value) for name, value in fields) + b"\r\n" + body

    raw = RawMessage.parse(wire)

    found = [(header.name, header.text) for header in raw.headers]
    assert found == [(name, f" {value}") for name, value in fields]
    assert raw.body == body
    assert RawMessage.parse(wire.replace(b"\r\n", b"\n")) == raw
