"""A private Sendmail, from Debian's packages as `make sendmail` has unpacked them.

Debian lets one mail transport agent be installed at a time: so nothing is installed,
and Postfix stays. The daemon has its configuration and its queue in a folder of its
own, and a host name and a table of hosts in namespaces of its own.
"""

from __future__ import annotations

import os
import signal
import smtplib
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_hex
from typing import Final

from stirmilter.demo import daemons
from stirmilter.demo.acts import ALICE, BOB
from stirmilter.demo.daemons import Mailbox
from stirmilter.demo.mms import MMS
from stirmilter.demo.postfix import free_port
from stirmilter.mail.message import RawMessage
from tests.e2e.conftest import Daemon

TOP: Final = Path(__file__).parents[2]
LINES: Final = TOP / "conf" / "sendmail.mc"
MAILER: Final = TOP / "conf" / "sendmail-mailer.mc"
"""What an operator adds, before the mailer of SMTP and behind it."""

NOBODY: Final = "192.0.2.0/24"
"""No client here: all mail comes from elsewhere."""

_ROOT: Final = TOP / "build" / "sendmail"
_PROGRAM: Final = _ROOT / "usr/libexec/sendmail/sendmail"
_CF: Final = _ROOT / "usr/share/sendmail/cf"
_SOCKET: Final = "local:/run/stirmilter/milter.sock"
_SECONDS: Final = 30.0

# As Debian's sendmail.mc, but for what decides who may relay, which needs a database,
# and for whatever lies outside the folder.
_MC: Final = """\
divert(0)dnl
include(`{cf}/m4/cf.m4')dnl
include(`{cf}/debian/autoconf.m4')dnl
OSTYPE(`debian')dnl
FEATURE(`no_default_msa')dnl
FEATURE(`nocanonify')dnl
FEATURE(`accept_unresolvable_domains')dnl
FEATURE(`promiscuous_relay')dnl
define(`confDOMAIN_NAME', `{name}')dnl
define(`QUEUE_DIR', `{folder}/queue')dnl
define(`ALIAS_FILE', `')dnl
define(`STATUS_FILE', `')dnl
define(`confHOST_STATUS_DIRECTORY', `')dnl
define(`confPID_FILE', `{folder}/pid')dnl
define(`confSERVICE_SWITCH_FILE', `{folder}/switch')dnl
define(`confDONT_PROBE_INTERFACES', `True')dnl
define(`confTO_IDENT', `0')dnl
define(`confQUEUE_LA', `10000')dnl
define(`confREFUSE_LA', `10000')dnl
define(`confDONT_BLAME_SENDMAIL', `TrustStickyBit')dnl
define(`SMTP_MAILER_ARGS', `TCP $h {next_hop}')dnl
define(`ESMTP_MAILER_ARGS', `TCP $h {next_hop}')dnl
define(`RELAY_MAILER_ARGS', `TCP $h {next_hop}')dnl
define(`SMART_HOST', `{mailer}:[127.0.0.1]')dnl
DAEMON_OPTIONS(`Family=inet, Name=MTA, Addr=127.0.0.1, Port={port}')dnl
{before}
MAILER(`smtp')dnl
{behind}
"""

# Sendmail looks up the machine's name before it reads a file, and waits for a minute
# for one with a dot; the clients' names it takes from the system's table.
_APART: Final = """\
hostname "$0" && mount --bind "$1" /etc/hosts && shift && exec "$@"
"""


@dataclass(frozen=True, slots=True)
class Instance:
    """A running daemon."""

    folder: Path
    port: int

    @property
    def quarantined(self) -> list[str]:
        """Queue ids of the messages that it holds."""
        return [one.name[2:] for one in (self.folder / "queue").glob("hf*")]


@contextmanager
def instance(
    folder: Path,
    *,
    name: str,
    next_hop: int,
    milter: str = "",
    mailer: str = "mm4",
    settings: Sequence[str] = (),
    rules: Sequence[str] = (),
) -> Iterator[Instance]:
    """Run a daemon until the block ends.

    Args:
        folder: one that is not there yet.
        name: its host name; mail for it would be delivered here.
        next_hop: port on loopback that everything is relayed to.
        milter: path of a socket; without one, nothing is as we tell operators.
        mailer: ours, ``mm4``, or Sendmail's ``relay`` or ``esmtp``.
        settings: more lines of sendmail.mc, before the mailers.
        rules: and behind them.
    """
    port = free_port()
    folder.mkdir(mode=0o755)
    (folder / "queue").mkdir(mode=0o700)
    (folder / "switch").write_text("hosts\tfiles\naliases\tfiles\n")
    (folder / "hosts").write_text("127.0.0.1\tlocalhost\n")
    before, behind = [*settings], [*rules]
    if milter:
        before.insert(0, LINES.read_text().replace(_SOCKET, f"local:{milter}"))
        behind.insert(0, MAILER.read_text().replace("TCP $h", f"TCP $h {next_hop}"))
    (folder / "sendmail.mc").write_text(
        _MC.format(
            cf=_CF,
            folder=folder,
            name=name,
            next_hop=next_hop,
            mailer=mailer,
            port=port,
            before="\n".join(before),
            behind="\n".join(behind),
        )
    )
    made = _run(_ROOT / "usr/bin/m4", f"-D_CF_DIR_={_CF}/", folder / "sendmail.mc")
    (folder / "sendmail.cf").write_bytes(made.stdout)
    apart = ["unshare", "--uts", "--mount", "--", "sh", "-c", _APART, name]
    daemon = [str(_PROGRAM), "-bD", "-C", f"{folder}/sendmail.cf", "-q1h"]
    with (folder / "log").open("wb") as log:
        running = subprocess.Popen(
            [*apart, f"{folder}/hosts", *daemon],
            stdout=log,
            stderr=log,
            env=_environment(),
            start_new_session=True,
        )
    try:
        _await_port(port, running, folder / "log")
        yield Instance(folder, port)
    finally:
        # All of them: each SMTP session is a process of its own.
        with suppress(ProcessLookupError):
            os.killpg(running.pid, signal.SIGTERM)
        running.wait(_SECONDS)


@dataclass(frozen=True, slots=True)
class Ground:
    """Where relays run, and where all mail ends."""

    stack: ExitStack
    folder: Path
    port: int
    """On loopback, of what takes all mail."""

    received: Mailbox

    def place(self) -> Path:
        """Name a folder for a relay.

        And the relay: Sendmail takes a host of its own name for itself.
        """
        return self.folder / token_hex(4)

    def relay(
        self,
        daemon: Daemon | None,
        *,
        next_hop: int = 0,
        mailer: str = "mm4",
        settings: Sequence[str] = (),
        rules: Sequence[str] = (),
    ) -> Instance:
        """Start a Sendmail, with a daemon of ours or without; see `instance`."""
        place = self.place()
        return self.stack.enter_context(
            instance(
                place,
                name=f"{place.name}.example",
                milter=daemon.socket if daemon else "",
                next_hop=next_hop or self.port,
                mailer=mailer,
                settings=settings,
                rules=rules,
            )
        )


@contextmanager
def ground() -> Iterator[Ground]:
    """Prepare what all relays share; they stop with it."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(daemons.short_folder()))
        port = free_port()
        yield Ground(stack, folder, port, stack.enter_context(daemons.sink(port)))


def mms(*to: str) -> MMS:
    """Make a message to somebody."""
    return MMS(name=token_hex(8), sender=ALICE, to=to or (BOB,))


def carry(smtp: smtplib.SMTP, message: MMS, octets: bytes) -> str:
    """Send octets as they are; return the queue id."""
    smtp.ehlo_or_helo_if_needed()
    smtp.mail(message.mail_from, ["BODY=8BITMIME"])
    for recipient in message.recipients:
        smtp.rcpt(recipient)
    assert smtp.docmd("DATA")[0] == 354
    smtp.send(octets.replace(b"\r\n.", b"\r\n..") + b".\r\n")
    code, said = smtp.getreply()
    if code != 250:
        raise smtplib.SMTPDataError(code, said)
    return said.split()[1].decode()


def send(port: int, message: MMS, octets: bytes = b"") -> str:
    """Send a message, or octets as they are; return the queue id."""
    with smtplib.SMTP("127.0.0.1", port, timeout=60) as smtp:
        return carry(smtp, message, octets or message.octets(datetime.now(UTC)))


def arrived(received: Mailbox, message: MMS) -> RawMessage:
    """Wait for a message."""
    octets = received.wait(message.message_id)
    assert octets is not None
    return RawMessage.parse(octets)


def values(message: RawMessage, name: str) -> list[str]:
    """Return the values of the fields of a name."""
    return [one.text for one in message.headers if one.named((name,))]


def missing() -> str:
    """Tell what keeps it from running here; nothing, if it does."""
    if not _PROGRAM.exists():
        return f"{_PROGRAM} is not there: make sendmail"
    apart = subprocess.run(
        ["unshare", "--uts", "--mount", "true"], capture_output=True, check=False
    )
    if apart.returncode:
        return "no namespaces: " + apart.stderr.decode().strip()
    linked = _run("ldd", _PROGRAM).stdout.decode().splitlines()
    return "".join(line for line in linked if "not found" in line).strip()


def _environment() -> dict[str, str]:
    """Have libraries found that nothing else on this machine needs."""
    found = {str(one.parent) for one in (_ROOT / "usr/lib").glob("*/lib*.so*")}
    return {"PATH": os.environ["PATH"], "LD_LIBRARY_PATH": ":".join(sorted(found))}


def _run(*command: str | Path) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        command, env=_environment(), capture_output=True, check=True, timeout=_SECONDS
    )


def _await_port(port: int, running: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _SECONDS
    while running.poll() is None and time.monotonic() < deadline:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise AssertionError(f"sendmail does not come up: {log.read_text()}")
