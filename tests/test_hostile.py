"""A stranger's input costs work in proportion to its length, and not much.

Work is counted, not timed (`tests.bench.work` says what that sees and what it does
not), so that a busy machine changes nothing. The same inputs are timed by `make costs`.
"""

import ast
import sys
from collections.abc import Callable
from typing import Any

import pytest

from tests import hostile
from tests.bench import work
from tests.bench.work import Meter
from tests.hostile import SIZE, Hostile

GROWTH = 2.3
"""For twice the input: twice the work, and something for what has a first time."""

UNITS = 120
"""For each octet. Fields and addresses of few letters take up to three quarters of it,
since each becomes an object; the costliest token takes a sixth."""

Metered = tuple[dict[str, Hostile], Meter]


@pytest.fixture(scope="module")
def metered() -> Metered:
    """Load the catalogue once more, with parsers that count."""
    module, meter = work.load("tests.hostile")
    return {str(one): one for one in module.CATALOGUE}, meter


@pytest.mark.parametrize("name", [str(one) for one in hostile.CATALOGUE])
def test_work_grows_with_the_input_and_no_faster(name: str, metered: Metered) -> None:
    catalogue, meter = metered
    one = catalogue[name]
    units = []
    for n in (SIZE // 2, SIZE):
        data = one.make(n)
        meter.reset()
        one.refuse(data)
        units.append(meter.reset())
    assert units[1] < units[0] * GROWTH
    assert units[1] < UNITS * SIZE


def test_the_catalogue_has_inputs_of_its_size_for_every_parser() -> None:
    assert {one.parser for one in hostile.CATALOGUE} == hostile.PARSERS.keys()
    for one in hostile.CATALOGUE:
        assert 0.8 * SIZE < len(_octets(one.make(SIZE))) < 1.1 * SIZE, one


def test_the_metered_copy_leaves_the_modules_as_they_were() -> None:
    before = dict(sys.modules)
    module, _ = work.load("tests.hostile")
    assert sys.modules == before
    assert module is not hostile
    assert sys.modules["tests.hostile"] is hostile
    assert sys.modules["tests"].hostile is hostile


SQUARE = {
    "a text cut from the left": "while text: text = text[1:]",
    "a text grown to the left": "found = ''\nfor c in text: found = c + found",
    "a text grown in place": "found = ''\nfor c in text: found += c",
    "a search from the start": "for place in range(len(text)): text.find('b')",
    "a loop in a loop": "[1 for c in text for d in text]",
    "a list searched": "seen = []\nfor n in range(len(text)): n in seen; seen += [n]",
    "a list emptied from its start": "rest = list(text)\nwhile rest: rest.pop(0)",
    "sets compared": "seen = set(range(len(text)))\nfor c in text: seen & seen.copy()",
    "an expression that goes back": "re.search('a*a*b', text)",
    "an expression that starts again": "re.search('a*b', text)",
}
LINE = {
    "a loop": "for c in text: c == 'b'",
    "a list grown": "found = []\nfor c in text: found.append(c)",
    "a set": "seen = set()\nfor n in range(len(text)): n in seen; seen.add(n)",
    "a join": "''.join(c for c in text)",
    "an expression": "re.fullmatch('(?:aa|a)*+b', text)",
    "expressions one after the other": "[m for m in re.finditer('a', text)]",
}


@pytest.mark.parametrize("name", [*SQUARE, *LINE])
def test_the_meter_tells_a_square_from_a_line(name: str) -> None:
    code, meter = compile_metered((SQUARE | LINE)[name])
    units = []
    for n in (60, 120):
        meter.reset()
        code("a" * n)
        units.append(meter.reset())
    assert (units[1] > 3 * units[0]) == (name in SQUARE)


def compile_metered(source: str) -> tuple[Callable[[str], None], Meter]:
    meter = Meter()
    tree = work.rewrite(f"import re\n{source}", "source")
    code = compile(ast.unparse(tree), "source", "exec")

    def run(text: str) -> None:
        names: dict[str, Any] = {"text": text, "__work__": meter}
        exec(code, names)  # noqa: S102 - the lines above

    return run, meter


def _octets(data: str | bytes) -> bytes:
    return data.encode() if isinstance(data, str) else data
