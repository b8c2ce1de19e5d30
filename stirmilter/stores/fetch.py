"""Fetching what a stranger's URL points at, from a host that may be hostile.

The URL is held to the narrow form that ATIS-1000074 allows and to the operator's lists,
the name is resolved once, every address is held against the special-purpose registries
(RFC 6890, RFC 8725 §3.10), and the connection goes to an address that was checked. No
redirect, cookie, proxy or content coding. One deadline covers the whole fetch.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, Literal

import dns.exception
import dns.resolver
import h11

from stirmilter.errors import FetchError, reason
from stirmilter.events import Fetched, Outcome
from stirmilter.stir.result import printable
from stirmilter.stores import urls
from stirmilter.stores.addresses import Address, is_public
from stirmilter.stores.deadline import Deadline
from stirmilter.stores.dial import UnreachableError, dial, in_turn
from stirmilter.stores.exchange import Request, exchange
from stirmilter.stores.hosts import HostGate, HostPolicy, key_of
from stirmilter.stores.names import Names
from stirmilter.stores.response import Response
from stirmilter.stores.unresolved import without_address
from stirmilter.stores.urls import HostSet, Target

Scheme = Literal["https", "http"]

NUMBERS: Final = "application/tnauthlist"
"""The media type of a TNAuthList (RFC 8226 §10.1)."""

HTTPS: Final[tuple[Scheme, ...]] = ("https",)
ANY: Final[tuple[Scheme, ...]] = ("https", "http")
"""For documents that are signed and that the caller verifies."""

_HTTP_PORT: Final = 80

# What a host answers for: that it does not answer in HTTP. For any answer, whatever its
# status, whoever chose the URL answers: a path that is not there, or is busy, must not
# silence a host, nor may a stranger's name that leads to its address.
_FAULTS: Final = (dns.exception.DNSException, OSError, h11.ProtocolError)
_FAULTS_OF_ADDRESS: Final = (TimeoutError, UnreachableError)


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchPolicy:
    """What a fetch may reach and what it may cost."""

    laboratory: bool = False
    """Also plain http, special-purpose addresses and any port. Never in production."""

    ports: frozenset[int] = frozenset({443, 8443})
    allow: HostSet = field(default_factory=HostSet.of)
    """Hosts as URLs write them; when there is any, no other is fetched from."""

    deny: HostSet = field(default_factory=HostSet.of)
    """Hosts that are never fetched from, and networks that no name may lead to."""

    seconds: float = 5.0
    """From the first wait to the last octet."""

    octets: int = 16_384
    """Greatest size of a body, unless the caller says otherwise."""

    header_octets: int = 16_384
    """Greatest size of an answer's header section."""

    interim: int = 16
    """Responses that only promise one (1xx) before an answer; with more, it is none."""

    addresses: int = 4
    """Addresses of a name that are tried; all are checked."""

    name_addresses: int = 32
    """Addresses that a name may have; one that has more is not fetched from."""

    hosts: HostPolicy = field(default_factory=HostPolicy)

    tls_ca: str | None = None
    """PEM file of the anchors for the web server's certificate; None is the system's.
    They have nothing to do with the anchors for STIR certificates."""


class Fetcher:
    """Gets URLs; safe to share between threads, and to fork before the first."""

    def __init__(
        self,
        policy: FetchPolicy,
        resolver: dns.resolver.Resolver | None = None,
        *,
        observe: Callable[[Fetched], None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Take the policy.

        Args:
            policy: what is allowed.
            resolver: one to use instead of the system's.
            observe: told of each fetch that got as far as a host's name.
            clock: seconds that never go back, for the rest of hosts.
            now: aware time, for the age of answers.

        Raises:
            OSError: ``tls_ca`` cannot be read.
        """
        self.policy = policy
        self._names = Names(resolver, most=policy.name_addresses)
        self._gate = HostGate(policy.hosts, clock)
        self._observers = [observe]
        self._now = now
        self._tls = ssl.create_default_context(cafile=policy.tls_ca)
        self._tls.minimum_version = ssl.TLSVersion.TLSv1_2
        # Python has OpenSSL take a line that was cut for a farewell: see `_secured`.
        self._tls.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF
        self._tls.set_alpn_protocols(["http/1.1"])

    def check(self, url: str, *, schemes: Collection[Scheme] = HTTPS) -> None:
        """Refuse a URL that `get` would refuse without asking the network.

        Raises:
            FetchError: as `get`.
        """
        self._target(url, schemes)

    def watch(self, observe: Callable[[Fetched], None]) -> None:
        """Have another one told of each fetch."""
        self._observers.append(observe)

    def get(
        self,
        url: str,
        *,
        etag: str = "",
        last_modified: str = "",
        octets: int | None = None,
        accept: str = "*/*",
        schemes: Collection[Scheme] = HTTPS,
    ) -> Response:
        """Return what is served at `url`.

        Args:
            url: ``https://host[:port]/path``.
            etag: of an earlier `Response`, to be told if nothing has changed.
            last_modified: likewise.
            octets: greatest size of the body, if not the policy's.
            accept: the Accept field.
            schemes: with ``"http"``, plain http to port 80 as well. For documents that
                are signed and that the caller verifies, such as CRLs; for certificates
                never, since only https says that a chain is the one of its URL.

        Raises:
            FetchError: not temporary when the URL or its address is one that we refuse.
        """
        started = time.monotonic()
        deadline = Deadline.after(self.policy.seconds)
        request = Request(
            target=self._target(url, schemes),
            accept=accept,
            octets=self.policy.octets if octets is None else octets,
            header_octets=self.policy.header_octets,
            interim=self.policy.interim,
            etag=etag,
            last_modified=last_modified,
        )
        host = request.target.host
        try:
            response = self._visit(request, deadline)
        except FetchError as error:
            seconds = time.monotonic() - started
            self._tell(Fetched(host, _outcome(error), 0, seconds, str(error)))
            raise
        outcome: Outcome = "unchanged" if response.body is None else "fetched"
        size = len(response.body or b"")
        self._tell(Fetched(host, outcome, size, time.monotonic() - started))
        return response

    def _tell(self, event: Fetched) -> None:
        for observe in self._observers:
            observe(event)

    def body(
        self, url: str, *, octets: int | None = None, accept: str = "*/*"
    ) -> bytes:
        """Return what is served at `url`, for whoever keeps no validators.

        Raises:
            FetchError: as `get`.
        """
        found = self.get(url, octets=octets, accept=accept).body
        assert found is not None  # noqa: S101 - 304 answers validators alone
        return found

    def _target(self, url: str, schemes: Collection[Scheme]) -> Target:
        """Take a URL apart, and refuse it for good if the policy does."""
        target = urls.parse(url)
        if not self.policy.laboratory:
            if target.scheme not in schemes:
                raise FetchError("only https is fetched", temporary=False)
            plain = target.scheme == "http"
            if target.port not in ({_HTTP_PORT} if plain else self.policy.ports):
                allowed = f"http: {_HTTP_PORT} alone" if plain else "fetch.ports"
                problem = f"port {target.port} is not allowed ({allowed})"
                raise FetchError(problem, temporary=False)
        if self.policy.allow and not self.policy.allow.has(target):
            raise FetchError(f"{target.host} is not in fetch.allow", temporary=False)
        if self.policy.deny.has(target):
            raise FetchError(f"{target.host} is in fetch.deny", temporary=False)
        if target.address is not None:
            self._check(target.address)
        return target

    def _check(self, address: Address) -> None:
        if self.policy.deny.holds(address):
            raise FetchError(f"address {address} is in fetch.deny", temporary=False)
        if not self.policy.laboratory and not is_public(address):
            raise FetchError(f"address {address} is not public", temporary=False)

    def _visit(self, request: Request, deadline: Deadline) -> Response:
        """Fetch, with a place at the host."""
        target = request.target
        good = self._gate.is_good(target.authority)
        try:
            with self._gate.enter([target.authority], deadline.left(), _FAULTS):
                addresses = self._addresses(target, deadline)
                return self._ask(request, addresses, deadline, excused=good)
        except _FAULTS as error:
            raise FetchError(f"{target.host}: {_why(error, target)}") from None

    def _addresses(self, target: Target, deadline: Deadline) -> list[Address]:
        """Look the name up, and check every address before any is connected to."""
        if target.address is not None:
            return [target.address]
        addresses = self._names.addresses(target.host, deadline)
        for address in addresses:
            self._check(address)
        return in_turn(addresses)[: self.policy.addresses]

    def _ask(
        self,
        request: Request,
        addresses: list[Address],
        deadline: Deadline,
        *,
        excused: bool,
    ) -> Response:
        """Connect to one of the addresses, and ask there.

        A name that was good when it was last asked is `excused` from resting because of
        the neighbours with which it shares an address.
        """
        port = request.target.port
        keys = {address: key_of(address, port) for address in addresses}
        with self._gate.enter(
            list(dict.fromkeys(keys.values())),
            deadline.left(),
            _FAULTS_OF_ADDRESS,
            excused=excused,
        ) as stay:
            nearby = [address for address in addresses if keys[address] in stay.keys]
            address, plain = dial(nearby, port, deadline)
            stay.only(keys[address])
            with self._secured(plain, request.target, deadline) as connection:
                return exchange(connection, request, deadline, self._now)

    def _secured(
        self, plain: socket.socket, target: Target, deadline: Deadline
    ) -> socket.socket:
        """Speak TLS, if the URL says so, to whoever proves to have its host's name.

        An end without TLS's own farewell is an error: where neither length nor chunks
        tell the end of a body, somebody on the way could else cut it (RFC 9112 §9.8).
        """
        if target.scheme == "http":
            return plain
        try:
            plain.settimeout(deadline.left())
            return self._tls.wrap_socket(
                plain, server_hostname=target.host, suppress_ragged_eofs=False
            )
        except BaseException:
            plain.close()
            raise


def _why(error: Exception, target: Target) -> str:
    """Say why there was no answer; of a name, at which of its addresses."""
    if isinstance(error, dns.exception.DNSException):
        return without_address(error)
    text = printable(reason(error))
    at = error.filename if isinstance(error, UnreachableError) else None
    return text if at in (None, str(target.address)) else f"{at}: {text}"


def _outcome(error: FetchError) -> Outcome:
    if not error.temporary:
        return "refused"
    return "failed" if error.again is None else "postponed"
