"""What docs/operations.md says of the log is what the program says."""

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from stirmilter.config import parse

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "operations.md").read_text()
LEVEL = re.compile(r"(DEBUG|INFO|WARNING|ERROR|CRITICAL) ")
LINES = 20  # at least so many are explained
REASONS = 15


def first_cells(heading: str) -> Iterator[str]:
    """Yield what stands in backquotes in the first column of a section's table."""
    section = PAGE.split(f"\n### {heading}\n")[1].split("\n## ")[0].split("\n### ")[0]
    for row in re.findall(r"^\| (.+?) \| ", section, re.MULTILINE):
        yield from re.findall(r"`([^`]+)`", row)


def texts() -> set[str]:
    """Return every text in the sources, without what is filled in."""
    return {
        part
        for path in (ROOT / "stirmilter").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        for part in re.split(r"%[a-z.0-9]+", node.value)
    }


def test_every_line_in_the_troubleshooting_is_one_that_the_program_writes() -> None:
    written = texts()
    lines = [cell for cell in first_cells("While it runs") if LEVEL.match(cell)]

    assert len(lines) >= LINES
    for line in lines:
        for piece in LEVEL.sub("", line, count=1).split("..."):
            words = piece.strip(" :;,")
            assert any(words in text for text in written), (line, words)


@pytest.mark.parametrize("relay", ["sends", "receives"])
def test_what_a_relay_needs_first_is_a_configuration(
    relay: str, tmp_path: Path
) -> None:
    """Read as the daemon reads it; keys and anchors are the operator's."""
    [block] = re.findall(
        rf"```toml\n(# The relay that {relay}\..*?)```", PAGE, re.DOTALL
    )

    config = parse(tomllib.loads(block), tmp_path / "stirmilter.toml")

    assert bool(config.signer) == (relay == "sends")
    assert bool(config.verify.anchors) == (relay == "receives")


def test_every_reason_in_the_troubleshooting_is_one_that_the_program_gives() -> None:
    written = texts()
    reasons = list(first_cells("Of a message"))

    assert len(reasons) >= REASONS
    assert set(reasons) <= written
