"""Whom a UNIX socket is given to."""

from __future__ import annotations

import grp
import pwd

from stirmilter.config import Config, Milter
from stirmilter.errors import ConfigError


def owner_and_group(settings: Milter) -> tuple[int, int]:
    """Return the user's and the group's number; -1, which changes nothing, for "".

    Raises:
        OSError: there is no such user or group; the text names the setting.
    """
    return _user(settings.socket_owner), _group(settings.socket_group)


def check_owners(config: Config) -> None:
    """Refuse a user or group that does not exist, before a socket is to be theirs.

    Apart from `build`, since a message can be judged by hand without any socket.

    Raises:
        ConfigError: naming the setting.
    """
    settings = config.milter
    if not any(s.startswith("unix:") for s in settings.sockets):
        return
    try:
        owner_and_group(settings)
    except OSError as error:
        setting, _, problem = str(error).partition(": ")
        raise ConfigError(f"{config.source}: {setting}", problem) from None


def _user(name: str) -> int:
    if not name:
        return -1
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        raise OSError(f"milter.socket_owner: no such user: {name}") from None


def _group(name: str) -> int:
    if not name:
        return -1
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        raise OSError(f"milter.socket_group: no such group: {name}") from None
