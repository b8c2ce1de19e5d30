"""What in a body the next hop may not carry as it is, however it is cut."""

import re
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stirmilter.mail.survival import BodyHazards
from tests.mail.survival.relays import MULTIPART, multipart, part

EIGHT = b"Content-Transfer-Encoding: 8bit"


def hazards(
    body: bytes, *header: tuple[str, bytes], cuts: tuple[int, ...] = ()
) -> set[str]:
    collector = BodyHazards(header)
    for begin, end in pairwise((0, *sorted(cuts), len(body))):
        collector.update(body[begin:end])
    return set(collector.finish())


@pytest.mark.parametrize(
    ("body", "found"),
    [
        pytest.param(b"", set(), id="nothing"),
        pytest.param(b"Hello\r\n", set(), id="plain"),
        pytest.param(b"Hello", {"no-final-newline"}, id="no-newline"),
        pytest.param(b"Hello\n", {"no-final-newline"}, id="LF-is-none"),
        pytest.param(b"\n", {"no-final-newline"}, id="LF-alone"),
        pytest.param(b"x" * 998 + b"\r\n", set(), id="998"),
        pytest.param(b"x" * 999 + b"\r\n", {"long-lines"}, id="999"),
        pytest.param(b"x" * 998, {"no-final-newline"}, id="998-at-the-end"),
        pytest.param(b"x" * 998 + b"\r", {"no-final-newline"}, id="998-and-CR"),
        pytest.param(
            b"x" * 999, {"long-lines", "no-final-newline"}, id="999-at-the-end"
        ),
        pytest.param(
            b"a\r\n" + b"x" * 999 + b"\r\nb\r\n", {"long-lines"}, id="between"
        ),
        pytest.param("ü\r\n".encode(), {"8bit"}, id="8bit"),
        pytest.param(b"a\0b\r\n", {"binary"}, id="NUL"),
        pytest.param(b"\xff\rb\r\n", {"8bit", "binary"}, id="CR-alone"),
        pytest.param(b"\xff\nb\r\n", {"8bit", "binary"}, id="LF-alone-in-8bit"),
    ],
)
def test_octets_tell_what_may_be_altered(body: bytes, found: set[str]) -> None:
    assert hazards(body) == found
    assert hazards(body, cuts=tuple(range(1, len(body)))) - {"binary"} == found - {
        "binary"
    }


@pytest.mark.parametrize(
    ("header", "body", "found"),
    [
        pytest.param([], part(b"a", EIGHT), set(), id="no-multipart"),
        pytest.param([MULTIPART], multipart(part(b"a", EIGHT)), {"8bit"}, id="8bit"),
        pytest.param(
            [MULTIPART],
            multipart(
                part(b"a"), part(b"b", b"X: y", b"content-transfer-encoding:BINARY")
            ),
            {"binary"},
            id="binary-in-another-spelling",
        ),
        pytest.param([MULTIPART], multipart(part(EIGHT)), set(), id="in-the-content"),
        pytest.param(
            [MULTIPART], b"x" + multipart(part(b"a", EIGHT)), set(), id="not-at-a-line"
        ),
        pytest.param(
            [MULTIPART],
            multipart(
                part(
                    b"--inner\r\nA: b\r\n" + EIGHT + b"\r\n\r\nx\r\n--inner--",
                    b"Content-Type: multipart/mixed; charset=x; boundary=inner",
                )
            ),
            {"8bit"},
            id="nested",
        ),
        pytest.param(
            [("Content-Transfer-Encoding", b" 8bit\n")], b"a\r\n", {"8bit"}, id="top"
        ),
    ],
)
def test_parts_that_say_so_count_without_such_octets(
    header: list[tuple[str, bytes]], body: bytes, found: set[str]
) -> None:
    """Postfix rewrites what is declared, whatever is inside."""
    assert hazards(body, *header) == found
    assert hazards(body, *header, cuts=tuple(range(1, len(body)))) == found


def test_a_line_end_that_is_cut_in_two_is_still_one() -> None:
    body = "ü\r\nü\r\n".encode()

    for cut in range(len(body)):
        assert hazards(body, cuts=(cut,)) == {"8bit"}


PIECES = st.sampled_from(
    [b"\r\n", b"x" * 997, b"x", b"ab", b"--b-1", b"\r\n--b-1\r\n", EIGHT, b"\r\n\r\n"]
)


@given(st.lists(PIECES, max_size=30).map(b"".join), st.data())
def test_it_does_not_matter_where_a_body_is_cut(
    body: bytes, data: st.DataObject
) -> None:
    cuts = data.draw(st.lists(st.integers(0, len(body)), max_size=8))

    found = hazards(body, MULTIPART, cuts=tuple(cuts))

    assert found == hazards(body, MULTIPART)
    longest = max(len(line) for line in body.split(b"\r\n"))
    assert ("long-lines" in found) is (longest > 998)
    heads = re.findall(
        rb"(?:\A|(?<=\n))--b-1[^\n]*?(?=\r\n)(.*?)\r\n\r\n", body, re.DOTALL
    )
    if any(line == EIGHT for head in heads for line in head.split(b"\r\n")):
        assert "8bit" in found
    elif EIGHT not in body:
        assert "8bit" not in found


def test_a_part_header_without_end_costs_no_memory() -> None:
    collector = BodyHazards([MULTIPART])
    collector.update(b"--b-1\r\n")

    for _ in range(1000):
        collector.update(b"X: y\r\n" * 100)

    assert len(collector._rest) < 10_000


def test_boundaries_are_not_learnt_without_end() -> None:
    collector = BodyHazards([MULTIPART])

    collector.update(
        b"".join(
            b"--b-1\r\nContent-Type: multipart/mixed; boundary=x%d\r\n\r\n" % number
            for number in range(100)
        )
    )

    assert len(collector._boundaries) == 20


@given(
    length=st.integers(1, 1_100),
    lines=st.integers(0, 400),
    before=st.integers(0, 1_100),
    odd=st.one_of(st.none(), st.tuples(st.integers(0, 400), st.integers(0, 1_100))),
    rest=st.integers(0, 1_100),
)
@example(length=98, lines=400, before=98, odd=(200, 1_098), rest=98)
@example(length=98, lines=400, before=98, odd=(200, 998), rest=98)
def test_even_lines_are_measured_as_all_are(
    length: int, lines: int, before: int, odd: tuple[int, int] | None, rest: int
) -> None:
    """Lines of one length are not looked at one by one; what is among them is seen."""
    lengths = [before, *[length] * lines, rest]
    if odd is not None:
        lengths.insert(min(odd[0], lines) + 1, odd[1])
    body = b"".join(b"x" * one + b"\r\n" for one in lengths)

    assert ("long-lines" in hazards(body)) is (max(lengths) > 998)
    assert ("long-lines" in hazards(body, cuts=(20_000, 40_000))) is (
        max(lengths) > 998
    )
