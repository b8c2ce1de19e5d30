"""Fetching what an x5u points at, from a host that may be hostile.

The URL comes from a stranger's message, so it is held to the narrow form that ATIS-
1000074 allows, the name is resolved once, every address is held against the
special-purpose registries (RFC 6890, RFC 8725 §3.10), and the connection goes to the
address that was checked. No redirect, cookie, proxy or content coding. One deadline
covers the whole fetch; h11 frames the answer because it does no I/O of its own, so that
not even headers that drip octet by octet can outlive it.
"""

from __future__ import annotations

import re
import socket
import ssl
import time
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
)
from typing import Final

import dns.exception
import dns.resolver
import h11

from stirmilter.errors import FetchError
from stirmilter.stores.response import Response

Address = IPv4Address | IPv6Address

_URL: Final = re.compile(
    r"(?P<scheme>https?)://"
    r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?)"
    r"(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<path>/[A-Za-z0-9._~!$&'()*+,=:@%/-]*)?",
    re.ASCII,
)
_LABEL: Final = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)", re.ASCII)
_PORTS: Final = 65_535
_SPECIAL_V4: Final = tuple(
    IPv4Network(network)
    for network in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.31.196.0/24",
        "192.52.193.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "192.175.48.0/24",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/3",
    )
)
_GLOBAL_V6: Final = IPv6Network("2000::/3")
_SPECIAL_V6: Final = tuple(
    IPv6Network(network)
    for network in (
        "2001::/23",
        "2001:db8::/32",
        "2002::/16",  # 6to4 leads to any IPv4 address
        "2620:4f:8000::/48",
        "3fff::/20",
    )
)
_CHUNK: Final = 16_384
_OK: Final = 200
_NOT_MODIFIED: Final = 304


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchPolicy:
    """What a fetch may reach and what it may cost."""

    laboratory: bool = False
    """Also plain http, special-purpose addresses and any port. Never in production."""

    ports: frozenset[int] = frozenset({443, 8443})
    seconds: float = 5.0
    """From the name look-up to the last octet."""

    octets: int = 16_384
    """Greatest size of a body."""

    tls_ca: str | None = None
    """PEM file of the anchors for the web server's certificate; None is the system's.
    They have nothing to do with the anchors for STIR certificates."""


@dataclass(frozen=True, slots=True)
class _Target:
    secure: bool
    host: str
    port: int
    path: str


class Fetcher:
    """Gets one URL at a time; safe to share between threads."""

    def __init__(
        self, policy: FetchPolicy, resolver: dns.resolver.Resolver | None = None
    ) -> None:
        """Take the policy, and a resolver other than the system's, if any."""
        self.policy = policy
        self._resolver = resolver
        self._tls = ssl.create_default_context(cafile=policy.tls_ca)
        self._tls.minimum_version = ssl.TLSVersion.TLSv1_2

    def get(
        self,
        url: str,
        *,
        etag: str = "",
        last_modified: str = "",
        octets: int | None = None,
        accept: str = "*/*",
    ) -> Response:
        """Return what is served at `url`, unless the validators say that it is known.

        Raises:
            FetchError: not temporary when the URL or its address is one that we refuse.
        """
        deadline = time.monotonic() + self.policy.seconds
        headers = [("Accept", accept)]
        if etag:
            headers.append(("If-None-Match", etag))
        if last_modified:
            headers.append(("If-Modified-Since", last_modified))
        target = self._parse(url)
        try:
            addresses = self._resolve(target.host, deadline)
            for address in addresses:
                self._check(address)
            with self._connect(target, addresses, deadline) as connection:
                return self._exchange(connection, target, deadline, headers, octets)
        except (
            dns.exception.DNSException,
            OSError,
            ValueError,  # dnspython, over a resolv.conf that it cannot read
            h11.ProtocolError,
        ) as error:
            text = str(error) or type(error).__name__
            raise FetchError(f"{target.host}: {text}") from None

    def check(self, url: str) -> None:
        """Refuse a URL that `get` would refuse without asking the network.

        Raises:
            FetchError: as `get`.
        """
        self._parse(url)

    def _parse(self, url: str) -> _Target:
        match = _URL.fullmatch(url)
        if match is None:
            raise FetchError("x5u: not https://host/path alone", temporary=False)
        secure = match["scheme"] == "https"
        port = int(match["port"] or (443 if secure else 80))
        if not self.policy.laboratory:
            if not secure:
                raise FetchError("x5u: only https is fetched", temporary=False)
            if port not in self.policy.ports:
                raise FetchError(f"x5u: port {port} is not allowed", temporary=False)
        host = match["host"].strip("[]")
        if port > _PORTS or not _is_host(host):
            raise FetchError("x5u: no such host or port", temporary=False)
        return _Target(secure, host, port, match["path"] or "/")

    def _resolve(self, host: str, deadline: float) -> list[Address]:
        try:
            return [ip_address(host)]
        except ValueError:
            pass
        resolver = self._resolver or dns.resolver.get_default_resolver()
        answers = resolver.resolve_name(host, lifetime=_remaining(deadline))
        return [ip_address(text) for text in answers.addresses()]

    def _check(self, address: Address) -> None:
        if not self.policy.laboratory and not is_public(address):
            raise FetchError(f"x5u: address {address} is not public", temporary=False)

    def _connect(
        self, target: _Target, addresses: Iterable[Address], deadline: float
    ) -> socket.socket:
        """Connect to the first address that answers; the name is not looked up again.

        Raises:
            OSError: none did, or the certificate is not for the name.
        """
        failure = OSError("the name has no address")
        for address in addresses:
            try:
                plain = socket.create_connection(
                    (str(address), target.port), _remaining(deadline)
                )
            except OSError as error:
                failure = error
                continue
            if not target.secure:
                return plain
            try:
                plain.settimeout(_remaining(deadline))
                return self._tls.wrap_socket(plain, server_hostname=target.host)
            except BaseException:
                plain.close()
                raise
        raise failure

    def _exchange(
        self,
        connection: socket.socket,
        target: _Target,
        deadline: float,
        headers: list[tuple[str, str]],
        limit: int | None,
    ) -> Response:
        limit = limit or self.policy.octets
        http = h11.Connection(h11.CLIENT, max_incomplete_event_size=_CHUNK)
        host = f"[{target.host}]" if ":" in target.host else target.host
        request = h11.Request(
            method="GET",
            target=target.path,
            headers=[
                ("Host", f"{host}:{target.port}"),
                *headers,
                ("User-Agent", "stirmilter"),
                ("Connection", "close"),
            ],
        )
        octets = http.send(request) + http.send(h11.EndOfMessage())
        connection.settimeout(_remaining(deadline))
        connection.sendall(octets)
        body = bytearray()
        answer: h11.Response | None = None
        while True:
            event = http.next_event()
            if event is h11.NEED_DATA:
                connection.settimeout(_remaining(deadline))
                http.receive_data(connection.recv(_CHUNK))
            elif isinstance(event, h11.Response):
                _check_response(event, conditional=len(headers) > 1)
                answer = event
            elif isinstance(event, h11.Data):
                body += event.data
                if len(body) > limit:
                    raise FetchError(f"more than {limit} octets")
            elif isinstance(event, h11.EndOfMessage) and answer is not None:
                return _response(answer, bytes(body))
            elif isinstance(event, h11.ConnectionClosed):
                raise FetchError("the server closed the connection")


def is_public(address: Address) -> bool:
    """Tell whether an address may belong to a certificate repository on the Internet.

    `ipaddress` itself will not do: to it the addresses of NAT64 and 6to4, which lead to
    private IPv4 ones, are global. For IPv6 everything outside 2000::/3 is refused, the
    mapped and translated forms of IPv4 with it.
    """
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _SPECIAL_V4)
    return address in _GLOBAL_V6 and not any(address in n for n in _SPECIAL_V6)


def _is_host(text: str) -> bool:
    """Tell a name or an address from what only some programs take for one (0x7f.1)."""
    try:
        ip_address(text)
    except ValueError:
        labels = text.split(".")
        return all(map(_LABEL.fullmatch, labels)) and not labels[-1][0].isdigit()
    return True


def _response(answer: h11.Response, body: bytes) -> Response:
    """Keep of an answer what a cache needs (RFC 9111 §4.2)."""
    fields = {name: value.decode("latin-1") for name, value in answer.headers}
    age = re.search(r"max-age=([0-9]{1,9})", fields.get(b"cache-control", ""))
    return Response(
        body=None if answer.status_code == _NOT_MODIFIED else body,
        etag=fields.get(b"etag", ""),
        last_modified=fields.get(b"last-modified", ""),
        lifetime=float(age[1]) if age else None,
    )


def _check_response(response: h11.Response, *, conditional: bool) -> None:
    if response.status_code == _NOT_MODIFIED and conditional:
        return
    if response.status_code != _OK:
        # A redirect too: it would move the trust in a URL that was signed elsewhere.
        raise FetchError(f"status {response.status_code}")
    for name, value in response.headers:
        if name == b"content-encoding" and value.strip().lower() != b"identity":
            raise FetchError("a content coding that was not asked for")


def _remaining(deadline: float) -> float:
    """Return the seconds left, for the next operation that may block."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("the time for a fetch is used up")
    return left
