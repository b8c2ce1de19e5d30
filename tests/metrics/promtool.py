"""Prometheus' own tool, where it is: `make promtool` has it without a server."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OWN = ROOT / "build" / "promtool" / "promtool"
FOUND = str(OWN) if OWN.exists() else shutil.which("promtool")

needed = pytest.mark.skipif(
    FOUND is None, reason="no promtool: make promtool, or Debian's package prometheus"
)


def promtool(*arguments: str | Path, given: str = "") -> str:
    """Run it, and return what it says; it must find nothing wrong."""
    assert FOUND is not None
    done = subprocess.run(
        [FOUND, *arguments], input=given, capture_output=True, text=True, check=False
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    return said
