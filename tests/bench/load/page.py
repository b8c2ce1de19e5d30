"""Puts the table into the page between two marks, and says on what it was measured."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Final

BEGIN: Final = "<!-- {}: written by `make bench` -->"
END: Final = "<!-- end of {} -->"

_MODEL: Final = re.compile(r"^model name\s*: (.*)$", re.MULTILINE)
_MEMORY: Final = re.compile(r"^MemTotal:\s+(\d+) kB$", re.MULTILINE)


def refresh(page: Path, lines: Sequence[str], name: str = "figures") -> None:
    """Replace what stands between the marks.

    Args:
        page: a file in Markdown.
        lines: of the table.
        name: of the marks.

    Raises:
        ValueError: the page has no such marks.
        OSError: it cannot be read or written.
    """
    text = page.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN.format(name))
    _, end, after = rest.partition(END.format(name))
    if not begin or not end:
        raise ValueError(f"{page} has no place for {name}")
    middle = "\n".join(["", "", machine(), "", *lines, "", ""])
    page.write_text(before + begin + middle + end + after, encoding="utf-8")


def machine() -> str:
    """Say in a sentence what machine this is, without its name."""
    model = _MODEL.search(Path("/proc/cpuinfo").read_text(encoding="utf-8"))
    memory = _MEMORY.search(Path("/proc/meminfo").read_text(encoding="utf-8"))
    gigabytes = int(memory[1]) / 2**20 if memory else 0
    openssl = subprocess.run(
        ["openssl", "version"], capture_output=True, text=True, check=False
    ).stdout.split()[1]
    load = os.getloadavg()[0]
    return (
        f"Measured on {datetime.now(UTC):%Y-%m-%d}: {os.cpu_count()} cores of "
        f"{model[1] if model else 'an unknown processor'}, {gigabytes:.0f} GiB, "
        f"Linux {platform.release().partition('-')[0]}, "
        f"Python {platform.python_version()}, OpenSSL {openssl}, "
        f"cryptography {version('cryptography')}, pymilter {version('pymilter')}; "
        f"load average at the end {load:.1f}."
    )
