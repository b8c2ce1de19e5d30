"""Our own credentials, from the files that the configuration names."""

from __future__ import annotations

from pathlib import Path

from stirmilter.config import Config
from stirmilter.errors import ConfigError, FetchError
from stirmilter.runtime import keys
from stirmilter.runtime.files import number_set, read
from stirmilter.services import Signer
from stirmilter.stir import identity
from stirmilter.stir.result import Unverified
from stirmilter.stir.tn import NumberSet
from stirmilter.stores import tokenuri
from stirmilter.stores.fetch import Fetcher


def files(config: Config, index: int) -> tuple[Path, ...]:
    """Name the files of a signer that may change while the daemon runs."""
    section = config.signer[index]
    chain = config.folder / section.chain
    if section.key.startswith(tokenuri.SCHEME):
        return (chain,)
    return keys.path_of(config, section.key, f"signer.{index}.key"), chain


def signer(
    config: Config, index: int, fetcher: Fetcher, numbers: NumberSet | None = None
) -> Signer:
    """Load one signer and refuse what could not sign (A-14).

    Args:
        config: as loaded.
        index: of its block.
        fetcher: knows which URLs may be fetched.
        numbers: what it serves, if that has been read before.
    """
    section = config.signer[index]
    where = f"{config.source}: signer.{index} ({section.name})"
    key = keys.key(config, section.key, f"{where}.key")
    chain = read(config, section.chain, f"{where}.chain")
    try:
        fetcher.check(section.x5u)
    except FetchError as error:
        raise ConfigError(f"{where}.x5u", f"{section.x5u}: {error}") from None
    if len(section.x5u) > identity.X5U_LENGTH:
        problem = (
            f"longer than {identity.X5U_LENGTH} characters: no header line has room"
        )
        raise ConfigError(f"{where}.x5u", problem)
    if numbers is None:
        numbers = number_set(config, section.numbers, f"{where}.numbers")
    try:
        return Signer.load(
            name=section.name,
            key=key,
            chain=chain,
            x5u=section.x5u,
            numbers=numbers,
            domains=section.domains,
            certificates=config.limits.certificates,
        )
    except Unverified as error:
        problem = f"{section.chain}: {error}; expected PEM certificates, signer first"
        raise ConfigError(f"{where}.chain", problem) from None
    except ValueError as error:
        raise ConfigError(f"{where}.key", f"{section.key}: {error}") from None
