"""How long a person waits for help, and systemd for READY."""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import ExitStack

from tests.bench.load import ours
from tests.bench.load.plant import Plant


def help_seconds() -> float:
    """Time `stirmilter --help`."""
    begun = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "stirmilter", "--help"], check=True, capture_output=True
    )
    return time.perf_counter() - begun


def ready_seconds(plant: Plant, name: str = "startup") -> float:
    """Time a daemon that signs and verifies, from its start to READY; then stop it."""
    with ExitStack() as stack:
        begun = time.perf_counter()
        stack.enter_context(ours.running(plant, name))
        return time.perf_counter() - begun
