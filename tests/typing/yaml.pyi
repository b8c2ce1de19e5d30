"""What the tests use of PyYAML, which ships no types."""

from collections.abc import Iterator
from typing import Any

def safe_load_all(stream: bytes) -> Iterator[Any]: ...
