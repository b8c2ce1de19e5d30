"""Asking whether something has changed, and how long an answer is good."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stirmilter.errors import FetchError
from stirmilter.stores.exchange import Request
from stirmilter.stores.fetch import Fetcher, FetchPolicy
from stirmilter.stores.response import Response
from stirmilter.stores.urls import parse
from stirmilter.testca import TestCA
from tests.stores.fetchers import fetcher
from tests.stores.servers import CHAIN, OK, UNCHANGED, https, say

DATE = "Fri, 02 Jan 2026 12:00:00 GMT"
ETAG = 'W/"one"'


def fetched(ca: TestCA, *pieces: bytes, **validators: str) -> tuple[Response, bytes]:
    """Return what became of an answer, and what was asked."""
    with https(ca, say(*pieces)) as server:
        response = fetcher(ca).get(f"https://127.0.0.1:{server.port}/", **validators)  # type: ignore[arg-type]
        [request] = server.requests
    return response, request


def test_validators_and_lifetime_come_with_the_body(ca: TestCA) -> None:
    lines = (
        f"ETag: {ETAG}\r\nLast-Modified: {DATE}\r\nCache-Control: max-age=60\r\n\r\n"
    )

    response, request = fetched(ca, OK, lines.encode(), CHAIN)

    assert b"\r\nIf-" not in request
    assert response == Response(
        body=CHAIN, etag=ETAG, last_modified=DATE, lifetime=response.lifetime
    )
    assert response.lifetime is not None
    assert 0 < response.lifetime <= 60


@pytest.mark.parametrize(
    ("date", "kept"),
    [
        pytest.param("Fri, 02 Jan 2026 12:00:00 GMT", "", id="same-second"),
        pytest.param("Fri, 02 Jan 2026 12:00:01 GMT", DATE, id="a-second-later"),
        pytest.param("Fri, 02 Jan 2026 11:59:59 GMT", "", id="from-the-future"),
    ],
)
def test_a_date_that_is_too_young_does_not_tell_what_came_after(
    ca: TestCA, date: str, kept: str
) -> None:
    """RFC 9110 §8.8.2.2: it may be written again within the second."""
    lines = f"Date: {date}\r\nLast-Modified: {DATE}\r\n\r\n"

    response, _ = fetched(ca, OK, lines.encode(), CHAIN)

    assert response.last_modified == kept


def test_a_server_that_says_nothing_leaves_it_open(ca: TestCA) -> None:
    response, _ = fetched(ca, OK, b"\r\n", CHAIN)

    assert response == Response(body=CHAIN)


def test_age_is_reckoned_by_the_clock_that_was_given(ca: TestCA) -> None:
    policy = FetchPolicy(laboratory=True, tls_ca=str(ca.tls_ca))
    now = datetime(2026, 1, 2, 12, 0, 30, tzinfo=UTC)
    lines = f"Date: {DATE}\r\nCache-Control: max-age=60\r\n\r\n".encode()
    with https(ca, say(OK, lines, CHAIN)) as server:
        fetch = Fetcher(policy, now=lambda: now)
        response = fetch.get(f"https://127.0.0.1:{server.port}/")

    assert response.lifetime == 30


@pytest.mark.conformance("C-13")
def test_what_has_not_changed_is_not_sent_again(ca: TestCA) -> None:
    response, request = fetched(
        ca,
        UNCHANGED,
        b"Cache-Control: max-age=0\r\nContent-Length: 28\r\n\r\n",
        etag=ETAG,
        last_modified=DATE,
    )

    assert f"\r\nIf-None-Match: {ETAG}\r\n".encode() in request
    assert f"\r\nIf-Modified-Since: {DATE}\r\n".encode() in request
    assert response == Response(body=None, etag=ETAG, last_modified=DATE, lifetime=0)


def test_what_has_not_changed_may_have_new_validators(ca: TestCA) -> None:
    response, _ = fetched(ca, UNCHANGED, b'ETag: "two"\r\n\r\n', etag=ETAG)

    assert response == Response(body=None, etag='"two"')


def test_what_has_changed_is_a_body_as_ever(ca: TestCA) -> None:
    response, _ = fetched(ca, OK, b'ETag: "two"\r\n\r\n', CHAIN, etag=ETAG)

    assert response == Response(body=CHAIN, etag='"two"')


UNSOUND = [
    pytest.param("", id="nothing"),
    pytest.param("*", id="any"),
    pytest.param("one", id="not-quoted"),
    pytest.param('"one", "two"', id="list"),
    pytest.param('"one"\r\nX: y', id="line-end"),
    pytest.param('"on\x00e"', id="nul"),
    pytest.param('"\u00fc"', id="outside-ascii"),
    pytest.param('"' + "x" * 200 + '"', id="long"),
]


@pytest.mark.parametrize("etag", UNSOUND)
def test_not_changed_is_no_answer_to_a_request_without_validators(
    ca: TestCA, etag: str
) -> None:
    with (
        https(ca, say(UNCHANGED, b"\r\n")) as server,
        pytest.raises(FetchError, match="status 304") as caught,
    ):
        fetcher(ca).get(f"https://127.0.0.1:{server.port}/", etag=etag)

    assert caught.value.temporary
    assert b"If-None-Match" not in server.requests[0]


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param(b"ETag: *\r\nLast-Modified: ", id="neither-of-them"),
        pytest.param(b'ETag: "\xfc"\r\n', id="outside-ascii"),
        pytest.param(b'ETag: "a"\r\nETag: "b"\r\n', id="two"),
        pytest.param(b'ETag: "%s"\r\n' % (b"x" * 200), id="long"),
        pytest.param(b"Last-Modified: %s\r\n" % (b"x" * 201), id="long-date"),
        pytest.param(b"Last-Modified: \x1b[2J\r\n", id="escape-sequence"),
    ],
)
def test_unsound_validators_are_dropped(ca: TestCA, lines: bytes) -> None:
    response, _ = fetched(ca, OK, lines.rstrip() + b"\r\n\r\n", CHAIN)

    assert response == Response(body=CHAIN)


@given(st.text(), st.text())
def test_no_validator_can_break_out_of_its_line(etag: str, last_modified: str) -> None:
    request = Request(
        target=parse("https://certs.example/"),
        accept="*/*",
        octets=1,
        etag=etag,
        last_modified=last_modified,
    )

    for value in request.validators:
        assert value in {"", etag, last_modified}
        assert value.isascii()
        assert value.isprintable()
        assert len(value) <= 200
