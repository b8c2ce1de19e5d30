"""How vectors of others are read."""

import json
from pathlib import Path
from typing import Any

import pytest

from stirmilter.stir import passport
from stirmilter.stir.result import Reason, Unverified


def table(path: Path) -> dict[str, Any]:
    content = json.loads(path.read_text())
    assert isinstance(content, dict)
    return content


def reason_of(token: str) -> Reason:
    with pytest.raises(Unverified) as caught:
        passport.parse(token)
    return caught.value.reason
