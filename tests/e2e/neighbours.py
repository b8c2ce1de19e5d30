"""OpenDKIM and OpenDMARC, each an instance of its own: configuration, socket, DNS.

Debian's services, if there are any, are neither started nor touched.

OpenDKIM asks through libunbound, which can be told a name server with its port.
OpenDMARC asks as /etc/resolv.conf says, and always port 53: it gets a folder for its
root with another resolv.conf, and the DNS of the tests an address on loopback whose
port 53 nobody has. Docker lets root in a container do both by default.
"""

from __future__ import annotations

import random
import re
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from stirmilter.demo import postfix
from tests.dns_server import DnsServer

OPENDKIM: Final = Path("/usr/sbin/opendkim")
OPENDMARC: Final = Path("/usr/sbin/opendmarc")

_STATUS: Final = re.compile(r"^CapEff:\t([0-9a-f]+)$", re.MULTILINE)
_NEEDED: Final = {"CAP_NET_BIND_SERVICE": 10, "CAP_SYS_CHROOT": 18}  # capability.h

_SECONDS: Final = 30.0
_TRIES: Final = 20

_OPENDKIM: Final = """\
Socket local:{folder}/{name}.sock
UMask 000
Background no
# Everybody may write to the folder of temporary files, where the key lies.
RequireSafeKeys no
# With ResolverConfiguration it reads a file for each message, and ends if two threads
# do so at once.
Nameservers {server}
{settings}
"""

_OPENDMARC: Final = """\
ChangeRootDirectory {root}
Socket local:/milter.sock
UMask 000
Background no
{settings}
"""


def required() -> None:
    """Skip a test where the neighbours cannot run, and say why."""
    missing = [str(one) for one in (OPENDKIM, OPENDMARC) if not one.exists()]
    if missing:
        pytest.skip(f"{' and '.join(missing)} not found")
    [mine] = _STATUS.findall(Path("/proc/self/status").read_text())
    lacking = [name for name, bit in _NEEDED.items() if not int(mine, 16) >> bit & 1]
    if lacking:
        pytest.skip(
            f"port 53 and a root folder for OpenDMARC need {', '.join(lacking)}"
        )


@contextmanager
def name_server() -> Iterator[DnsServer]:
    """Run the DNS of the tests on port 53 of some address on loopback."""
    dice = random.Random()  # noqa: S311 - any address will do
    reason: OSError | None = None
    for _ in range(_TRIES):
        address = f"127.{dice.randint(1, 254)}.{dice.randint(1, 254)}.53"
        try:
            server = DnsServer(address, 53)
        except OSError as error:
            reason = error
            continue
        with server:
            yield server
        return
    pytest.skip(f"no port 53 on loopback: {reason}")


@contextmanager
def opendkim(folder: Path, name: str, dns: DnsServer, settings: str) -> Iterator[str]:
    """Run an OpenDKIM until the block ends; yield its socket as Postfix names it."""
    configuration = folder / f"{name}.conf"
    configuration.write_text(
        _OPENDKIM.format(
            folder=folder, name=name, server=dns.address[0], settings=settings
        )
    )
    with _running([OPENDKIM, "-f", "-x", configuration], folder / f"{name}.sock"):
        yield f"unix:{folder}/{name}.sock"


@contextmanager
def opendmarc(folder: Path, name: str, dns: DnsServer, settings: str) -> Iterator[str]:
    """Run an OpenDMARC until the block ends; yield its socket as Postfix names it."""
    root = folder / f"{name}.root"
    (root / "etc").mkdir(parents=True)
    (root / "etc" / "resolv.conf").write_text(f"nameserver {dns.address[0]}\n")
    # Its list of hosts to pass over would be 127.0.0.1, were there none.
    ignored = folder / f"{name}.ignored"
    ignored.write_text("192.0.2.255\n")
    configuration = folder / f"{name}.conf"
    configuration.write_text(
        _OPENDMARC.format(root=root, settings=f"IgnoreHosts {ignored}\n{settings}")
    )
    with _running([OPENDMARC, "-f", "-c", configuration], root / "milter.sock"):
        yield f"unix:{root}/milter.sock"


def settle(instance: postfix.Instance, *settings: str) -> None:
    """Set in main.cf; before the first message, so that every process reads it.

    Not by adding lines: of a name that stands there twice every process warns, also
    the one that writes the log, which then waits for itself.
    """
    _do("/usr/sbin/postconf", instance, "-e", *settings)


def open_door(instance: postfix.Instance, milters: Sequence[str]) -> int:
    """Have an instance listen on one more port, with milters of its own."""
    port = postfix.free_port()
    with (instance.folder / "etc" / "master.cf").open("a") as master:
        master.write(
            f"127.0.0.1:{port} inet n - n - - smtpd\n"
            f"  -o smtpd_milters={','.join(milters)}\n"
        )
    _do(postfix.POSTFIX, instance, "reload")
    await_port(port)
    return port


def await_port(port: int) -> None:
    """Wait until somebody listens on a port of loopback."""
    _until(lambda: _answers(socket.AF_INET, ("127.0.0.1", port)))


@contextmanager
def _running(command: list[str | Path], door: Path) -> Iterator[None]:
    log = door.with_suffix(".log")
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out)
    try:
        _await(process, door, log)
        yield
    finally:
        process.kill()  # libmilter takes five seconds to stop, and nothing is kept
        process.wait()


def _await(process: subprocess.Popen[bytes], door: Path, log: Path) -> None:
    _until(lambda: process.poll() is not None or _answers(socket.AF_UNIX, str(door)))
    if process.poll() is not None:
        pytest.fail(f"{process.args!r} does not start: {log.read_text()}")


def _until(happens: Callable[[], bool]) -> None:
    end = time.monotonic() + _SECONDS
    while not happens():
        if time.monotonic() > end:
            pytest.fail("nobody listens")
        time.sleep(0.02)


def _answers(family: socket.AddressFamily, address: str | tuple[str, int]) -> bool:
    with socket.socket(family) as probe:
        try:
            probe.connect(address)
        except OSError:
            return False
    return True


def _do(command: str, instance: postfix.Instance, *words: str) -> None:
    subprocess.run(
        [command, "-c", instance.folder / "etc", *words],
        check=True,
        capture_output=True,
    )
