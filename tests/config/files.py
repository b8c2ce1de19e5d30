"""How the tests write a configuration file, and hear what is wrong with it."""

from pathlib import Path

import pytest

from stirmilter import config
from stirmilter.config import Config
from stirmilter.errors import ConfigError

SIGNER = """
[[signer]]
name = "one"
key = "keys/one.key"
chain = "www/one.pem"
x5u = "https://certs.example/one.pem"
numbers = ["+1202555*"]
"""


def load(path: Path, text: str) -> Config:
    path.write_text(text)
    return config.load(path)


def faults(path: Path, text: str) -> dict[str, str]:
    """Return what is wrong with a file: the dotted path, and what is said about it."""
    with pytest.raises(ConfigError) as caught:
        load(path, text)
    return {
        where.removeprefix(f"{path}: "): problem
        for where, problem in caught.value.faults
    }
