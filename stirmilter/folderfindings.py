"""Folders that the daemon writes in, and what to do when one is not there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from stirmilter.config import Config
from stirmilter.findings import Finding

_USER: Final = "stirmilter"
_UNSEEN: Final = "its folder does not exist"
_OURS: Final = Path("/var/spool/postfix/stirmilter")
"""What the package has systemd make, whenever the machine starts."""


def folder_findings(config: Config) -> Iterable[Finding]:
    """Look for the folders of sockets and state; whose they are, `doctor` sees."""
    for setting, path in written(config):
        if path.parent.is_dir():
            continue
        remedy = make(path.parent, _USER, _USER)
        if setting.endswith(".store"):
            yield Finding("error", setting, f"{path}: {_UNSEEN}", remedy)
        else:
            lost = ": no evidence is kept" if setting == "journal.path" else ""
            yield Finding("warning", setting, f"{path}: {_UNSEEN}{lost}", remedy)
    for address in config.milter.sockets:
        kind, _, socket = address.partition(":")
        folder = Path(socket).parent
        if kind == "unix" and not folder.is_dir():
            remedy = make(folder, _USER, config.milter.socket_group or _USER)
            yield Finding("error", "milter.sockets", f"{socket}: {_UNSEEN}", remedy)


def written(config: Config) -> Iterator[tuple[str, Path]]:
    """Yield the files that the daemon writes, by their settings."""
    for where, store in (
        ("replay.store", config.replay.store),
        ("fetch.store", config.fetch.store),
    ):
        if store.startswith("sqlite:"):
            yield where, config.folder / store.removeprefix("sqlite:")
    if config.journal.path:
        yield "journal.path", config.folder / config.journal.path
    if config.signer:
        yield "sign.proofs", config.folder / config.sign.proofs


def make(folder: Path, user: str, group: str) -> str:
    """Return the command that makes a folder as the daemon needs it."""
    if folder == _OURS:
        return "systemd-tmpfiles --create stirmilter.conf"
    return f"install -d -m 750 -o {user} -g {group} {folder}"
