"""What this machine does: a fault of one direction may not matter in the other."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Literal

from stirmilter.config import Config

Level = Literal["warning", "error"]


def signs(config: Config) -> bool:
    """Tell whether anybody's mail is signed here."""
    sign = config.sign
    return bool(config.signer) and bool(
        sign.clients or sign.logins or sign.daemon_names
    )


def signs_local(config: Config) -> bool:
    """Tell whether mail of sendmail(1) is, which comes from 127.0.0.1."""
    here = ip_address("127.0.0.1")
    return signs(config) and any(here in network for network in config.sign.clients)


def verifies(config: Config) -> bool:
    """Tell whether a token can pass here."""
    return bool(config.verify.anchors or config.trust)


def serious(*, really: bool) -> Level:
    """Call an error what breaks our trade, and a warning what would break another's."""
    return "error" if really else "warning"
