"""Millions of numbers in a file: found as those of a set are, and told apart."""

import subprocess
import sys
from array import array
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stirmilter.stir import numberlist
from stirmilter.stir.numberlist import NumberList
from stirmilter.stir.tn import NumberSet

DIGITS = st.text("0123456789", min_size=1, max_size=15)
LINE_ENDS = [b"\n", b"\r\n", b" # x\n", b"\n\n"]
NEAR = st.sampled_from(
    ["1", "01", "001", "9", "99", "10", "0", "100", "9" * 15, "0" * 15]
)


@given(st.lists(DIGITS | NEAR), st.lists(DIGITS | NEAR), st.data())
def test_a_list_holds_what_a_set_would(
    listed: list[str], asked: list[str], data: st.DataObject
) -> None:
    octets = b"".join(
        b"+" + tn.encode() + data.draw(st.sampled_from(LINE_ENDS)) for tn in listed
    )
    cuts = sorted(data.draw(st.lists(st.integers(0, len(octets)), max_size=4)))
    ends = [*cuts, len(octets)]

    found, others = numberlist.read(
        octets[begin:end] for begin, end in zip([0, *cuts], ends, strict=True)
    )

    assert others == []
    assert sorted(found) == sorted(listed)
    assert [tn in found for tn in (*listed, *asked)] == [
        tn in set(listed) for tn in (*listed, *asked)
    ]


@given(st.lists(st.lists(DIGITS)))
def test_order_in_the_file_does_not_matter(runs: list[list[str]]) -> None:
    chunks = [b"".join(f"+{tn}\n".encode() for tn in run) for run in runs]

    found, _ = numberlist.read(chunks)

    assert list(found.keys) == sorted(int(f"1{tn}") for run in runs for tn in run)


@pytest.mark.parametrize(
    "tn",
    [
        "",
        "+12",
        "1 2",
        "1*",
        "#12",
        "\u0661\u0662",
        "12\n",
        "mailto:a@b",
        "1" * 16,
        "1_2",
    ],
)
def test_what_is_no_number_is_in_no_list(tn: str) -> None:
    found, _ = numberlist.read([b"+12\n+1\n+2\n+111111111111111\n"])

    assert tn not in found
    assert tn not in NumberList()


@pytest.mark.parametrize(
    "line",
    [
        "12",
        "+",
        "++12",
        "+1+2",
        "+1 +2",
        "+1234567890123456",
        "+12*",
        "*12",
        "+1-+2",
        "+\u0661",
    ],
)
def test_what_is_no_plain_number_is_left_to_others(line: str) -> None:
    """Whether it stands among plain numbers only or not."""
    for before in ("+15\n", "+15 # x\n"):
        found, others = numberlist.read([f"{before}{line}\n+16\n".encode()])

        assert (list(found), others) == (["15", "16"], [line])


def test_the_last_line_needs_no_end() -> None:
    found, _ = numberlist.read([b"+12\n+1", b"3"])

    assert list(found) == ["12", "13"]


def test_a_file_without_lines_is_refused_early() -> None:
    def chunks() -> Iterator[bytes]:
        yield b"x" * 2000
        raise AssertionError("read on")

    with pytest.raises(ValueError, match="a line is too long"):
        numberlist.read(chunks())


def test_equal_lists_are_equal() -> None:
    one, two = (numberlist.read([b"+12\n"])[0] for _ in range(2))

    assert one == two
    assert hash(one) == hash(two)
    assert one != NumberList()
    assert NumberSet.parse([], one) == NumberSet.parse([], two)


def test_a_number_takes_eight_octets() -> None:
    found, _ = numberlist.read(
        b"".join(b"+%d\n" % (12025550000 + n) for n in range(at, at + 10_000))
        for at in range(0, 100_000, 10_000)
    )

    assert len(found) == 100_000
    assert isinstance(found.keys, array)
    assert found.keys.itemsize == 8


@given(st.lists(DIGITS), DIGITS)
def test_a_set_asks_its_list_as_well(listed: list[str], tn: str) -> None:
    numbers, _ = numberlist.read([b"".join(f"+{one}\n".encode() for one in listed)])

    found = NumberSet.parse(["+1202*"], numbers)

    assert (tn in found) is (tn in listed or tn.startswith("1202"))
    assert bool(NumberSet.parse([], numbers)) is bool(listed)
    assert sorted(first for first, _ in found.blocks()) == sorted(listed)


WEIGH = """
from stirmilter.stir import numberlist

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096

def chunks():
    for first in range(0, 2_000_000, 20_000):
        yield b"".join(b"+1202%07d\\n" % n for n in range(first, first + 20_000))

numberlist.read([next(chunks())])
before = resident()
found, _ = numberlist.read(chunks())
print((resident() - before) / len(found))
"""


def test_a_file_in_order_occupies_what_its_numbers_do() -> None:
    """Eight octets each, and none that was freed in a place that nobody gets back."""
    said = subprocess.run(
        [sys.executable, "-c", WEIGH], check=True, capture_output=True, text=True
    )

    assert 8 <= float(said.stdout) < 11
