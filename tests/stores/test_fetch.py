"""What is fetched, and what is asked for it."""

import pytest

from stirmilter.errors import FetchError
from stirmilter.testca import TestCA
from tests.stores.fetchers import fetcher
from tests.stores.servers import CHAIN, OK, NameServer, WebServer, https, say


def test_fetches_a_chain_as_it_is_published(ca: TestCA) -> None:
    with ca.publish() as base:
        octets = fetcher(ca).get(f"{base}/one.pem").body

    assert octets == ca.files("one").chain.read_bytes()


@pytest.mark.conformance("C-12")
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
        found = fetcher(ca, names.resolver).get(f"https://localhost:{server.port}/")

    assert found.body == CHAIN


def test_tries_the_next_address_when_one_refuses(ca: TestCA, names: NameServer) -> None:
    names.addresses["localhost"] = ["127.0.0.2", "127.0.0.1", "127.0.0.3"]
    with https(ca, say(OK, b"\r\n", CHAIN)) as server:
        found = fetcher(ca, names.resolver).get(f"https://localhost:{server.port}/")

    assert found.body == CHAIN


def test_plain_http_is_for_the_laboratory(ca: TestCA) -> None:
    with WebServer(say(OK, b"\r\n", CHAIN), None) as server:
        found = fetcher(ca).get(f"http://127.0.0.1:{server.port}/")

    assert found.body == CHAIN


def test_takes_no_notice_of_a_proxy(
    ca: TestCA, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("https_proxy", "HTTPS_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")

    with ca.publish() as base:
        assert fetcher(ca).get(f"{base}/one.pem").body


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
@pytest.mark.conformance("C-15")
def test_reads_a_body_however_it_is_framed(
    ca: TestCA, pieces: tuple[bytes, ...]
) -> None:
    with https(ca, say(OK, *pieces)) as server:
        found = fetcher(ca).get(f"https://127.0.0.1:{server.port}/")

    assert found.body == CHAIN


@pytest.mark.parametrize(
    ("octets", "fits"),
    [pytest.param(64, True, id="at-the-limit"), pytest.param(65, False, id="beyond")],
)
@pytest.mark.conformance("C-12")
def test_a_body_may_be_as_long_as_the_limit(
    ca: TestCA, octets: int, fits: bool
) -> None:
    with https(ca, say(OK, b"\r\n", b"x" * octets)) as server:
        fetch = fetcher(ca, octets=64)
        try:
            found = len(fetch.get(f"https://127.0.0.1:{server.port}/").body or b"")
        except FetchError:
            found = None

    assert found == (octets if fits else None)
