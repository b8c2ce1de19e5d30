"""The fields of a header, as signatures see them."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stirmilter.mail.checks.block import HeaderBlock
from stirmilter.mail.transaction import Header


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("x-mark", True),
        ("X-MARK", True),
        ("X-Mark \t", True),
        ("X-Mar\N{KELVIN SIGN}", False),  # becomes a k if all of Unicode is lowered
        ("X-Mark\N{NO-BREAK SPACE}", False),
        ("X-Mark\udcff", False),
    ],
)
def test_names_are_compared_in_ascii_alone(name: str, *, found: bool) -> None:
    block = HeaderBlock([Header("From", b" one"), Header(name, b" two")])

    assert list(block.places("x-mark")) == ([1] if found else [])


@given(st.lists(st.sampled_from([b"\r", b"\n", b"\r\n", b" ", b"a"])).map(b"".join))
def test_every_line_ends_in_crlf(value: bytes) -> None:
    block = HeaderBlock([Header("X-Mark", value)])

    assert block.field(0).value == re.sub(rb"\r?\n", b"\r\n", value)
