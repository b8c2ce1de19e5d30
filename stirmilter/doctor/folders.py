"""Files and folders, as the daemon's user sees them; nothing is created to find out.

The usual fault is a command that was once run as root: what it made belongs to root,
and the daemon, weeks later, cannot write.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, cast

from stirmilter.config import Config
from stirmilter.doctor import asuser
from stirmilter.findings import Finding
from stirmilter.runtime import keys
from stirmilter.stores import tokenuri

_SECONDS: Final = 5.0
_MEBIBYTE: Final = 1 << 20
_SPARE: Final = 64  # mebibytes for the stores beside the journal
_LEAST: Final = 16  # mebibytes, below which nothing can be relied on
_SUFFIXES: Final = ("", "-wal", "-shm")  # of SQLite's files


def folders(config: Config, user: str) -> Iterable[Finding]:
    """Look at what is read and written, with the eyes of the daemon's user."""
    try:
        place = asuser.place(user)
    except KeyError:
        text = f"no such user: {user}; looked as you"
        yield Finding("warning", "files", text, "systemd-sysusers")
        place = asuser.Place()
    readable = dict(_read(config))
    written = dict(_written(config))
    try:
        faults = cast(
            list[list[str]],
            asuser.run(place, lambda: _faults(readable, written), _SECONDS),
        )
    except asuser.AsUserError as error:
        yield Finding("error", "files", str(error))
        return
    for setting, kind, path in faults:
        yield _fault(setting, kind, Path(path), user)
    if not faults:
        text = f"{user} reads what it must, and writes its state"
        yield Finding("ok", "files", text)
    yield from _modes(config)
    yield from space(config)


def space(config: Config) -> Iterable[Finding]:
    """Look whether what may still be written has room."""
    path = config.journal.path
    journal = config.folder / path if path else None
    for folder in {file.parent for _, file in _written(config)}:
        if not folder.is_dir():
            continue
        need = _SPARE
        if journal is not None and journal.parent == folder:
            size = journal.stat().st_size if journal.exists() else 0
            need += max(0, config.journal.megabytes - size // _MEBIBYTE)
        yield _room(folder, need)


def _room(folder: Path, need: int) -> Finding:
    found = os.statvfs(folder)
    free = found.f_bavail * found.f_frsize // _MEBIBYTE
    subject = f"disk: {folder}"
    if free < _LEAST or (found.f_files and not found.f_favail):
        what = f"{free} MiB free" if free < _LEAST else "no inodes free"
        text = f"{what}: replay keys and evidence cannot be kept"
        return Finding("error", subject, text, f"df -h {folder}; df -i {folder}")
    if free < need:
        text = f"{free} MiB free, and {need} MiB may still be written"
        remedy = f"journal.megabytes = {max(4, free // 2)}  # stirmilter.toml"
        return Finding("warning", subject, text, remedy)
    return Finding("ok", subject, f"{free} MiB free")


def _read(config: Config) -> Iterator[tuple[str, Path]]:
    """Yield the files that a start or a reload reads, by their settings."""
    yield str(config.source), Path(config.source)
    for index, block in enumerate(config.signer):
        where = f"signer.{index}"
        yield f"{where}.chain", config.folder / block.chain
        yield from _secret(config, f"{where}.key", block.key)
        for pattern in block.numbers:
            if pattern.startswith("@"):
                yield f"{where}.numbers {pattern}", config.folder / pattern[1:]
    for where, paths in (
        ("verify.anchors", config.verify.anchors),
        ("revocation.crl_issuers", config.revocation.crl_issuers),
        *((f"trust.{i}.anchors", one.anchors) for i, one in enumerate(config.trust)),
    ):
        for path in paths:
            yield f"{where} {path}", config.folder / path
    if config.fetch.tls_ca is not None:
        yield "fetch.tls_ca", config.folder / config.fetch.tls_ca
    if config.dkim.key:
        yield from _secret(config, "dkim.key", config.dkim.key)


def _secret(config: Config, where: str, source: str) -> Iterator[tuple[str, Path]]:
    """Yield a key that is a file; the others are handed over, or in a token."""
    if not source.startswith((keys.CREDENTIAL, tokenuri.SCHEME)):
        yield where, config.folder / source


def _written(config: Config) -> Iterator[tuple[str, Path]]:
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


def _faults(
    readable: dict[str, Path], written: dict[str, Path]
) -> list[tuple[str, str, str]]:
    """Return setting, kind and path of what cannot be; in the child."""
    found = []
    for setting, path in readable.items():
        if (closed := _closed(path)) is not None:
            found.append((setting, "enter", str(closed)))
        elif path.exists() and not os.access(path, os.R_OK):
            found.append((setting, "read", str(path)))
    for setting, path in written.items():
        folder = path.parent
        if (closed := _closed(path)) is not None:
            found.append((setting, "enter", str(closed)))
            continue
        if not folder.is_dir():
            found.append((setting, "missing", str(folder)))
        elif not os.access(folder, os.W_OK | os.X_OK):
            found.append((setting, "create", str(folder)))
        for suffix in _SUFFIXES:
            file = Path(f"{path}{suffix}")
            if file.exists() and not os.access(file, os.R_OK | os.W_OK):
                found.append((setting, "write", str(file)))
    return found


def _closed(path: Path) -> Path | None:
    """Return the first folder above that lets nobody through."""
    for folder in reversed(path.absolute().parents):
        try:
            there = folder.is_dir()
        except OSError:
            return folder.parent
        if there and not os.access(folder, os.X_OK):
            return folder
    return None


def _fault(setting: str, kind: str, path: Path, user: str) -> Finding:
    text = {
        "enter": f"{user} may not enter {path}",
        "read": f"{user} may not read {path}",
        "missing": f"{path}: there is no such folder",
        "create": f"{user} may not write in {path}",
        "write": f"{user} may not write {path}: was a command run as root?",
    }[kind]
    remedy = {
        "enter": f"chgrp {user} {path} && chmod g+x {path}",
        "read": f"chgrp {user} {path} && chmod g+r {path}",
        "missing": f"install -d -m 750 -o {user} -g {user} {path}",
        "create": f"chown {user}: {path} && chmod u+rwx {path}",
        "write": f"chown {user}: {path} && chmod u+rw {path}",
    }[kind]
    return Finding("error", f"files: {setting}", text, remedy)


def _modes(config: Config) -> Iterable[Finding]:
    """Find files by which others could decide what is signed or believed."""
    for setting, path in _read(config):
        for one in (path, path.parent):
            try:
                mode = one.stat().st_mode
            except OSError:
                continue
            open_ = mode & stat.S_IWOTH and not (
                stat.S_ISDIR(mode) and mode & stat.S_ISVTX
            )
            if open_:
                text = (
                    f"{one} has mode {stat.S_IMODE(mode):04o}: everybody may change it"
                )
                yield Finding("error", f"files: {setting}", text, f"chmod o-w {one}")
