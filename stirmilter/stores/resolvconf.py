"""The name servers of this machine, as its file names them now."""

from __future__ import annotations

from pathlib import Path
from threading import Lock
from typing import Final

import dns.exception
import dns.resolver

from stirmilter.errors import StoreError

SYSTEM: Final = Path("/etc/resolv.conf")
PATIENCE: Final = 1.0
"""Seconds for one name server, before the next is asked."""


class ResolvConf:
    """Reads ``resolv.conf`` again when it changes; safe between threads.

    This process may have been started before the network was, and lives for months.
    """

    def __init__(self, path: Path = SYSTEM, patience: float = PATIENCE) -> None:
        """Take the file, and the seconds for one of its servers."""
        self._path = path
        self._patience = patience
        self._lock = Lock()
        self._read: tuple[tuple[int, int, int], dns.resolver.Resolver] | None = None

    def resolver(self) -> dns.resolver.Resolver:
        """Return the resolver of the file as it is now.

        Raises:
            StoreError: there is no such file, or it is of no use.
        """
        try:
            stat = self._path.stat()
            state = (stat.st_mtime_ns, stat.st_ino, stat.st_size)
            with self._lock:
                if self._read is None or self._read[0] != state:
                    self._read = (state, self._load())
                return self._read[1]
        # ValueError: dnspython, over a file that it cannot make sense of.
        except (OSError, ValueError, dns.exception.DNSException) as error:
            raise StoreError(f"{self._path}: {error}") from None

    def _load(self) -> dns.resolver.Resolver:
        resolver = dns.resolver.Resolver(str(self._path))
        # A dead server at the top of the file must leave time for the next.
        resolver.timeout = min(resolver.timeout, self._patience)
        return resolver
