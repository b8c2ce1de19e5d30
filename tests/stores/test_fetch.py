"""What is fetched, and what is asked for it."""

import pytest

from stirmilter.errors import FetchError
from stirmilter.events import Fetched
from stirmilter.stores.fetch import Fetcher, FetchPolicy
from stirmilter.testca import TestCA
from tests.stores.fetchers import bodies, fetcher
from tests.stores.servers import (
    CHAIN,
    OK,
    UNCHANGED,
    NameServer,
    WebServer,
    break_off,
    https,
    in_order,
    say,
)


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
        fetch = fetcher(ca, names.resolver)
        octets = fetch.get(f"https://localhost:{server.port}/").body

    assert octets == CHAIN


def test_tries_the_next_address_when_one_refuses(ca: TestCA, names: NameServer) -> None:
    names.addresses["localhost"] = ["127.0.0.2", "127.0.0.1", "127.0.0.3"]
    with https(ca, say(OK, b"\r\n", CHAIN)) as server:
        fetch = fetcher(ca, names.resolver)
        octets = fetch.get(f"https://localhost:{server.port}/").body

    assert octets == CHAIN


def test_plain_http_is_for_the_laboratory(ca: TestCA) -> None:
    with WebServer(say(OK, b"\r\n", CHAIN), None) as server:
        octets = fetcher(ca).get(f"http://127.0.0.1:{server.port}/").body

    assert octets == CHAIN


def test_takes_no_notice_of_a_proxy(
    ca: TestCA, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("https_proxy", "HTTPS_PROXY", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
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
        found = fetcher(ca).get(f"https://127.0.0.1:{server.port}/").body

    assert found == CHAIN


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
            found = len(bodies(fetch)(f"https://127.0.0.1:{server.port}/"))
        except FetchError:
            found = None

    assert found == (octets if fits else None)


@pytest.mark.conformance("C-12")
def test_a_cookie_is_not_kept(ca: TestCA) -> None:
    with https(ca, say(OK, b"Set-Cookie: a=b; Secure\r\n\r\n", CHAIN)) as server:
        fetch = fetcher(ca)
        for _ in range(2):
            fetch.get(f"https://127.0.0.1:{server.port}/")

        assert len(server.requests) == 2
    assert b"cookie" not in b"".join(server.requests).lower()


def test_promises_before_an_answer_are_passed_over(ca: TestCA) -> None:
    promises = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 16
    with https(ca, say(promises, OK, b"\r\n", CHAIN)) as server:
        found = fetcher(ca).get(f"https://127.0.0.1:{server.port}/").body

    assert found == CHAIN


def test_a_caller_may_expect_more_octets_than_a_chain_has(ca: TestCA) -> None:
    with https(ca, say(OK, b"\r\n", bytes(100_000))) as server:
        fetch = fetcher(ca, octets=64)
        url = f"https://127.0.0.1:{server.port}/"

        found = fetch.get(url, octets=100_000).body
        with pytest.raises(FetchError, match="more than 99999 octets"):
            fetch.get(url, octets=99_999)

    assert found == bytes(100_000)


def test_a_caller_may_want_another_type(ca: TestCA) -> None:
    with https(ca, say(OK, b"\r\n", CHAIN)) as server:
        url = f"https://127.0.0.1:{server.port}/"
        fetcher(ca).get(url, accept="application/pkix-crl")

        [request] = server.requests
    assert b"\r\nAccept: application/pkix-crl\r\n" in request


def test_only_the_announced_octets_are_the_body(ca: TestCA) -> None:
    """What comes behind them would be another answer, which nobody asked for."""
    with https(ca, say(OK, b"Content-Length: 5\r\n\r\n", CHAIN)) as server:
        found = fetcher(ca).get(f"https://127.0.0.1:{server.port}/").body

    assert found == CHAIN[:5]


def test_the_end_of_the_announced_octets_needs_no_farewell(ca: TestCA) -> None:
    answer = break_off(OK, b"Content-Length: 28\r\n\r\n", CHAIN)
    with https(ca, answer) as server:
        found = fetcher(ca).get(f"https://127.0.0.1:{server.port}/").body

    assert found == CHAIN


def test_octets_of_any_kind_are_a_body(ca: TestCA) -> None:
    body = bytes(range(256))
    with https(ca, say(OK, b"\r\n", body)) as server:
        assert fetcher(ca).get(f"https://127.0.0.1:{server.port}/").body == body


def test_a_good_answer_after_garbage_is_a_good_answer(ca: TestCA) -> None:
    answers = in_order(say(b"\x00\x01\x02"), say(OK, b"\r\n", CHAIN))
    with https(ca, answers) as server:
        fetch = fetcher(ca)
        url = f"https://127.0.0.1:{server.port}/"
        with pytest.raises(FetchError):
            fetch.get(url)

        assert fetch.get(url).body == CHAIN


@pytest.mark.parametrize(
    "host", [pytest.param("LocalHost", id="name"), pytest.param("127.0.0.1", id="ip")]
)
def test_the_name_of_the_url_is_the_name_of_the_certificate(
    ca: TestCA, names: NameServer, host: str
) -> None:
    names.addresses["localhost"] = ["127.0.0.1"]
    with https(ca, say(OK, b"\r\n", CHAIN)) as server:
        fetch = fetcher(ca, names.resolver)
        found = fetch.get(f"https://{host}:{server.port}/").body

        [request] = server.requests
    assert found == CHAIN
    assert f"\r\nHost: {host.lower()}:{server.port}\r\n".encode() in request


def test_every_fetch_is_told_of(ca: TestCA, names: NameServer) -> None:
    told: list[Fetched] = []
    names.addresses["private.example"] = ["10.0.0.1"]
    fetch = Fetcher(FetchPolicy(), names.resolver, observe=told.append)
    for url in ("https://private.example/", "https://nowhere.example/", "gopher:"):
        with pytest.raises(FetchError):
            fetch.get(url)
    policy = FetchPolicy(laboratory=True, tls_ca=str(ca.tls_ca))
    fetch = Fetcher(policy, observe=told.append)
    answers = in_order(say(OK, b"\r\n", CHAIN), say(UNCHANGED, b"\r\n"))
    with https(ca, answers) as server:
        url = f"https://127.0.0.1:{server.port}/"
        fetch.get(url)
        fetch.get(url, etag='"a"')

    assert [(event.host, event.outcome, event.octets) for event in told] == [
        ("private.example", "refused", 0),
        ("nowhere.example", "failed", 0),
        ("127.0.0.1", "fetched", len(CHAIN)),
        ("127.0.0.1", "unchanged", 0),
    ]
    assert [bool(event.detail) for event in told] == [True, True, False, False]
    assert all(event.seconds > 0 for event in told)
