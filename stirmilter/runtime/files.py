"""Files that the configuration names; every fault names the setting."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from stirmilter.config import Config
from stirmilter.errors import ConfigError
from stirmilter.stir.tn import NumberSet


def read(config: Config, path: Path, where: str) -> bytes:
    """Read a file beside the configuration, or raise ConfigError for `where`."""
    try:
        return (config.folder / path).read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigError(where, f"{path}: {reason}") from None


def number_set(config: Config, patterns: Sequence[str], where: str) -> NumberSet:
    """Read patterns of numbers, or raise ConfigError for `where`."""
    try:
        return NumberSet.parse(_numbers(config, patterns, where))
    except ValueError as error:
        raise ConfigError(where, str(error)) from None


def _numbers(config: Config, patterns: Sequence[str], where: str) -> Iterable[str]:
    """Yield patterns, those of ``@file`` one a line, without comments."""
    for pattern in patterns:
        if not pattern.startswith("@"):
            yield pattern
            continue
        octets = read(config, Path(pattern[1:]), where)
        for line in octets.decode("utf-8", "replace").splitlines():
            text = line.partition("#")[0].strip()
            if text:
                yield text
