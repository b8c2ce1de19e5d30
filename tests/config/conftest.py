"""What all tests of the configuration share: where its file lies."""

from pathlib import Path

import pytest


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "stirmilter.toml"
