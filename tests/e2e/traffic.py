"""Mail through a real Postfix into a sink while somebody disturbs the daemon."""

import itertools
import os
import random
import signal
import smtplib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from subprocess import Popen

from cryptography import x509

from stirmilter.demo import daemons, postfix
from stirmilter.demo.daemons import Mailbox
from stirmilter.mail.message import RawMessage
from stirmilter.stir import credential, identity, jws, passport
from stirmilter.stir.msgi import digest_body
from tests.e2e.conftest import Daemon

_PATIENCE = 120.0
_PAUSE = 0.05
_ON_ONE = 5  # messages on one connection


@dataclass
class Outcome:
    """What the clients were told."""

    accepted: set[str] = field(default_factory=set)
    refused: list[int] = field(default_factory=list)
    """Codes of answers that did not accept a message; it came again."""


class Relay:
    """A daemon that is killed and started anew, before a real Postfix."""

    def __init__(self, daemon: Daemon, port: int, received: Mailbox) -> None:
        self.configuration = daemon.configuration
        self.port = port
        self.received = received
        self._process: Popen[bytes] = daemon.process
        self._logs = [daemon.log]
        self._own = ExitStack()

    def reload(self) -> None:
        """Have it build everything anew, and wait until it has."""
        before = self.logged().count("reloaded: ")
        self._process.send_signal(signal.SIGHUP)
        until(lambda: self.logged().count("reloaded: ") > before, "reloaded")

    def reload_what_is_bad(self) -> None:
        """Have it read a file that it must not take."""
        before = self.logged().count("reload refused")
        good = self.configuration.read_text()
        self.configuration.write_text(f"{good}\n[nonsense]\n")
        self._process.send_signal(signal.SIGHUP)
        until(lambda: self.logged().count("reload refused") > before, "refused")
        self.configuration.write_text(good)

    def kill_worker(self) -> None:
        """Kill one that takes messages, in the middle of whatever it does."""
        before = self.logged().count("ended with status -9")

        def killed() -> bool:
            # A child that does something else, or is about to leave, may be hit first.
            if children := self._children():
                os.kill(random.choice(children), signal.SIGKILL)  # noqa: S311
            time.sleep(1)
            return self.logged().count("ended with status -9") > before

        until(killed, "a worker killed")

    def restart(self) -> None:
        """Stop it as systemd does, and start it again."""
        self._process.terminate()
        assert self._process.wait(_PATIENCE) == 0
        log = self.configuration.with_name(f"log{len(self._logs)}")
        running = daemons.stirmilter(self.configuration, log)
        self._process = self._own.enter_context(running)
        self._logs.append(log)

    def logged(self) -> str:
        """Everything that it and those before it wrote."""
        return "".join(log.read_text() for log in self._logs)

    def close(self) -> None:
        self._own.close()

    def _children(self) -> list[int]:
        pid = self._process.pid
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
        return [int(child) for child in text.split()]


@contextmanager
def relay(daemon: Daemon, folder: Path) -> Iterator[Relay]:
    """Put a Postfix and a sink behind a daemon."""
    port = postfix.free_port()
    with (
        daemons.sink(port) as received,
        postfix.instance(
            folder / "p",
            name="relay.example",
            milter=f"unix:{daemon.socket}",
            next_hop=port,
        ) as running,
    ):
        made = Relay(daemon, running.port, received)
        try:
            yield made
        finally:
            made.close()


Compose = Callable[[int], bytes]
"""Makes the message of a number, the same whenever it is asked for it."""


def carry(
    relay: Relay,
    count: int,
    events: Sequence[Callable[[], None]],
    compose: Compose | None = None,
    clients: int = 8,
) -> Outcome:
    """Send messages on several connections, and let events happen in between.

    A message that is not accepted comes again, until it is, as any MTA does. One event
    each time that another share of the messages has been accepted.
    """
    outcome = Outcome()
    numbers = itertools.count()
    troubles: list[BaseException] = []

    def send() -> None:
        try:
            while (batch := list(itertools.islice(numbers, _ON_ONE)))[0] < count:
                left = [n for n in batch if n < count]
                _send_all(relay.port, left, outcome, compose or message)
        except BaseException as error:  # noqa: BLE001 - told below
            troubles.append(error)

    threads = [threading.Thread(target=send) for _ in range(clients)]
    for one in threads:
        one.start()
    for turn, event in enumerate(events, 1):
        share = turn * count // (len(events) + 1)
        until(lambda: len(outcome.accepted) >= share or bool(troubles), "so many")  # noqa: B023
        event()
    for one in threads:
        one.join(_PATIENCE)
    assert troubles == []
    until(lambda: _arrived(relay.received) >= count, "all arrived")
    return outcome


def _arrived(received: Mailbox) -> int:
    with received.arrived:  # the sink is at it still
        return sum(map(len, received.messages.values()))


def _send_all(port: int, batch: list[int], outcome: Outcome, compose: Compose) -> None:
    end = time.monotonic() + _PATIENCE
    while batch:
        assert time.monotonic() < end, "never accepted"
        try:
            with smtplib.SMTP("127.0.0.1", port, timeout=60) as smtp:
                while batch:
                    smtp.sendmail(
                        "+12025550123/TYPE=PLMN@one.example",
                        [f"+1312555{batch[0] % 10_000:04d}/TYPE=PLMN@two.example"],
                        compose(batch[0]),
                    )
                    outcome.accepted.add(name(batch.pop(0)))
        except smtplib.SMTPRecipientsRefused as error:
            outcome.refused += [code for code, _ in error.recipients.values()]
            time.sleep(_PAUSE)
        except smtplib.SMTPResponseException as error:
            outcome.refused.append(error.smtp_code)
            time.sleep(_PAUSE)


def name(number: int) -> str:
    return f"<{number}@one.example>"


def message(number: int) -> bytes:
    """One of its own, with a body of a few lines up to some packets of a milter."""
    body = b"line of message %d\r\n" % number * (1 + number % 7 * 900)
    return (
        b"From: +12025550123/TYPE=PLMN\r\n"
        b"To: +1312555%04d/TYPE=PLMN@two.example\r\n"
        b"Date: %s\r\n"
        b"Message-ID: %s\r\n\r\n"
    ) % (
        number % 10_000,
        format_datetime(datetime.now(UTC)).encode(),
        name(number).encode(),
    ) + body


def is_signed(octets: bytes, certificate: x509.Certificate) -> bool:
    """Tell whether one token is there, and a good one for this body."""
    raw = RawMessage.parse(octets)
    values = [h.text for h in raw.headers if h.named(("passport",))]
    if len(values) != 1:
        return False
    token = passport.parse(identity.parse(values[0]).token)
    key = credential.read(certificate).public_key
    jws.verify(token.signing_input, token.signature, key)
    return token.claims.msgi == digest_body(raw.body).value()


def until(condition: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + _PATIENCE
    while not condition():
        assert time.monotonic() < end, f"never: {what}"
        time.sleep(_PAUSE)
