"""How the tests write a configuration, and how they change it."""

from collections.abc import Callable
from datetime import timedelta

from stirmilter.config import Config

X5U = "https://certs.example/one.pem"
YEARS = timedelta(days=365)

Change = dict[str, object]
Configured = Callable[..., Config]
