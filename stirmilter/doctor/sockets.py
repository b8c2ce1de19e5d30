"""Our sockets, as each daemon of Postfix sees them.

The connection is made by the user that Postfix runs as, with his groups, in the chroot
that master.cf puts the daemon into, to the address that main.cf names there.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Final, cast

from stirmilter.config import Config
from stirmilter.doctor import asuser, milters
from stirmilter.doctor.handshake import Offer, handshake
from stirmilter.doctor.milters import Link, Milter
from stirmilter.doctor.postfix import Postfix
from stirmilter.errors import reason
from stirmilter.findings import Finding

_START: Final = "systemctl start stirmilter"
_FOLDER: Final = "systemd-tmpfiles --create stirmilter.conf"


def sockets(
    postfix: Postfix, config: Config, user: str, seconds: float
) -> Iterable[Finding]:
    """Connect as Postfix would, once for each way that it may.

    Args:
        postfix: as it is configured.
        config: ours.
        user: whom its daemons run as.
        seconds: for one connection and one answer.
    """
    if os.geteuid() != 0:
        text = "you are not root: looked as you, not as Postfix, and outside its chroot"
        yield Finding("warning", "socket", text, "sudo stirmilter doctor")
    tried = set()
    for link in milters.links(postfix, config):
        for milter in (*link.ours(), *link.meant()):
            way = (milter.address, link.service.chroot)
            if way in tried:
                continue
            tried.add(way)
            yield _tried(postfix, link, milter, user, seconds)


def _tried(
    postfix: Postfix, link: Link, milter: Milter, user: str, seconds: float
) -> Finding:
    chroot = link.service.chroot
    root = postfix.queue if chroot else None
    where = f"socket {milter.address} as {link.service.key} sees it"
    try:
        place = asuser.place(user, root, postfix.queue)
    except KeyError:
        remedy = postfix.set("mail_owner", "postfix")
        return Finding("error", where, f"no such user: {user}", remedy)
    try:
        # The child imports nothing any more: what it needs is there.
        answer = asuser.run(place, lambda: _visit(milter.address, seconds), seconds)
    except asuser.AsUserError as error:
        return Finding("error", where, str(error), _START)
    told = cast(dict[str, object], answer)
    if "offer" in told:
        return _answered(where, milter, Offer(*cast(list[int], told["offer"])))
    root = root if place.root else None
    return _unreachable(where, config_path(milter, postfix, root), told, user)


def _answered(where: str, milter: Milter, offer: Offer) -> Finding:
    problem = offer.problem()
    if problem:
        kind, _, rest = milter.address.partition(":")
        port = rest.rpartition(":")[2]
        remedy = (
            f"ss -xlp src {rest}" if kind == "unix" else f"ss -tlnp sport = :{port}"
        )
        return Finding("error", where, problem, remedy)
    return Finding("ok", where, f"answers, version {offer.version} of the protocol")


def config_path(milter: Milter, postfix: Postfix, root: Path | None) -> Path | None:
    """Return where an entry's socket lies outside of any chroot; None if nowhere."""
    seen = milter.seen(str(postfix.queue), chroot=root is not None)
    kind, _, path = seen.partition(":")
    return Path(path) if kind == "unix" else None


def _unreachable(
    where: str, path: Path | None, told: dict[str, object], user: str
) -> Finding:
    """Say what stands in the way, and the command that takes it away."""
    text = str(told["problem"])
    if path is None or told["kind"] in ("refused", "silent"):
        return Finding("error", where, text, _START)
    if told["kind"] == "missing":
        there = path.parent.is_dir()
        text += f": {path if there else path.parent}"
        return Finding("error", where, text, _START if there else _FOLDER)
    if told["kind"] == "denied":
        blocked = next((one for one in _upward(path) if _closed(one, user)), path)
        text += f": {blocked} is closed to {user}"
        if blocked == path:
            remedy = 'milter.socket_group = "postfix", milter.socket_mode = "0660"'
            return Finding(
                "error", where, text, f"{remedy}  # stirmilter.toml; restart"
            )
        return Finding(
            "error", where, text, f"chgrp {user} {blocked} && chmod g+x {blocked}"
        )
    return Finding("error", where, text, _START)


def _upward(path: Path) -> Iterable[Path]:
    return reversed(path.parents)


def _closed(folder: Path, user: str) -> bool:
    """Tell whether a folder lets a user through."""
    try:
        place = asuser.place(user)
        open_ = asuser.run(place, lambda: os.access(folder, os.X_OK), 1.0)
    except (KeyError, asuser.AsUserError):
        return False
    return not open_


def _visit(address: str, seconds: float) -> dict[str, object]:
    """Connect and shake hands; in the child."""
    kind, _, rest = address.partition(":")
    deadline = time.monotonic() + seconds
    try:
        with _connected(kind, rest, seconds) as connection:
            offer = handshake(connection, deadline)
    except (OSError, ValueError) as error:
        return {"kind": _kind(error), "problem": reason(error)}
    return {"offer": [offer.version, offer.actions, offer.steps]}


def _connected(kind: str, rest: str, seconds: float) -> socket.socket:
    if kind not in ("inet", "inet6"):
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(seconds)
        try:
            connection.connect(rest)
        except OSError:
            connection.close()
            raise
        return connection
    host, _, port = rest.rpartition(":")
    return socket.create_connection((host.strip("[]"), int(port)), seconds)


def _kind(error: Exception) -> str:
    kinds: dict[type[Exception], str] = {
        FileNotFoundError: "missing",
        NotADirectoryError: "missing",
        PermissionError: "denied",
        ConnectionRefusedError: "refused",
        TimeoutError: "silent",
    }
    return next((k for kind, k in kinds.items() if isinstance(error, kind)), "other")
