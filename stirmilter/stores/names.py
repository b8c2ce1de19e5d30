"""From a host name to its addresses, once, and before the deadline.

The name is asked for as it stands: no search domain is appended, and the answer of one
look-up is all that is ever used, since a second could be another (DNS rebinding).
"""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path

import dns.exception
import dns.name
import dns.resolver

from stirmilter.errors import FetchError, StoreError
from stirmilter.stores.addresses import Address
from stirmilter.stores.deadline import Deadline
from stirmilter.stores.resolvconf import SYSTEM, ResolvConf


class Names:
    """Asks the system's name servers, or others; safe to share between threads."""

    def __init__(
        self,
        resolver: dns.resolver.Resolver | None = None,
        path: Path = SYSTEM,
        *,
        most: int = 32,
    ) -> None:
        """Take a resolver to use instead of the system's, if any.

        Args:
            resolver: one to use instead.
            path: ``resolv.conf``.
            most: addresses that a name may have; each is looked at.
        """
        self._given = resolver
        self._most = most
        self._file = ResolvConf(path)

    def addresses(self, host: str, deadline: Deadline) -> list[Address]:
        """Return every address of a name, of IPv4 and of IPv6.

        Each kind may take half of the time that is left, so that a name server which
        is silent about one of them does not take the other away.

        Raises:
            dns.exception.DNSException: the name has none, or nobody says so in time.
            FetchError: it has more than any repository needs, or there is no usable
                ``resolv.conf``.
            TimeoutError: no time is left.
        """
        resolver = self._given or self._system()
        name = dns.name.from_text(host)  # ends in the root: no search domain
        found: list[Address] = []
        failure: dns.exception.DNSException | None = None
        for kind in ("A", "AAAA"):
            seconds = deadline.left() / 2
            try:
                answer = resolver.resolve(name, kind, lifetime=seconds)
            except dns.resolver.NXDOMAIN:
                raise
            except dns.exception.DNSException as error:
                failure = failure or error
                continue
            found += [ip_address(record.address) for record in answer]
        if len(found) > self._most:
            raise FetchError(f"{len(found)} addresses, at most {self._most}")
        if not found and failure is not None:
            raise failure
        return found

    def _system(self) -> dns.resolver.Resolver:
        """Return the resolver of the system's file as it is now."""
        try:
            return self._file.resolver()
        except StoreError as error:
            raise FetchError(str(error)) from None
