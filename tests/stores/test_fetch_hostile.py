"""Fetching from hosts that lie, dawdle and flood: a failure, and in time."""

import gzip
import ssl
import warnings
from datetime import timedelta

import pytest

from stirmilter.demo.postfix import free_port
from stirmilter.errors import FetchError
from stirmilter.stores.fetch import Fetcher, FetchPolicy
from stirmilter.testca import TestCA, issuing
from tests.laboratory import NOW
from tests.stores.fetchers import fetcher
from tests.stores.servers import (
    CHAIN,
    OK,
    Answer,
    NameServer,
    WebServer,
    break_off,
    drip,
    https,
    reset,
    say,
    silence,
)

TOO_LATE = r"timed out|time for a fetch"


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
            "more than 16384 octets of header",
            id="header-without-end",
        ),
        pytest.param(
            (OK, b"Content-Encoding: gzip\r\n\r\n", b"\x1f\x8b"),
            "content coding",
            id="gzip",
        ),
        pytest.param(
            (OK, b"Content-Encoding: gzip\r\nContent-Encoding: identity\r\n\r\n"),
            "content coding",
            id="two-codings",
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
        pytest.param((), "closed the connection without an answer", id="nothing"),
        pytest.param(
            (b"HTTP/1.1 100 Continue\r\n\r\n",),
            "closed the connection without an answer",
            id="promise",
        ),
        pytest.param(
            (b"HTTP/1.1 100 Continue\r\n\r\n" * 100, OK, b"\r\n", CHAIN),
            "promised an answer",
            id="a-hundred-promises",
        ),
        pytest.param(
            (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",),
            "127.0.0.1: ",
            id="another-protocol",
        ),
        pytest.param(
            (OK, b"Content-Length: 65537\r\n\r\n"),
            "more than 65536 octets",
            id="announces-too-much",
        ),
        pytest.param(
            (OK, b"Content-Length: -1\r\n\r\n", CHAIN), "127.0.0.1: ", id="negative"
        ),
        pytest.param(
            (OK, b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n", CHAIN),
            "127.0.0.1: ",
            id="length-of-5000-digits",
        ),
        pytest.param(
            (
                OK,
                b"Content-Length: 28\r\nTransfer-Encoding: chunked\r\n\r\n",
                b"1c\r\n",
                CHAIN,
                b"\r\n0\r\n\r\n",
            ),
            "two lengths",
            id="length-and-chunks",
        ),
        pytest.param(
            (
                OK,
                b"Transfer-Encoding: chunked\r\n\r\n",
                b"1;%s\r\nx\r\n" % (b"y" * 10_000) * 100,
            ),
            "more octets around the body",
            id="chunks-with-long-extensions",
        ),
        pytest.param(
            (OK, b"Transfer-Encoding: chunked\r\n\r\n", b"zz\r\n"),
            "127.0.0.1: ",
            id="chunk-of-no-length",
        ),
        pytest.param(
            (OK, b"Transfer-Encoding: gzip, chunked\r\n\r\n", b"0\r\n\r\n"),
            "127.0.0.1: ",
            id="gzip-on-the-way",
        ),
        pytest.param(
            (OK, b"Content-Encoding: gzip\r\n\r\n", gzip.compress(bytes(50_000_000))),
            "content coding",
            id="gzip-bomb",
        ),
        pytest.param((OK, b"X: a\x00b\r\n\r\n", CHAIN), "127.0.0.1: ", id="nul"),
        pytest.param((bytes(20_000),), "127.0.0.1: ", id="nuls-alone"),
        pytest.param((CHAIN,), "127.0.0.1: ", id="chain-without-http"),
        pytest.param(
            (b"HTTP/2 200 OK\r\n\r\n", CHAIN), "127.0.0.1: ", id="another-version"
        ),
        pytest.param(
            (OK, b"\x1b[2J\r\n\r\n"), r"127.0.0.1: illegal", id="escape-sequence"
        ),
    ],
)
@pytest.mark.conformance("C-10", "C-12")
def test_a_bad_answer_is_a_temporary_failure(
    ca: TestCA, pieces: tuple[bytes, ...], problem: str
) -> None:
    with (
        https(ca, say(*pieces)) as server,
        pytest.raises(FetchError) as caught,
    ):
        fetcher(ca).get(f"https://127.0.0.1:{server.port}/a.pem")

    assert problem in str(caught.value)
    assert str(caught.value).isascii()
    assert str(caught.value).isprintable()
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
@pytest.mark.conformance("C-12", "O-04")
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


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(silence, id="silence"),
        # A record that is to hold 16 000 octets of a handshake.
        pytest.param(drip(b"\x16\x03\x03\x3e\x80", b"\x02", b""), id="drip"),
    ],
)
def test_a_handshake_that_never_ends_does_not_outlive_the_deadline(
    ca: TestCA, answer: Answer
) -> None:
    with (
        WebServer(answer, None, listens=False) as server,
        pytest.raises(FetchError, match=TOO_LATE),
    ):
        fetcher(ca, seconds=0.5).get(f"https://127.0.0.1:{server.port}/")


@pytest.mark.conformance("C-12", "O-04")
def test_a_name_server_that_never_answers_does_not_outlive_the_deadline(
    ca: TestCA, names: NameServer
) -> None:
    with pytest.raises(FetchError, match=r"answers in time|time for a fetch") as caught:
        fetcher(ca, names.resolver, seconds=0.5).get("https://silent.example/")

    assert caught.value.temporary


def test_a_connection_refused_is_a_temporary_failure(ca: TestCA) -> None:
    with pytest.raises(FetchError) as caught:
        fetcher(ca).get(f"https://127.0.0.1:{free_port()}/")

    assert caught.value.temporary
    assert str(caught.value) == "127.0.0.1: Connection refused"


def test_the_address_that_refused_is_named_with_its_host(
    ca: TestCA, names: NameServer
) -> None:
    names.addresses["certs.example"] = ["127.0.0.2"]

    with pytest.raises(FetchError) as caught:
        fetcher(ca, names.resolver).get(f"https://certs.example:{free_port()}/")

    assert str(caught.value) == "certs.example: 127.0.0.2: Connection refused"


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


def test_a_certificate_of_the_web_that_has_expired_is_refused(ca: TestCA) -> None:
    authority = issuing.web_server(ca._load("tls-ca"), NOW - timedelta(days=4000))
    issuing.write(ca.folder, "tls-expired", authority)

    with (
        https(ca, say(OK, b"\r\n", CHAIN), "tls-expired") as server,
        pytest.raises(FetchError, match="certificate has expired") as caught,
    ):
        fetcher(ca).get(f"https://127.0.0.1:{server.port}/")

    assert caught.value.temporary
    assert server.requests == []


def test_tls_of_old_is_refused(ca: TestCA) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    context.load_cert_chain(ca.folder / "tls.pem", ca.folder / "tls.key")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1

    with (
        WebServer(say(OK, b"\r\n", CHAIN), context) as server,
        pytest.raises(FetchError, match="PROTOCOL_VERSION"),
    ):
        fetcher(ca).get(f"https://127.0.0.1:{server.port}/")


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(reset(), id="before-the-answer"),
        pytest.param(reset(OK), id="in-the-header"),
        pytest.param(reset(OK, b"\r\n", CHAIN), id="in-a-body-without-length"),
        pytest.param(
            reset(OK, b"Content-Length: 99\r\n\r\n", CHAIN), id="in-a-body-with-length"
        ),
    ],
)
def test_a_reset_is_a_temporary_failure(ca: TestCA, answer: Answer) -> None:
    with (
        https(ca, answer) as server,
        pytest.raises(FetchError, match=r"reset|EOF") as caught,
    ):
        fetcher(ca).get(f"https://127.0.0.1:{server.port}/")

    assert caught.value.temporary


def test_a_body_that_somebody_on_the_way_cut_off_is_not_taken_for_whole(
    ca: TestCA,
) -> None:
    """RFC 9112 §9.8: without length or chunks, only TLS itself tells the end."""
    with (
        https(ca, break_off(OK, b"\r\n", CHAIN)) as server,
        pytest.raises(FetchError, match="EOF"),
    ):
        fetcher(ca).get(f"https://127.0.0.1:{server.port}/")


def test_how_often_an_answer_may_be_promised_is_a_setting(ca: TestCA) -> None:
    promises = b"HTTP/1.1 103 Early Hints\r\n\r\n" * 3
    with https(ca, say(promises, OK, b"\r\n", CHAIN)) as server:
        url = f"https://127.0.0.1:{server.port}/"
        fewer, enough = (
            Fetcher(FetchPolicy(laboratory=True, tls_ca=str(ca.tls_ca), interim=most))
            for most in (2, 3)
        )

        with pytest.raises(FetchError, match="promised an answer and gave none"):
            fewer.get(url)
        assert enough.get(url).body == CHAIN


@pytest.mark.parametrize("at_once", [False, True])
def test_how_large_a_header_may_be_is_a_setting(ca: TestCA, *, at_once: bool) -> None:
    filler = [b"X-Filler: " + b"y" * 990 + b"\r\n"] * 20
    pieces = [OK, *filler, b"\r\n", CHAIN]
    answer = say(b"".join(pieces)) if at_once else say(*pieces)
    with https(ca, answer) as server:
        url = f"https://127.0.0.1:{server.port}/"
        small, large = (
            Fetcher(
                FetchPolicy(laboratory=True, tls_ca=str(ca.tls_ca), header_octets=most)
            )
            for most in (19_000, 21_000)
        )

        with pytest.raises(FetchError, match="more than 19000 octets of header"):
            small.get(url)
        assert large.get(url).body == CHAIN
