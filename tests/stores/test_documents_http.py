"""What HTTP says about keeping, from a real server over TLS to the next fetch."""

import socket
from threading import Event

import pytest

from stirmilter.stores.certificates import CertificateStore
from stirmilter.stores.documents import DocumentStore
from stirmilter.testca import TestCA
from tests.stores.fetchers import fetcher
from tests.stores.servers import OK, WebServer, https, say
from tests.stores.webs import Clock

HOUR = 3_600.0
DAY = 24 * HOUR
UNCHANGED = b"HTTP/1.1 304 Not Modified\r\n"


def url_of(server: WebServer) -> str:
    return f"https://127.0.0.1:{server.port}/one.pem"


@pytest.mark.conformance("C-13")
@pytest.mark.parametrize(
    ("header", "kept"),
    [
        pytest.param(b"", DAY, id="nothing"),
        pytest.param(b"Cache-Control: max-age=7200\r\n", 2 * HOUR, id="max-age"),
        pytest.param(b"Cache-Control: max-age=1\r\n", HOUR, id="short"),
        pytest.param(b"Cache-Control: max-age=99999999\r\n", 7 * DAY, id="long"),
    ],
)
def test_a_chain_is_kept_as_its_server_says_within_limits(
    ca: TestCA, header: bytes, kept: float
) -> None:
    chain, clock = ca.files("one").chain.read_bytes(), Clock()
    with https(ca, say(OK, header, b"\r\n", chain)) as server:
        store = CertificateStore(DocumentStore(fetcher(ca).get, clock=clock))
        found = []
        for pause in (0, kept - 1, 1):
            clock.now += pause
            store.chain(url_of(server))
            found.append(len(server.requests))

    assert found == [1, 1, 2]


@pytest.mark.conformance("C-13")
def test_a_chain_that_has_not_changed_is_confirmed_and_not_sent(ca: TestCA) -> None:
    chain, clock = ca.files("one").chain.read_bytes(), Clock()

    def answer(connection: socket.socket, _: Event) -> None:
        asked = b'If-None-Match: "1"\r\n' in server.requests[-1]
        head = UNCHANGED if asked else OK
        connection.sendall(head + b'ETag: "1"\r\n\r\n' + (b"" if asked else chain))
        sent.append(0 if asked else len(chain))

    sent: list[int] = []
    with https(ca, answer) as server:
        store = CertificateStore(DocumentStore(fetcher(ca).get, clock=clock))
        found = []
        for _ in range(3):
            found.append(store.chain(url_of(server)))
            clock.now += DAY

    assert sent == [len(chain), 0, 0]
    assert all(one is found[0] for one in found)


def test_an_old_chain_serves_while_its_server_is_down(ca: TestCA) -> None:
    chain, clock = ca.files("one").chain.read_bytes(), Clock()
    store = CertificateStore(DocumentStore(fetcher(ca).get, clock=clock))
    with https(ca, say(OK, b"\r\n", chain)) as server:
        first = store.chain(url_of(server))

    clock.now += DAY

    assert store.chain(url_of(server)) is first
