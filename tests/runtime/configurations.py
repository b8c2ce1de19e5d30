"""How the tests write a configuration, and how they change it."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from stirmilter.config import Config

NETWORK = "192.0.2.0/24"
X5U = "https://certs.example/one.pem"
YEARS = timedelta(days=365)

Change = dict[str, object]
Configured = Callable[..., Config]


def block(**settings: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - TOML
    return [{"name": "x", **settings}]
