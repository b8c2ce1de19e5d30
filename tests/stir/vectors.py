"""How vectors of others are read."""

import json
from pathlib import Path
from typing import Any

import pytest

from stirmilter.stir import passport
from stirmilter.stir.result import Reason, Unverified

BODIES = [
    "01-text-plain-crlf",
    "02-text-no-final-newline",
    "03-empty",
    "04-utf8",
    "05-multipart-crlf",
    "06-multipart-lf-only",
    "07-trailing-whitespace",
    "08-dot-line",
    "09-8bit-latin1",
    "10-nul-and-all-octets",
]
"""Of the folder ``msgi``: each is a file, and a row of its table."""


def table(path: Path) -> dict[str, Any]:
    content = json.loads(path.read_text())
    assert isinstance(content, dict)
    return content


def reason_of(token: str) -> Reason:
    with pytest.raises(Unverified) as caught:
        passport.parse(token)
    return caught.value.reason
