"""What the tests of the audits share: configurations, and changes of a Postfix."""

from typing import Any

import pytest

from tests.doctor.conftest import BOTH, SIGNING, VERIFYING

OURS = "unix:stirmilter/milter.sock"
NAMED = BOTH | {"sign": {"daemon_names": ["submission"]}}
UPSTREAM = {
    "authserv_ids": ["dkim.example"],
    "clients": ["0.0.0.0/0"],
    "strips": True,
}
TRUSTING = VERIFYING | {"checks": {"mode": "trust"}, "upstream": [UPSTREAM]}
OUTSIDE = BOTH | {"milter": {"sockets": ["unix:/run/stirmilter/milter.sock"]}}
LOGINS = SIGNING | {"sign": {"logins": True}}
CERTIFIED = VERIFYING | {
    "peer": [{"name": "carrier", "tls_names": ["mmsc.carrier.example"]}]
}

Change = tuple[str, ...]


def case(
    name: str, table: dict[str, Any], level: str, subject: str, *changes: Change
) -> Any:  # noqa: ANN401 - pytest does not name it
    return pytest.param(table, changes, level, f"postfix: {subject}", id=name)


def main(text: str) -> Change:
    return ("-e", text)


def master(text: str) -> Change:
    return ("-P", text)
