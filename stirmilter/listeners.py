"""The sockets that mail comes in by: bound by us, or handed over by systemd."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from stirmilter.config import Config, Milter
from stirmilter.errors import ConfigError, UnavailableError, reason
from stirmilter.runtime.owners import owner_and_group

_SETTING: Final = "milter.sockets"


@dataclass(slots=True)
class Listeners:
    """All of them; the supervisor's, and shared with its workers."""

    sockets: list[socket.socket] = field(default_factory=list)
    _ours: list[str] = field(default_factory=list)
    """Paths that nobody else will remove."""

    def open(
        self, config: Config, passed: Iterable[tuple[str, socket.socket]] = ()
    ) -> None:
        """Open what `milter.sockets` names; take from systemd what it has opened.

        Args:
            config: with the addresses.
            passed: names and sockets; `fd:NAME` means all with this name, and an
                address the one that is bound to it.

        Raises:
            ConfigError: a name was not passed, or systemd passes what the configuration
                does not know: nobody would serve it.
            UnavailableError: an address cannot be bound.
        """
        left = list(passed)
        for address in config.milter.sockets:
            taken = [one for one in left if _means(address, *one)]
            left = [one for one in left if one not in taken]
            for _, listener in taken:
                self.sockets.append(_prepared(listener, address, config))
            if taken:
                continue
            if address.startswith("fd:"):
                raise _wrong(
                    config, f"{address}: systemd passes no socket of this name"
                )
            self.sockets.append(bind(address, config))
            if address.startswith("unix:"):
                self._ours.append(address.removeprefix("unix:"))
        if left:
            known = ", ".join(f"fd:{name} ({spoken(one)})" for name, one in left)
            raise _wrong(config, f"systemd passes what is not named here: {known}")

    def remove(self) -> None:
        """Take the paths of UNIX sockets away, so that nobody connects any more.

        What systemd listens on stays: whoever connects waits for our next start.
        """
        for path in self._ours:
            Path(path).unlink(missing_ok=True)


def bind(address: str, config: Config, setting: str = _SETTING) -> socket.socket:
    """Open a listening socket, non-blocking, as workers that share it need it.

    Raises:
        UnavailableError: the address cannot be bound; another daemon may be using it.
    """
    settings = config.milter
    try:
        kind, _, rest = address.partition(":")
        if kind == "unix":
            listener = _bind_unix(Path(rest), settings)
        else:
            listener = _bind_inet(kind, rest)
        listener.listen(settings.backlog)
        listener.setblocking(False)
    except OSError as error:
        where = f"{config.source}: {setting}"
        raise UnavailableError(where, f"{address}: {reason(error)}") from None
    return listener


def spoken(listener: socket.socket) -> str:
    """Return the address of a socket, as the configuration writes it."""
    name = listener.getsockname()
    if isinstance(name, tuple):
        kind = "inet6" if listener.family == socket.AF_INET6 else "inet"
        return f"{kind}:{name[1]}@{name[0]}"
    return f"unix:{os.fsdecode(name)}"


def _wrong(config: Config, problem: str) -> ConfigError:
    return ConfigError(f"{config.source}: {_SETTING}", problem)


def _means(address: str, name: str, listener: socket.socket) -> bool:
    if address.startswith("fd:"):
        return address == f"fd:{name}"
    return address.replace("[", "").replace("]", "") == spoken(listener)


def _prepared(listener: socket.socket, address: str, config: Config) -> socket.socket:
    """Make sure that workers can share a socket that systemd made."""
    accepts = listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    if listener.type != socket.SOCK_STREAM or not accepts:
        raise _wrong(config, f"{address}: systemd passes no ListenStream= socket")
    listener.setblocking(False)
    return listener


def _bind_inet(kind: str, rest: str) -> socket.socket:
    port, _, host = rest.partition("@")
    family = socket.AF_INET6 if kind == "inet6" else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        # So that inet6:8891@:: and inet:8891@0.0.0.0 can stand side by side.
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    try:
        listener.bind((host.strip("[]"), int(port)))
    except OSError:
        listener.close()
        raise
    return listener


def _bind_unix(path: Path, settings: Milter) -> socket.socket:
    owner, group = owner_and_group(settings)
    if path.exists() and stat.S_ISSOCK(path.stat().st_mode):
        _remove_orphan(path)
    listener = socket.socket(socket.AF_UNIX)
    # Nobody may connect between bind and chmod.
    previous = os.umask(0o777)
    try:
        listener.bind(str(path))
    except OSError:
        listener.close()
        raise
    finally:
        os.umask(previous)
    try:
        _give(path, owner, group, settings)
        path.chmod(int(settings.socket_mode, 8))
    except OSError:
        listener.close()
        path.unlink()  # nobody could connect to it, nor bind there again
        raise
    return listener


def _give(path: Path, owner: int, group: int, settings: Milter) -> None:
    try:
        os.chown(path, owner, group)
    except PermissionError as error:
        asked = f"milter.socket_group {settings.socket_group}: {error.strerror}"
        if settings.socket_owner:
            asked = f"milter.socket_owner {settings.socket_owner}, {asked}"
        raise OSError(
            f"{asked}; a daemon that is not root must be in that group"
        ) from None


def _remove_orphan(path: Path) -> None:
    """Remove a socket that a daemon left that was killed."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.setblocking(False)  # a full queue means that somebody listens
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
            return
        except BlockingIOError:
            pass
    raise OSError("another process listens there; is the daemon running?")


def addresses(listeners: Sequence[socket.socket]) -> str:
    """Name sockets for the log."""
    return ", ".join(map(spoken, listeners))
