"""A private Postfix instance: own configuration, queue, ports and log.

The system's own instance, if there is one, is neither read nor touched: every command
names the private configuration folder.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from stirmilter.errors import ConfigError

POSTFIX: Final = "/usr/sbin/postfix"
SENDMAIL: Final = "/usr/sbin/sendmail"
_PORTS: Final = (10_000, 32_000)
_TRIES: Final = 100
_STOP_SECONDS: Final = 30.0
_POLL: Final = 0.02

_MAIN: Final = """\
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
maillog_file = {folder}/postfix.log
maillog_file_prefixes = {folder}
mail_owner = postfix
setgid_group = postdrop
myhostname = {name}
mydestination =
local_recipient_maps =
alias_maps =
alias_database =
inet_protocols = ipv4
inet_interfaces = 127.0.0.1
mynetworks = 127.0.0.0/8
smtp_dns_support_level = disabled
# A number and no domain stays as it is, also when sendmail(1) submits it.
append_at_myorigin = no
append_dot_mydomain = no
remote_header_rewrite_domain =
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_milters = {milter}
non_smtpd_milters = {milter}
milter_default_action = tempfail
relayhost = [127.0.0.1]:{next_hop}
transport_maps = inline:{{ {transports} }}
"""

UNALTERED: Final = ("smtp_line_length_limit=0", "disable_mime_output_conversion=yes")
"""Options of a transport that keep Postfix from rewriting a body after it was signed;
those of conf/postfix-sign.cf."""

_MASTER: Final = """\
127.0.0.1:{port} inet n - n - - smtpd
pickup    unix  n - n 1 1 pickup
cleanup   unix  n - n - 0 cleanup
qmgr      unix  n - n 300 1 qmgr
rewrite   unix  - - n - - trivial-rewrite
bounce    unix  - - n - 0 bounce
defer     unix  - - n - 0 bounce
trace     unix  - - n - 0 bounce
flush     unix  n - n 1000? 0 flush
proxymap  unix  - - n - - proxymap
smtp      unix  - - n - - smtp{options}
showq     unix  n - n - - showq
error     unix  - - n - - error
retry     unix  - - n - - error
discard   unix  - - n - - discard
anvil     unix  - - n - 1 anvil
scache    unix  - - n - 1 scache
postlog   unix-dgram n - n - 1 postlogd
"""


@dataclass(frozen=True, slots=True)
class Instance:
    """A running instance."""

    folder: Path
    port: int

    @property
    def log(self) -> Path:
        """Postfix's own log."""
        return self.folder / "postfix.log"

    def submit(self, sender: str, recipients: Sequence[str], message: bytes) -> None:
        """Hand a message to sendmail(1), as an MMSC on the same machine does.

        Raises:
            subprocess.CalledProcessError: it was not queued.
        """
        subprocess.run(  # noqa: S603 - our own words
            [
                SENDMAIL,
                "-C",
                self.folder / "etc",
                "-i",
                "-f",
                sender,
                "--",
                *recipients,
            ],
            input=message.replace(b"\r\n", b"\n"),
            check=True,
            capture_output=True,
        )


@contextmanager
def instance(
    folder: Path,
    *,
    name: str,
    milter: str,
    next_hop: int,
    transports: Sequence[tuple[str, int]] = (),
    options: Sequence[str] = UNALTERED,
    settings: Sequence[str] = (),
    services: Sequence[str] = (),
) -> Iterator[Instance]:
    """Run an instance until the block ends.

    Args:
        folder: an empty folder, which the user postfix must be able to reach.
        name: its host name.
        milter: as in ``smtpd_milters``.
        next_hop: port on loopback that everything is relayed to.
        transports: domains, and other ports on loopback that their mail goes to.
        options: of the transport, ``name=value``.
        settings: more lines of main.cf.
        services: more lines of master.cf.

    Raises:
        ConfigError: Postfix is not installed, or does not start.
    """
    if shutil.which(POSTFIX) is None:
        raise ConfigError(POSTFIX, "not found; apt-get install postfix")
    port = free_port()
    folder.mkdir()
    folder.chmod(0o755)
    for kept in ("etc", "queue", "data"):
        (folder / kept).mkdir()
    shutil.chown(folder / "data", "postfix")
    routes = ", ".join(
        f"{{ {domain} = smtp:[127.0.0.1]:{hop} }}" for domain, hop in transports
    )
    (folder / "etc" / "main.cf").write_text(
        _MAIN.format(
            folder=folder,
            name=name,
            milter=milter,
            next_hop=next_hop,
            transports=routes or "{ unused.invalid = discard: }",
        )
        + "".join(f"{line}\n" for line in settings)
    )
    (folder / "etc" / "master.cf").write_text(
        _MASTER.format(port=port, options="".join(f"\n  -o {one}" for one in options))
        + "".join(f"{line}\n" for line in services)
    )
    _control(folder, "start")
    try:
        yield Instance(folder, port)
    finally:
        master = (folder / "queue" / "pid" / "master.pid").read_text()
        _control(folder, "stop")
        _await_end(int(master))


def free_port() -> int:
    """Return a port on loopback that nobody listens on now.

    One below those that the kernel gives out by itself: of these, another program may
    have got the same before it is used.

    Raises:
        OSError: none was free.
    """
    dice = random.SystemRandom()
    for _ in range(_TRIES):
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", dice.randrange(*_PORTS)))
            return int(probe.getsockname()[1])
    raise OSError("no free port on 127.0.0.1")


def _await_end(group: int) -> None:
    """Wait until the last process of a process group has ended, or kill it.

    "stop" waits for the master alone: the others may write to their folder still.
    """
    end = time.monotonic() + _STOP_SECONDS
    while _runs(group):
        if time.monotonic() > end:
            with suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)
        time.sleep(_POLL)


def _runs(group: int) -> bool:
    """Tell whether some process of a group runs; a zombie does not."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has just ended
            state, _, theirs, *_ = path.read_text().rpartition(")")[2].split()
            if int(theirs) == group and state not in "ZX":
                return True
    return False


def _control(folder: Path, command: str) -> None:
    done = subprocess.run(  # noqa: S603 - our own words
        [POSTFIX, "-c", folder / "etc", command],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        log = folder / "postfix.log"
        said = done.stderr + (log.read_text()[-2000:] if log.exists() else "")
        raise ConfigError(f"postfix {command}", said.strip() or "failed")
