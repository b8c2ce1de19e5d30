"""Files that the configuration names; every fault names the setting."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from stirmilter.config import Config
from stirmilter.errors import ConfigError, reason
from stirmilter.stir import numberlist
from stirmilter.stir.tn import NumberSet

TABLE: Final = "sqlite:"
"""How a source of numbers begins that is asked with each message."""

_CHUNK: Final = 1 << 18  # octets


def read(config: Config, path: Path, where: str) -> bytes:
    """Read a file beside the configuration, or raise ConfigError for `where`."""
    try:
        return (config.folder / path).read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise ConfigError(where, f"{path}: {reason(error)}") from None


def number_set(config: Config, patterns: Sequence[str], where: str) -> NumberSet:
    """Read patterns of numbers, or raise ConfigError for `where`.

    ``@file`` stands for the patterns in a file, one a line, without comments.
    """
    files = [pattern[1:] for pattern in patterns if pattern.startswith("@")]
    inline = [pattern for pattern in patterns if not pattern.startswith("@")]
    if any(pattern.startswith(TABLE) for pattern in inline):
        raise ConfigError(where, f"{TABLE} is for the numbers of a [[submitter]] alone")
    try:
        chunks = (chunk for path in files for chunk in _chunks(config, path, where))
        listed, others = numberlist.read(chunks)
        return NumberSet.parse([*inline, *others], listed)
    except ValueError as error:
        raise ConfigError(where, str(error)) from None


def _chunks(config: Config, path: str, where: str) -> Iterator[bytes]:
    """Read a file that may be large, piece by piece."""
    try:
        with (config.folder / path).open("rb") as file:
            while chunk := file.read(_CHUNK):
                yield chunk
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise ConfigError(where, f"{path}: {reason(error)}") from None
    yield b"\n"  # whatever the last line ended with
