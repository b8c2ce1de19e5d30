"""Fetching from hosts that lie, dawdle, flood and point elsewhere.

The servers are real ones on loopback: https with the certificate of the test CA, and
DNS. Where a test must show that nothing was connected to, or where to, the door to the
network is watched instead: no test leaves this machine.
"""

import socket
import socketserver
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from ipaddress import ip_address
from threading import Event, Thread
from typing import Self

import dns.message
import dns.rcode
import dns.rdatatype
import dns.resolver
import dns.rrset
import pytest

from stirmilter.errors import FetchError
from stirmilter.stores.fetch import Fetcher, FetchPolicy, is_public
from stirmilter.testca import TestCA

PUBLIC = "93.184.216.34"
PUBLIC_V6 = "2606:2800:220:1:248:1893:25c8:1946"
URL = "https://certs.example/a.pem"
CHAIN = b"-----BEGIN CERTIFICATE-----\n"
OK = b"HTTP/1.1 200 OK\r\n"
TOO_LATE = r"timed out|time for a fetch"
POLL = 0.005
TICK = 0.05
PATIENCE = 60  # ticks: 3 s, far beyond every deadline here

Answer = Callable[[socket.socket, Event], None]


def say(*pieces: bytes) -> Answer:
    """Answer at once, and close."""

    def answer(connection: socket.socket, _: Event) -> None:
        for piece in pieces:
            connection.sendall(piece)

    return answer


def drip(begin: bytes, drop: bytes, end: bytes) -> Answer:
    """Answer a drop at a time. In the end the answer is a good one."""

    def answer(connection: socket.socket, stopped: Event) -> None:
        connection.sendall(begin)
        for _ in range(PATIENCE):
            if stopped.wait(TICK):
                return
            connection.sendall(drop)
        connection.sendall(end)

    return answer


def silence(_: socket.socket, stopped: Event) -> None:
    """Keep the connection, and say nothing."""
    stopped.wait(TICK * PATIENCE)


class WebServer:
    """Does as it is told to each client, and keeps what they said."""

    def __init__(self, answer: Answer, context: ssl.SSLContext | None) -> None:
        self.connections = 0
        self.requests: list[bytes] = []
        self._answer = answer
        self._context = context
        self._stopped = Event()
        owner = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                owner.connections += 1
                with suppress(OSError):
                    owner.serve(self.request)

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self.port: int = self._server.server_address[1]

    def serve(self, connection: socket.socket) -> None:
        if self._context is not None:
            connection = self._context.wrap_socket(connection, server_side=True)
        with connection:
            if self._answer is not silence:
                request = b""
                while b"\r\n\r\n" not in request:
                    octets = connection.recv(4096)
                    if not octets:
                        return
                    request += octets
                self.requests.append(request)
            self._answer(connection, self._stopped)

    def __enter__(self) -> Self:
        self._thread = Thread(target=self._server.serve_forever, args=(POLL,))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class NameServer:
    """Answers from `addresses`, keeps the questions, is silent about ``silent.``."""

    def __init__(self) -> None:
        self.addresses: dict[str, list[str]] = {}
        self.queries: list[tuple[str, str]] = []
        owner = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                octets, door = self.request
                answer = owner.answer(dns.message.from_wire(octets))
                if answer is not None:
                    door.sendto(answer.to_wire(), self.client_address)

        self.server = socketserver.UDPServer(("127.0.0.1", 0), Handler)
        self.resolver = dns.resolver.Resolver(configure=False)
        self.resolver.nameservers = ["127.0.0.1"]
        self.resolver.port = self.server.server_address[1]

    def answer(self, query: dns.message.Message) -> dns.message.Message | None:
        [question] = query.question
        name = question.name.to_text(omit_final_dot=True)
        kind = dns.rdatatype.to_text(question.rdtype)
        self.queries.append((name, kind))
        if name.startswith("silent."):
            return None
        response = dns.message.make_response(query)
        if name not in self.addresses:
            response.set_rcode(dns.rcode.NXDOMAIN)
        found = [
            a for a in self.addresses.get(name, []) if (":" in a) == (kind == "AAAA")
        ]
        if found:
            response.answer.append(
                dns.rrset.from_text_list(question.name, 60, "IN", kind, found)
            )
        return response


@pytest.fixture
def names() -> Iterator[NameServer]:
    name_server = NameServer()
    thread = Thread(target=name_server.server.serve_forever, args=(POLL,))
    thread.start()
    yield name_server
    name_server.server.shutdown()
    thread.join()
    name_server.server.server_close()


@pytest.fixture
def dialled(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """List the addresses that were connected to; behind each stands a refusal."""
    calls: list[tuple[str, int]] = []

    def create_connection(address: tuple[str, int], *_: object) -> socket.socket:
        calls.append(address)
        raise ConnectionRefusedError(f"{address[0]} is out of bounds")

    monkeypatch.setattr(socket, "create_connection", create_connection)
    return calls


@contextmanager
def https(ca: TestCA, answer: Answer) -> Iterator[WebServer]:
    """Serve over TLS, as 127.0.0.1 and as localhost."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(ca.folder / "tls.pem", ca.folder / "tls.key")
    with WebServer(answer, context) as server:
        yield server


def fetcher(
    ca: TestCA,
    resolver: dns.resolver.Resolver | None = None,
    *,
    seconds: float = 5.0,
    octets: int = 65_536,
) -> Fetcher:
    """Make a fetcher that may go to loopback, and trusts the test CA's web server."""
    policy = FetchPolicy(
        laboratory=True, seconds=seconds, octets=octets, tls_ca=str(ca.tls_ca)
    )
    return Fetcher(policy, resolver)


def production(names: NameServer) -> Fetcher:
    """Make a fetcher as it is without a laboratory."""
    return Fetcher(FetchPolicy(), names.resolver)


# What is fetched


def test_fetches_a_chain_as_it_is_published(ca: TestCA) -> None:
    with ca.publish() as base:
        octets = fetcher(ca).get(f"{base}/one.pem")

    assert octets == ca.files("one").chain.read_bytes()


def test_asks_once_for_one_thing_and_says_nothing_about_us(ca: TestCA) -> None:
    with https(ca, say(OK, b"Content-Length: 1\r\n\r\nx")) as server:
        fetcher(ca).get(f"https://127.0.0.1:{server.port}/a/b.pem")

        [request] = server.requests
    lines = request.decode().split("\r\n")
    assert lines[0] == "GET /a/b.pem HTTP/1.1"
    assert {line.partition(":")[0].lower() for line in lines[1:-2]} == {
        "host",
        "accept",
        "user-agent",
        "connection",
    }
    assert f"Host: 127.0.0.1:{server.port}" in lines


def test_finds_the_host_by_its_name(ca: TestCA, names: NameServer) -> None:
    names.addresses["localhost"] = ["127.0.0.1"]
    with https(ca, say(OK, b"\r\n", CHAIN)) as server:
        octets = fetcher(ca, names.resolver).get(f"https://localhost:{server.port}/")

    assert octets == CHAIN


def test_tries_the_next_address_when_one_refuses(ca: TestCA, names: NameServer) -> None:
    names.addresses["localhost"] = ["127.0.0.2", "127.0.0.1", "127.0.0.3"]
    with https(ca, say(OK, b"\r\n", CHAIN)) as server:
        octets = fetcher(ca, names.resolver).get(f"https://localhost:{server.port}/")

    assert octets == CHAIN


def test_plain_http_is_for_the_laboratory(ca: TestCA) -> None:
    with WebServer(say(OK, b"\r\n", CHAIN), None) as server:
        octets = fetcher(ca).get(f"http://127.0.0.1:{server.port}/")

    assert octets == CHAIN


def test_takes_no_notice_of_a_proxy(
    ca: TestCA, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("https_proxy", "HTTPS_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")

    with ca.publish() as base:
        assert fetcher(ca).get(f"{base}/one.pem")


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param((b"Content-Length: 28\r\n\r\n", CHAIN), id="length"),
        pytest.param((b"\r\n", CHAIN), id="until-the-connection-closes"),
        pytest.param(
            (b"Transfer-Encoding: chunked\r\n\r\n1c\r\n", CHAIN, b"\r\n0\r\n\r\n"),
            id="chunks",
        ),
        pytest.param((b"Content-Encoding: identity\r\n\r\n", CHAIN), id="no-coding"),
        pytest.param((b"Content-Type: text/html\r\n\r\n", CHAIN), id="any-type"),
    ],
)
def test_reads_a_body_however_it_is_framed(
    ca: TestCA, pieces: tuple[bytes, ...]
) -> None:
    with https(ca, say(OK, *pieces)) as server:
        assert fetcher(ca).get(f"https://127.0.0.1:{server.port}/") == CHAIN


@pytest.mark.parametrize(
    ("octets", "fits"),
    [pytest.param(64, True, id="at-the-limit"), pytest.param(65, False, id="beyond")],
)
def test_a_body_may_be_as_long_as_the_limit(
    ca: TestCA, octets: int, fits: bool
) -> None:
    with https(ca, say(OK, b"\r\n", b"x" * octets)) as server:
        fetch = fetcher(ca, octets=64)
        try:
            found = len(fetch.get(f"https://127.0.0.1:{server.port}/"))
        except FetchError:
            found = None

    assert found == (octets if fits else None)


# What a host may do to us


@pytest.mark.parametrize(
    ("pieces", "problem"),
    [
        pytest.param(
            (b"HTTP/1.1 301 Moved\r\nLocation: https://127.0.0.1/\r\n\r\n",),
            "status 301",
            id="redirect",
        ),
        pytest.param(
            (b"HTTP/1.1 404 Not Found\r\n\r\n",), "status 404", id="not-found"
        ),
        pytest.param((b"HTTP/1.1 500 Oops\r\n\r\n",), "status 500", id="server-error"),
        pytest.param((b"HTTP/1.1 204 Nothing\r\n\r\n",), "status 204", id="no-content"),
        pytest.param(
            (b"HTTP/1.1 206 Part\r\n\r\n", CHAIN), "status 206", id="part-of-it"
        ),
        pytest.param(
            (OK, b"Content-Length: 10000000\r\n\r\n", bytes(10_000_000)),
            "more than 65536 octets",
            id="ten-megabytes",
        ),
        pytest.param(
            (
                OK,
                b"Transfer-Encoding: chunked\r\n\r\n",
                b"4000\r\n%s\r\n" % bytes(0x4000) * 99,
            ),
            "more than 65536 octets",
            id="chunks-without-end",
        ),
        pytest.param(
            (OK, b"X-Filler: y\r\n" * 100_000),
            "127.0.0.1: ",
            id="header-without-end",
        ),
        pytest.param(
            (OK, b"Content-Encoding: gzip\r\n\r\n", b"\x1f\x8b"),
            "content coding",
            id="gzip",
        ),
        pytest.param(
            (OK, b"Content-Length: 9\r\n\r\n", b"short"), "127.0.0.1: ", id="cut-short"
        ),
        pytest.param(
            (OK, b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx"),
            "127.0.0.1: ",
            id="two-lengths",
        ),
        pytest.param((b"\x16\x03\x01 hello",), "127.0.0.1: ", id="no-http"),
        pytest.param((), "127.0.0.1: ", id="nothing"),
        pytest.param((b"HTTP/1.1 100 Continue\r\n\r\n",), "127.0.0.1: ", id="promise"),
    ],
)
def test_a_bad_answer_is_a_temporary_failure(
    ca: TestCA, pieces: tuple[bytes, ...], problem: str
) -> None:
    with (
        https(ca, say(*pieces)) as server,
        pytest.raises(FetchError) as caught,
    ):
        fetcher(ca).get(f"https://127.0.0.1:{server.port}/a.pem")

    assert problem in str(caught.value)
    assert caught.value.temporary
    assert server.connections == 1


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(silence, id="silence"),
        pytest.param(drip(OK, b"X-Drop: y\r\n", b"\r\n"), id="header-line-by-line"),
        pytest.param(
            drip(OK + b"X-Drop: ", b"y", b"\r\n\r\n"), id="header-octet-by-octet"
        ),
        pytest.param(
            drip(b"", b"HTTP/1.1 100 Continue\r\n\r\n", OK + b"\r\n"),
            id="promises-without-end",
        ),
        pytest.param(drip(OK + b"\r\n", b"x", b""), id="body-octet-by-octet"),
        pytest.param(
            drip(
                OK + b"Transfer-Encoding: chunked\r\n\r\n",
                b"1\r\nx\r\n",
                b"0\r\n\r\n",
            ),
            id="chunk-by-chunk",
        ),
    ],
)
def test_no_host_outlives_the_deadline(ca: TestCA, answer: Answer) -> None:
    with (
        https(ca, answer) as server,
        pytest.raises(FetchError, match=TOO_LATE) as caught,
    ):
        fetcher(ca, seconds=0.5).get(f"https://127.0.0.1:{server.port}/")

    assert caught.value.temporary


def test_without_any_time_nothing_is_asked(
    ca: TestCA, dialled: list[tuple[str, int]]
) -> None:
    with pytest.raises(FetchError, match="time for a fetch is used up"):
        fetcher(ca, seconds=0).get("https://127.0.0.1/")

    assert dialled == []


def test_a_handshake_that_never_ends_does_not_outlive_the_deadline(ca: TestCA) -> None:
    with (
        WebServer(silence, None) as server,
        pytest.raises(FetchError, match=TOO_LATE),
    ):
        fetcher(ca, seconds=0.5).get(f"https://127.0.0.1:{server.port}/")


def test_a_name_server_that_never_answers_does_not_outlive_the_deadline(
    ca: TestCA, names: NameServer
) -> None:
    with pytest.raises(FetchError, match=r"silent\.example: .*lifetime") as caught:
        fetcher(ca, names.resolver, seconds=0.5).get("https://silent.example/")

    assert caught.value.temporary


def test_a_connection_refused_is_a_temporary_failure(ca: TestCA) -> None:
    with socket.create_server(("127.0.0.1", 0)) as bound:
        port = bound.getsockname()[1]

    with pytest.raises(FetchError, match="refused") as caught:
        fetcher(ca).get(f"https://127.0.0.1:{port}/")

    assert caught.value.temporary


@pytest.mark.parametrize(
    ("trust", "host"),
    [
        pytest.param("tls_ca", "certs.example", id="another-name"),
        pytest.param("anchors", "localhost", id="the-anchors-of-stir"),
        pytest.param(None, "localhost", id="the-anchors-of-the-system"),
    ],
)
def test_a_web_server_must_prove_its_name(
    ca: TestCA, names: NameServer, trust: str | None, host: str
) -> None:
    names.addresses[host] = ["127.0.0.1"]
    tls_ca = str(getattr(ca, trust)) if trust else None
    fetch = Fetcher(FetchPolicy(laboratory=True, tls_ca=tls_ca), names.resolver)

    with (
        https(ca, say(OK, b"\r\n", CHAIN)) as server,
        pytest.raises(FetchError, match="CERTIFICATE_VERIFY_FAILED") as caught,
    ):
        fetch.get(f"https://{host}:{server.port}/")

    assert caught.value.temporary
    assert server.requests == []


# What is never asked


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("http://certs.example/a.pem", id="http"),
        pytest.param("ftp://certs.example/a.pem", id="ftp"),
        pytest.param("file:///etc/passwd", id="file"),
        pytest.param("//certs.example/a.pem", id="no-scheme"),
        pytest.param("certs.example/a.pem", id="neither-scheme-nor-slashes"),
        pytest.param("https:///a.pem", id="no-host"),
        pytest.param("https://:443/a.pem", id="port-alone"),
        pytest.param("https://alice@certs.example/a.pem", id="user"),
        pytest.param("https://alice:secret@certs.example/a.pem", id="password"),
        pytest.param("https://certs.example@127.0.0.1/", id="name-as-a-user"),
        pytest.param("https://certs.example/a.pem?b=c", id="query"),
        pytest.param("https://certs.example?b", id="query-without-a-path"),
        pytest.param("https://certs.example/a.pem#b", id="fragment"),
        pytest.param("https://certs.example/a.pem;b=c", id="path-parameter"),
        pytest.param("https://certs.example:444/a.pem", id="another-port"),
        pytest.param("https://certs.example:80/a.pem", id="port-of-http"),
        pytest.param("https://certs.example:0/a.pem", id="port-zero"),
        pytest.param("https://certs.example:65979/a.pem", id="port-beyond-16-bits"),
        pytest.param("https://certs.example:/a.pem", id="empty-port"),
        pytest.param("https://certs.example:+443/a.pem", id="signed-port"),
        pytest.param("https://certs.example:\uff14\uff14\uff13/", id="fullwidth-port"),
        pytest.param("https://certs.example./a.pem", id="final-dot"),
        pytest.param("https://-certs.example/a.pem", id="leading-hyphen"),
        pytest.param("https://certs_.example/a.pem", id="underscore"),
        pytest.param("https://%31%32%37.0.0.1/", id="percent-encoded-host"),
        pytest.param("https://b\u00fccher.example/a.pem", id="host-outside-ascii"),
        pytest.param("https://certs\u3002example/a.pem", id="ideographic-full-stop"),
        pytest.param("https://certs.example/\u00fc.pem", id="path-outside-ascii"),
        pytest.param("https://certs.example/a b.pem", id="space"),
        pytest.param(" https://certs.example/a.pem", id="space-before"),
        pytest.param("https://certs.example/a.pem\n", id="line-end-behind"),
        pytest.param("https://certs.example/a\r\nX: y", id="line-end-inside"),
        pytest.param("https://certs.example\\@127.0.0.1/", id="backslash"),
        pytest.param("https://certs.example\x00/", id="nul"),
        pytest.param("https://[::1/", id="bracket-never-closed"),
        pytest.param("https://[fe80::1%25lo]/", id="zone"),
        pytest.param("https://[::1]a/", id="words-behind-an-address"),
        pytest.param("", id="nothing"),
    ],
)
def test_a_url_of_another_form_is_refused_for_good(
    names: NameServer, dialled: list[tuple[str, int]], url: str
) -> None:
    fetch = production(names)

    with pytest.raises(FetchError, match="x5u") as fetched:
        fetch.get(url)
    with pytest.raises(FetchError, match="x5u") as checked:
        fetch.check(url)

    assert not fetched.value.temporary
    assert not checked.value.temporary
    assert names.queries == []
    assert dialled == []


@pytest.mark.parametrize(
    "host",
    [
        pytest.param("2130706433", id="decimal"),
        pytest.param("0x7f000001", id="hexadecimal"),
        pytest.param("0177.0.0.1", id="octal"),
        pytest.param("127.1", id="short"),
        pytest.param("0", id="zero"),
        pytest.param("127.0.0.256", id="octet-beyond-255"),
        pytest.param("[1:2]", id="half-an-address"),
        pytest.param("certs..example", id="empty-label"),
        pytest.param("a" * 64 + ".example", id="label-of-64-octets"),
    ],
)
def test_a_host_that_is_no_name_and_no_address_is_refused_for_good(
    names: NameServer, dialled: list[tuple[str, int]], host: str
) -> None:
    with pytest.raises(FetchError) as caught:
        production(names).get(f"https://{host}/a.pem")

    assert dialled == []
    assert names.queries == []
    assert not caught.value.temporary


@pytest.mark.parametrize(
    "url",
    [
        pytest.param(URL, id="plain"),
        pytest.param("https://certs.example", id="no-path"),
        pytest.param("https://certs.example:8443/a.pem", id="second-port"),
        pytest.param(
            "https://certs.example:443/a.pem", id="port-that-goes-without-saying"
        ),
        pytest.param("https://xn--bcher-kva.example/%C3%BC.pem", id="encoded"),
        pytest.param(
            "https://a-1.b.example/~a/b_c.d+e,f=g:h@i!$&'()*", id="every-character"
        ),
        pytest.param(f"https://[{PUBLIC_V6}]/a.pem", id="ipv6-literal"),
        pytest.param(f"https://{PUBLIC}/a.pem", id="ipv4-literal"),
    ],
)
def test_a_url_of_the_narrow_form_is_accepted(names: NameServer, url: str) -> None:
    production(names).check(url)

    assert names.queries == []


def test_other_ports_can_be_allowed() -> None:
    fetch = Fetcher(FetchPolicy(ports=frozenset({444})))

    fetch.check("https://certs.example:444/a.pem")
    with pytest.raises(FetchError, match="port 443"):
        fetch.check(URL)


@pytest.mark.parametrize(
    "host",
    [
        pytest.param("127.0.0.1", id="loopback"),
        pytest.param("10.0.0.1", id="private"),
        pytest.param("169.254.169.254", id="cloud-metadata"),
        pytest.param("[::1]", id="ipv6-loopback"),
        pytest.param("[::ffff:127.0.0.1]", id="mapped"),
        pytest.param("[127.0.0.1]", id="ipv4-in-brackets"),
    ],
)
def test_an_address_that_is_not_public_is_refused_for_good(
    names: NameServer, dialled: list[tuple[str, int]], host: str
) -> None:
    with pytest.raises(FetchError, match="not public") as caught:
        production(names).get(f"https://{host}/a.pem")

    assert not caught.value.temporary
    assert dialled == []


@pytest.mark.parametrize(
    "addresses",
    [
        pytest.param(["10.0.0.1"], id="private"),
        pytest.param(["127.0.0.1"], id="loopback"),
        pytest.param(["::1"], id="ipv6-loopback"),
        pytest.param(["::ffff:10.0.0.1"], id="mapped"),
        pytest.param([PUBLIC, "10.0.0.1"], id="public-then-private"),
        pytest.param(["10.0.0.1", PUBLIC], id="private-then-public"),
        pytest.param([PUBLIC, "fd00::1"], id="public-ipv4-and-private-ipv6"),
        pytest.param([PUBLIC_V6, "192.168.0.1"], id="public-ipv6-and-private-ipv4"),
    ],
)
def test_a_name_with_one_private_address_is_refused_for_good(
    names: NameServer, dialled: list[tuple[str, int]], addresses: list[str]
) -> None:
    names.addresses["certs.example"] = addresses

    with pytest.raises(FetchError, match="not public") as caught:
        production(names).get(URL)

    assert not caught.value.temporary
    assert dialled == []


def test_connects_to_the_addresses_that_were_checked(
    names: NameServer, dialled: list[tuple[str, int]]
) -> None:
    """By address, after one look-up: a second could be answered otherwise."""
    names.addresses["certs.example"] = [PUBLIC, PUBLIC_V6]

    with pytest.raises(FetchError, match="out of bounds") as caught:
        production(names).get("https://certs.example:8443/a.pem")

    assert caught.value.temporary
    assert sorted(dialled) == [(PUBLIC_V6, 8443), (PUBLIC, 8443)]
    assert sorted(names.queries) == [("certs.example", "A"), ("certs.example", "AAAA")]


@pytest.mark.parametrize(
    "known", [pytest.param(False, id="unknown"), pytest.param(True, id="no-address")]
)
def test_a_name_without_an_address_is_a_temporary_failure(
    names: NameServer, dialled: list[tuple[str, int]], known: bool
) -> None:
    if known:
        names.addresses["certs.example"] = []

    with pytest.raises(FetchError, match="certs") as caught:
        production(names).get(URL)

    assert caught.value.temporary
    assert dialled == []


@pytest.mark.parametrize(
    "address",
    [
        pytest.param("0.0.0.0", id="this-host"),  # noqa: S104 - an address to refuse
        pytest.param("0.1.2.3", id="this-network"),
        pytest.param("10.255.255.255", id="private-10"),
        pytest.param("100.64.0.1", id="carrier-nat"),
        pytest.param("100.127.255.255", id="end-of-carrier-nat"),
        pytest.param("127.0.0.1", id="loopback"),
        pytest.param("127.255.255.254", id="end-of-loopback"),
        pytest.param("169.254.169.254", id="link-local"),
        pytest.param("172.16.0.1", id="private-172"),
        pytest.param("172.31.255.255", id="end-of-private-172"),
        pytest.param("192.0.0.8", id="ietf-protocols"),
        pytest.param("192.0.2.1", id="documentation-1"),
        pytest.param("192.31.196.1", id="as112-v4"),
        pytest.param("192.52.193.1", id="amt"),
        pytest.param("192.88.99.1", id="6to4-relay"),
        pytest.param("192.168.255.255", id="private-192"),
        pytest.param("192.175.48.1", id="direct-delegation-as112"),
        pytest.param("198.18.0.1", id="benchmarking"),
        pytest.param("198.19.255.255", id="end-of-benchmarking"),
        pytest.param("198.51.100.1", id="documentation-2"),
        pytest.param("203.0.113.1", id="documentation-3"),
        pytest.param("224.0.0.1", id="multicast"),
        pytest.param("239.255.255.255", id="end-of-multicast"),
        pytest.param("240.0.0.1", id="reserved"),
        pytest.param("255.255.255.255", id="broadcast"),
        pytest.param("::", id="ipv6-unspecified"),
        pytest.param("::1", id="ipv6-loopback"),
        pytest.param("::127.0.0.1", id="ipv4-compatible"),
        pytest.param("::ffff:93.184.216.34", id="ipv4-mapped"),
        pytest.param("64:ff9b::7f00:1", id="nat64"),
        pytest.param("64:ff9b:1::1", id="local-nat64"),
        pytest.param("100::1", id="discard-only"),
        pytest.param("2001::1", id="teredo"),
        pytest.param("2001:2::1", id="ipv6-benchmarking"),
        pytest.param("2001:20::1", id="orchid-2"),
        pytest.param("2001:db8::1", id="ipv6-documentation"),
        pytest.param("2002:7f00:1::", id="6to4"),
        pytest.param("2620:4f:8000::1", id="as112-v6"),
        pytest.param("3fff::1", id="ipv6-documentation-2"),
        pytest.param("4000::1", id="not-yet-assigned"),
        pytest.param("5f00::1", id="segment-routing"),
        pytest.param("fc00::1", id="unique-local"),
        pytest.param("fdff::1", id="end-of-unique-local"),
        pytest.param("fe80::1", id="ipv6-link-local"),
        pytest.param("fec0::1", id="site-local"),
        pytest.param("ff02::1", id="ipv6-multicast"),
        pytest.param("ff0e::1", id="global-multicast"),
    ],
)
def test_is_not_public(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize(
    "address",
    [
        "1.1.1.1",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "192.167.255.255",
        "198.20.0.0",
        "223.255.255.255",
        PUBLIC,
        "2001:200::1",
        "2400:cb00::1",
        "2a00::1",
        "3ffe::1",
        PUBLIC_V6,
    ],
)
def test_is_public(address: str) -> None:
    assert is_public(ip_address(address))
