"""Where private keys come from: files, systemd's credentials, tokens."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

from stirmilter.config import Config
from stirmilter.errors import ConfigError, reason
from stirmilter.services.signer import Keyring
from stirmilter.stores import tokenuri
from stirmilter.stores.tokenuri import TokenURI

CREDENTIAL: Final = "credential:"

HANDED: Final = Path("/run/credentials/stirmilter.service")
"""Where systemd keeps what our unit is handed, while it runs; root may read it."""

_OCTETS: Final = 65_536  # far more than any key or PIN


def key(config: Config, source: str, where: str) -> bytes | Keyring:
    """Read a private key, or prepare to find it in a token.

    Args:
        config: relative paths begin at its folder.
        source: a path, ``credential:NAME`` or a ``pkcs11:`` URI (RFC 7512).
        where: dotted path of the setting.

    Raises:
        ConfigError: there is none, or others may read it.
    """
    if source.startswith(tokenuri.SCHEME):
        return _keyring(config, source, where)
    return secret(config, source, where)


def secret(config: Config, source: str, where: str) -> bytes:
    """Read a file that is nobody else's business.

    The file that a symbolic link leads to counts, not the link: who may write to it, or
    to its folder, chooses what we read.

    Raises:
        ConfigError: it cannot be read, or is not ours alone.
    """
    path = path_of(config, source, where)
    try:
        # A FIFO would keep us waiting for whoever writes to it.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb") as file:  # noqa: PTH123 - the file that was opened
            found = os.fstat(descriptor)
            _check_mode(source, found, where)
            _check_folder(source, path.resolve().parent, where)
            return file.read(_OCTETS)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise ConfigError(where, f"{source}: {reason(error)}") from None


def path_of(config: Config, source: str, where: str) -> Path:
    """Return the file that a source names.

    Raises:
        ConfigError: systemd has handed no credentials to this process.
    """
    name = source.removeprefix(CREDENTIAL)
    if name == source:
        return config.folder / source
    if not name or "/" in name or name.startswith("."):
        raise ConfigError(where, f"{source}: expected credential:NAME")
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    if folder is not None:
        return Path(folder) / name
    # A command that was typed looks at what the daemon has.
    if HANDED.is_dir():
        return HANDED / name
    raise ConfigError(
        where,
        f"{source}: systemd has handed us no credentials; add to the unit:"
        f" LoadCredential={name}:/path/of/the/file, and start it: commands see what it"
        " has while it runs",
    )


def _check_mode(source: str, found: os.stat_result, where: str) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise ConfigError(where, f"{source}: not a file")
    if found.st_mode & (stat.S_IROTH | stat.S_IWOTH | stat.S_IWGRP):
        raise ConfigError(
            where,
            f"{source} has mode {stat.S_IMODE(found.st_mode):04o}: others may read or"
            " change it; chmod 0640 or 0600",
        )


def _check_folder(source: str, folder: Path, where: str) -> None:
    mode = folder.stat().st_mode
    if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
        raise ConfigError(
            where, f"{source}: everybody may put files into {folder}; chmod o-w"
        )


def _keyring(config: Config, source: str, where: str) -> Keyring:
    try:
        from stirmilter.stores.pkcs11 import TokenKey  # noqa: PLC0415 - optional
    except ImportError:
        raise ConfigError(
            where, 'a key in a token needs: pip install "stirmilter[pkcs11]"'
        ) from None
    try:
        uri = TokenURI.parse(source)
    except ValueError as error:
        raise ConfigError(where, f"{tokenuri.SCHEME} {error}") from None
    pin = secret(config, uri.pin_source.removeprefix("file:"), f"{where} (pin-source)")
    text = pin.decode("utf-8", "replace").strip("\r\n")
    return lambda public_key: TokenKey(uri, public_key, text, config.sign.token_seconds)
