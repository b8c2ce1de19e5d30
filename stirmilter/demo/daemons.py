"""What the demonstration starts besides Postfix: stirmilter itself, and mail sinks."""

from __future__ import annotations

import os
import select
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from stirmilter.errors import ConfigError
from stirmilter.mail.message import RawMessage

_START_SECONDS: Final = 30.0
_STOP_SECONDS: Final = 45.0


@contextmanager
def short_folder() -> Iterator[str]:
    """Make a folder whose path is short enough for UNIX sockets, and let others in.

    Postfix's own users must reach what lies there; a caller's folder may not let them.
    """
    with tempfile.TemporaryDirectory(prefix="stir-") as folder:
        Path(folder).chmod(0o755)
        yield folder


@contextmanager
def stirmilter(configuration: Path, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run the daemon as systemd would, until the block ends.

    All its processes have ended then, the workers of one that was killed too.

    Raises:
        ConfigError: it does not come up; the text is its log.
    """
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ready,
        log.open("wb") as out,
        _awaited() as held,
    ):
        ready.bind("")
        ready.settimeout(_START_SECONDS)
        name = ready.getsockname().decode().replace("\0", "@", 1)
        daemon = subprocess.Popen(  # noqa: S603 - our own words
            [sys.executable, "-m", "stirmilter", "run", "--config", configuration],
            stdout=held,  # which nobody writes to
            stderr=out,
            env={**os.environ, "NOTIFY_SOCKET": name},
        )
        os.close(held)
        try:
            _await_ready(ready, daemon, log)
            yield daemon
        finally:
            daemon.terminate()
            try:
                daemon.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()


@contextmanager
def _awaited() -> Iterator[int]:
    """Make a pipe's end to give away; end when whoever holds it has ended."""
    ended, held = os.pipe()
    try:
        yield held
    finally:
        select.select([ended], [], [], _STOP_SECONDS)
        os.close(ended)


def _await_ready(
    ready: socket.socket, daemon: subprocess.Popen[bytes], log: Path
) -> None:
    ready.settimeout(0.2)
    for _ in range(int(_START_SECONDS / 0.2)):
        try:
            if ready.recv(1_000).startswith(b"READY=1\n"):
                return
        except TimeoutError:
            if daemon.poll() is not None:
                break
    raise ConfigError("stirmilter run", log.read_text().strip() or "did not start")


@dataclass(slots=True)
class Mailbox:
    """Messages that a sink took, by Message-ID, in the order of arrival."""

    arrived: threading.Condition = field(default_factory=threading.Condition)
    messages: dict[str, list[bytes]] = field(default_factory=dict)

    def put(self, octets: bytes) -> None:
        """Take a message."""
        name = message_id(octets)
        with self.arrived:
            self.messages.setdefault(name, []).append(octets)
            self.arrived.notify_all()

    def wait(self, name: str, count: int = 1, seconds: float = 30.0) -> bytes | None:
        """Return the newest message with this Message-ID once `count` are there."""
        with self.arrived:
            self.arrived.wait_for(
                lambda: len(self.messages.get(name, ())) >= count, seconds
            )
            found = self.messages.get(name, [])
            return found[-1] if len(found) >= count else None


@contextmanager
def sink(port: int) -> Iterator[Mailbox]:
    """Run an SMTP server that keeps what it is given, octet by octet.

    Raises:
        ConfigError: aiosmtpd, a dependency of the demonstration alone, is missing.
    """
    try:
        from aiosmtpd import controller, smtp  # noqa: PLC0415 - optional
    except ImportError:
        raise ConfigError(
            "demo", 'needs aiosmtpd; pip install "stirmilter[demo]"'
        ) from None

    mailbox = Mailbox()

    class Handler:
        async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: ANN401, N802 - aiosmtpd's
            mailbox.put(envelope.original_content)
            return "250 kept"

    class LongLines(smtp.SMTP):
        line_length_limit = 1_048_576  # RFC 5321 would have 1000; MMSCs do not care

    class Server(controller.Controller):
        def factory(self) -> smtp.SMTP:
            return LongLines(self.handler, **self.SMTP_kwargs)

    server = Server(
        Handler(),
        hostname="127.0.0.1",
        port=port,
        ready_timeout=_START_SECONDS,
        data_size_limit=0,
    )
    server.start()
    try:
        yield mailbox
    finally:
        server.stop()


def message_id(octets: bytes) -> str:
    """Return the Message-ID of a message, or an empty text."""
    for header in RawMessage.parse(octets).headers:
        if header.named(("message-id",)):
            return header.text.strip()
    return ""
