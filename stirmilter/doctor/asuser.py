"""Doing something as another user, and in a chroot, without becoming him.

A child process does it, and tells through a pipe. As for Postfix's own daemons, the
groups are those of the user database, looked up before the root changes (chroot_uid in
Postfix's source). Whoever is not root stays who he is.
"""

from __future__ import annotations

import json
import os
import pwd
import select
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn

_MARGIN: Final = 2.0  # seconds, beyond what the work itself may take


class AsUserError(Exception):
    """It could not be done at all."""


@dataclass(frozen=True, slots=True)
class Place:
    """Who works, and where."""

    user: pwd.struct_passwd | None = None
    """None stays who we are."""

    root: Path | None = None
    """A chroot; None is the root that we have."""

    folder: Path = Path("/")
    """Where relative paths begin, outside of a chroot."""


def place(name: str, root: Path | None = None, folder: Path = Path("/")) -> Place:
    """Name a user's place; for whoever is not root, his own without a chroot.

    Raises:
        KeyError: there is no such user.
    """
    if os.geteuid() != 0:
        return Place(folder=folder)
    return Place(pwd.getpwnam(name), root, folder)


def run(place: Place, work: Callable[[], object], seconds: float) -> object:
    """Have a child do the work there, and return what it returned.

    Args:
        place: who and where.
        work: returns what JSON can carry, and imports nothing: it may be in a chroot.
        seconds: how long it may take.

    Raises:
        AsUserError: the child could not get there, failed, or took too long.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _child(place, work, writing)
    os.close(writing)
    try:
        octets = _all(reading, child, seconds + _MARGIN)
    finally:
        os.close(reading)
        os.waitpid(child, 0)
    try:
        kind, told = json.loads(octets)
    except ValueError:
        raise AsUserError("ended without an answer") from None
    if kind == "failed":
        raise AsUserError(told)
    return told


def _child(place: Place, work: Callable[[], object], writing: int) -> NoReturn:
    try:
        _enter(place)
        answer = ("done", work())
    except BaseException as error:  # noqa: BLE001 - a child must not return
        answer = ("failed", str(error) or type(error).__name__)
    try:
        os.write(writing, json.dumps(answer).encode())
    finally:
        os._exit(0)


def _enter(place: Place) -> None:
    if place.user is not None:
        os.initgroups(place.user.pw_name, place.user.pw_gid)
        os.setgid(place.user.pw_gid)
    if place.root is not None:
        os.chroot(place.root)
    os.chdir("/" if place.root is not None else place.folder)
    if place.user is not None:
        os.setuid(place.user.pw_uid)


def _all(reading: int, child: int, seconds: float) -> bytes:
    """Read to the end; a child that takes too long is ended."""
    octets = b""
    while True:
        ready, _, _ = select.select([reading], [], [], seconds)
        if not ready:
            os.kill(child, signal.SIGKILL)
            raise AsUserError(f"no answer in {seconds:g} s")
        more = os.read(reading, 65_536)
        if not more:
            return octets
        octets += more
