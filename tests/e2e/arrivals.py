"""Signed mail from elsewhere, and what the verifying relay is to say of it."""

import re
import signal
from datetime import UTC, datetime
from functools import cache

from cryptography.hazmat.primitives.serialization import load_pem_private_key

from stirmilter.mail.message import RawMessage, write_field
from stirmilter.stir import identity, passport
from stirmilter.stir.claims import Claims
from stirmilter.stir.jws import SoftwareKey
from stirmilter.stir.msgi import digest_body
from stirmilter.testca import TestCA
from tests.e2e.conftest import Daemon
from tests.e2e.traffic import message, until

_UNSIGNED, _ALTERED = 3, 7  # of ten


class Arrivals:
    """Messages of another operator: most are good, some unsigned, some altered."""

    def __init__(self, ca: TestCA, base: str) -> None:
        octets = ca.files("spc").key.read_bytes()
        self._key = SoftwareKey(load_pem_private_key(octets, None))
        self._x5u = f"{base}/spc.pem"
        # A retry repeats the message to the octet, its Date and its token included.
        self.compose = cache(self._compose)

    def _compose(self, number: int) -> bytes:
        octets = message(number)
        if number % 10 == _UNSIGNED:
            return octets
        body = RawMessage.parse(octets).body
        claims = Claims.message(
            "12025550123",
            (f"1312555{number % 10_000:04d}",),
            int(datetime.now(UTC).timestamp()),
            digest_body(body).value(),
        )
        token = passport.issue(claims, self._x5u, self._key)
        field = write_field("PASSporT", identity.write(token, "PASSporT"))
        if number % 10 == _ALTERED:
            octets = octets[: -len(body)] + body.replace(b"line", b"lime")
        return field + octets

    @staticmethod
    def expected(number: int) -> tuple[str, str]:
        """Result and reason that belong to a message."""
        if number % 10 == _UNSIGNED:
            return "none", "no-passport"
        return (
            ("fail", "body-altered")
            if number % 10 == _ALTERED
            else ("pass", "verified")
        )


def verdicts(octets: bytes) -> list[tuple[str, str]]:
    """Result and reason of each result of ours that a message carries."""
    fields = [
        header.text
        for header in RawMessage.parse(octets).headers
        if header.named(("Authentication-Results",)) and "mx.example" in header.text
    ]
    found = []
    for text in fields:
        word = re.search(r"stir=(\w+)", text)
        reason = re.search(r"reason=([\w-]+)", text)
        found.append((word[1] if word else "", reason[1] if reason else ""))
    return found


def take_nobody_for_ours(daemon: Daemon) -> None:
    """Let mail from this machine be incoming mail."""
    text = daemon.configuration.read_text()
    ours = 'clients = ["127.0.0.0/8"]'
    assert ours in text
    daemon.configuration.write_text(text.replace(ours, 'clients = ["192.0.2.0/24"]'))
    daemon.process.send_signal(signal.SIGHUP)
    until(lambda: "reloaded: " in daemon.log.read_text(), "reloaded")
