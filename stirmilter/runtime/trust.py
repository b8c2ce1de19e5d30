"""Whom we trust: the anchors of STIR certificates."""

from __future__ import annotations

from cryptography import x509

from stirmilter.config import Config
from stirmilter.errors import ConfigError
from stirmilter.runtime.files import read
from stirmilter.stir import credential
from stirmilter.stir.result import Unverified


def anchors(config: Config) -> list[x509.Certificate]:
    """Read the certificates of ``verify.anchors``, or raise ConfigError."""
    found: list[x509.Certificate] = []
    for path in config.verify.anchors:
        where = f"{config.source}: verify.anchors"
        octets = read(config, path, where)
        try:
            found += credential.load_chain(octets, limit=len(octets))
        except Unverified as error:
            problem = f"{path}: {error.detail}; expected PEM certificates"
            raise ConfigError(where, problem) from None
    return found
