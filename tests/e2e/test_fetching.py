"""A chain is fetched while the body arrives, and strangers' hosts hold up nobody."""

import re
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from threading import Event, Thread

import pytest

from stirmilter.stir import identity, passport
from stirmilter.stir.claims import Claims
from stirmilter.stir.jws import SoftwareKey
from stirmilter.stir.msgi import digest_body
from stirmilter.testca import TestCA
from tests import mta
from tests.e2e.conftest import Daemon, Start
from tests.e2e.test_milter import SENDER, STRANGER, headers, recipient
from tests.e2e.watching import until
from tests.laboratory import private_key
from tests.stores.servers import https

pytestmark = pytest.mark.e2e

BODY = b"Hello\r\n"
LANES = 32
"""Messages that wait for their chains at once, each in an SMTP session of its own."""


def signed(
    ca: TestCA, number: int, x5u: str, name: str = "spc"
) -> list[tuple[bytes, bytes]]:
    """A message's fields, with a token of the carrier whose chain stands at `x5u`."""
    content = Claims.message(
        f"1202555{number:04d}",
        [f"1312555{number:04d}"],
        int(datetime.now(UTC).timestamp()),
        digest_body(BODY).value(),
    )
    token = passport.issue(content, x5u, SoftwareKey(private_key(ca, name)))
    value = identity.write(token, "PASSporT").encode()
    return [(b"PASSporT", b" " + value), *headers(number)]


def reason_of(answer: mta.Answer) -> str:
    found = re.search(rb"reason=(\S+)", answer.value(b"Authentication-Results"))
    assert found
    return found[1].decode()


def deliver(daemon: Daemon, number: int, fields: list[tuple[bytes, bytes]]) -> str:
    with mta.session(daemon.socket, STRANGER) as session:
        return reason_of(session.message(SENDER, [recipient(number)], fields, BODY))


def test_the_fetch_begins_before_the_body(
    start: Start, published: tuple[TestCA, str]
) -> None:
    ca, _ = published
    chain = ca.files("spc").chain.read_bytes()

    def serve(connection: socket.socket, _: Event) -> None:
        head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(chain)
        connection.sendall(head + chain)

    with https(ca, serve) as server:
        daemon = start()
        fields = signed(ca, 1, f"https://127.0.0.1:{server.port}/spc.pem")
        with mta.session(daemon.socket, STRANGER) as session:
            session.begin(SENDER, [recipient(1)])
            session.headers(fields)
            until(lambda: len(server.requests) == 1, "fetched, without a body")
            session.body(BODY)
            assert reason_of(session.end()) == "verified"

        assert len(server.requests) == 1


@contextmanager
def black_holes(count: int) -> Iterator[list[socket.socket]]:
    """Hosts of their own addresses that take connections and say nothing."""
    holes = []
    for number in range(count):
        hole = socket.create_server((f"127.1.{number // 250}.{1 + number % 250}", 0))
        holes.append(hole)
    try:
        yield holes
    finally:
        for hole in holes:
            hole.close()


def test_a_thousand_cold_urls_hold_up_no_message_whose_chain_is_there(
    start: Start, published: tuple[TestCA, str]
) -> None:
    """Some wait in their sessions, the others came and went; the known go through."""
    ca, base = published
    known = f"{base}/spc.pem"
    daemon = start(fetch="seconds = 60.0\nconcurrency = 8")
    # One worker has it in memory; the other finds it in the file that they share.
    assert deliver(daemon, 0, signed(ca, 0, known)) == "verified"
    with black_holes(LANES) as holes, ThreadPoolExecutor(LANES) as pool:
        urls = [f"https://{at(hole)}/x.pem" for hole in holes]

        def announce(number: int) -> None:
            """Send a header only, and hang up: its fetch has begun or waits."""
            url = f"{urls[number % LANES]}".replace("x.pem", f"{number}.pem")
            with mta.session(daemon.socket, STRANGER) as session:
                session.begin(SENDER, [recipient(2)])
                session.headers(signed(ca, 2, url))
                session.abort()

        for number in range(1000):
            announce(number)
        waiting = [pool.submit(deliver, daemon, 3, signed(ca, 3, url)) for url in urls]
        time.sleep(0.5)
        reasons = [deliver(daemon, n, signed(ca, n, known)) for n in range(4, 104)]
        hanging = sum(not one.done() for one in waiting)
        for hole in holes:  # the rest are reset, and end
            Thread(target=reset, args=(hole,), daemon=True).start()
        late = {one.result(60) for one in waiting}

    assert reasons == ["verified"] * 100
    assert hanging == LANES, "all of them waited meanwhile"
    assert late == {"credential-unavailable"}


def at(hole: socket.socket) -> str:
    host, port = hole.getsockname()
    return f"{host}:{port}"


def reset(hole: socket.socket) -> None:
    """Refuse whoever waits and whoever comes."""
    try:
        while True:
            hole.accept()[0].close()
    except OSError:
        return
