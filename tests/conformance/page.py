"""docs/conformance.md: each row with the tests that prove it.

pytest's own collection says which tests there are; none is run, so that a test that
would be skipped on this machine counts like any other.
"""

import argparse
import io
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Final

import pytest

from tests.conformance.rows import KINDS, SECTIONS, STATUSES, Row, load, named

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = ROOT / "docs" / "conformance.md"

Rows = Mapping[str, Row]
Tests = Mapping[str, set[str]]
"""By the id of a row: tests as ``path::name``, the path relative to the project."""

_HEAD: Final = """\
# Conformance

What the standards ask of STIR PASSporTs in mail, whether stirmilter does it, and the
tests that prove it. `make conformance` makes this page from
`tests/conformance/rows.toml` and from the markers of the tests, and `make check` fails
when it is stale or a row has no test. Do not edit it.

AS is the authentication service, which signs; VS is the verification service
(RFC 8224). The levels are those of RFC 2119, applied to this project. The requirements
are in our own words; the source decides. The test of a deviation pins what happens
instead. Some tests use vectors of others, and are skipped where those are absent.

Not listed, which is why ids have gaps: what RFC 8601 asks of result fields, and what
DKIM, SPF and DMARC ask of their own verifiers.
"""
_KINDS: Final = {
    "standard": "said by a standard",
    "moved": "moved to mail",
    "project": "rules of this project",
}


class Collector:
    """A plugin that notes which rows the collected tests name."""

    def __init__(self) -> None:
        self.tests: dict[str, set[str]] = {}

    def pytest_itemcollected(self, item: pytest.Item) -> None:
        """Note one test, before any option can deselect it."""
        for name in named(item):
            test, _, _ = item.nodeid.partition("[")
            self.tests.setdefault(name, set()).add(test)


def collect(root: Path = ROOT) -> Tests:
    """Have pytest collect the tests of a project.

    Raises:
        ValueError: it cannot; the text is what it said.
    """
    collector, said = Collector(), io.StringIO()
    arguments = ["--collect-only", "-qq", "--capture=no", "-p", "no:cacheprovider"]
    arguments += ["--rootdir", str(root), str(root / "tests")]
    with redirect_stdout(said), redirect_stderr(said):
        status = pytest.main(arguments, plugins=[collector])
    if status != pytest.ExitCode.OK:
        raise ValueError(f"pytest cannot collect the tests:\n{said.getvalue()}")
    return collector.tests


def render(rows: Rows, tests: Tests) -> str:
    """Write the page."""
    lines = [_HEAD, *_counts(rows, tests), "", "## Deviations", ""]
    lines += [
        f"* **{row.id}** ({row.level}, {row.source}): {row.requirement}<br>{row.reason}"
        for row in rows.values()
        if row.status == "deviation"
    ]
    for letter, title in SECTIONS.items():
        found = [row for row in rows.values() if row.id[0] == letter]
        if found:
            lines += ["", f"## {title}", ""]
            lines += ["| id | who | level | requirement | source | status | tests |"]
            lines += ["|---|---|---|---|---|---|---|"]
            lines += [_line(row, tests) for row in found]
    return "\n".join(lines) + "\n"


def complaints(rows: Rows, tests: Tests, page: str) -> Iterator[str]:
    """Say what is wrong with a page on disk."""
    untested = [name for name in rows if not tests.get(name)]
    if untested:
        yield f"no test names {', '.join(untested)}"
    if page != render(rows, tests):
        lines = set(page.splitlines())
        stale = [name for name in rows if _line(rows[name], tests) not in lines]
        where = ", ".join(stale) or "not its rows"
        yield f"the page is stale ({where}): make conformance"


def main(arguments: Sequence[str]) -> int:
    """Write the page, or with ``--check`` only compare it."""
    parser = argparse.ArgumentParser(prog="python -m tests.conformance")
    parser.add_argument("--check", action="store_true", help="change nothing")
    check = parser.parse_args(arguments).check
    try:
        rows, tests = load(), collect()
    except ValueError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    if not check:
        PAGE.write_text(render(rows, tests), "utf-8")
    page = PAGE.read_text("utf-8") if PAGE.exists() else ""
    found = list(complaints(rows, tests, page))
    for text in found:
        sys.stderr.write(f"{PAGE.relative_to(ROOT)}: {text}\n")
    return 1 if found and check else 0


def _counts(rows: Rows, tests: Tests) -> Iterator[str]:
    yield f"| | {' | '.join(_KINDS[kind] for kind in KINDS)} | together |"
    yield "|---|---|---|---|---|"
    counted = Counter((row.status, row.kind) for row in rows.values())
    for status in STATUSES:
        numbers = [counted[status, kind] for kind in KINDS]
        yield f"| {status} | {' | '.join(map(str, numbers))} | {sum(numbers)} |"
    numbers = [sum(counted[status, kind] for status in STATUSES) for kind in KINDS]
    yield f"| rows | {' | '.join(map(str, numbers))} | {sum(numbers)} |"
    proofs = set().union(*(tests.get(name, ()) for name in rows))
    yield ""
    yield f"{len(proofs)} tests stand behind them."


def _line(row: Row, tests: Tests) -> str:
    status = "[deviation](#deviations)" if row.reason else row.status
    proofs = "<br>".join(map(_link, sorted(tests.get(row.id, ()))))
    cells = (row.id, row.who, row.level, row.requirement, row.source, status, proofs)
    return f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |"


def _link(test: str) -> str:
    path, _, _ = test.partition("::")
    return f"[{test}](../{path})"
