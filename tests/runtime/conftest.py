"""What all tests of the runtime share: a configuration that is good."""

from pathlib import Path
from typing import Any

import pytest

from stirmilter import config
from stirmilter.config import Config
from stirmilter.testca import TestCA
from tests.laboratory import ALICE
from tests.runtime.configurations import X5U, Change, Configured


@pytest.fixture
def configured(ca: TestCA, tmp_path: Path) -> Configured:
    """Make a configuration with one signer, in `tmp_path`, changed by dotted paths."""

    def configured(change: Change | None = None) -> Config:
        files = ca.files("one")
        table: dict[str, Any] = {
            "milter": {
                "authserv_id": "mx.example",
                "sockets": [f"unix:{tmp_path}/milter.sock"],
                "workers": 1,
            },
            "sign": {
                "clients": ["192.0.2.0/24"],
                "proofs": str(tmp_path / "proofs.json"),
            },
            "signer": [
                {
                    "name": "one",
                    "key": str(files.key),
                    "chain": str(files.chain),
                    "x5u": X5U,
                    "numbers": [f"+{ALICE}"],
                }
            ],
            "submitter": [
                {"name": "mmsc", "networks": ["192.0.2.0/24"], "numbers": ["+1*"]}
            ],
            "verify": {"anchors": [str(ca.anchors)]},
            "fetch": {"store": "memory:"},
            "replay": {"store": "memory:"},
            "journal": {"path": ""},
        }
        for dotted, value in (change or {}).items():
            place: Any = table
            *above, last = (int(p) if p.isdigit() else p for p in dotted.split("."))
            for part in above:
                place = (
                    place[part] if isinstance(part, int) else place.setdefault(part, {})
                )
            place[last] = value
        return config.parse(table, tmp_path / "stirmilter.toml")

    return configured
