"""A peer with a new key under its old URL is believed, at the cost of one request."""

import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime
from itertools import count
from threading import Event

import pytest

from stirmilter.errors import StoreError
from stirmilter.stir.tnauthlist import TNAuthList
from stirmilter.stores.certificates import CHAIN
from stirmilter.stores.documents import DocumentStore
from stirmilter.stores.journalreader import JournalReader
from stirmilter.stores.tiers import SqliteTier
from stirmilter.testca import TestCA
from tests.e2e.conftest import OVER_BOTH, Daemon, Start
from tests.e2e.test_fetching import deliver, signed
from tests.e2e.watching import until
from tests.stores.servers import WebServer, https
from tests.stores.webs import fetching

pytestmark = pytest.mark.e2e

OLD, NEW = "spc", "renewed"
HOURS = 7_200.0


class Peer:
    """A carrier, and its web server, which serves one chain at every URL."""

    def __init__(self, ca: TestCA, stack: ExitStack) -> None:
        self.ca = ca
        self.head = b"HTTP/1.1 200 OK\r\n"
        self.body = b""
        self.publish(OLD)
        self.server: WebServer = stack.enter_context(https(ca, self._answer))
        self.x5u = f"https://127.0.0.1:{self.server.port}/carrier.pem"
        self._numbers = count(1)
        self.sent = 0
        """Number of the message that was sent last, where one sends at a time."""

    def publish(self, name: str) -> None:
        self.body = self.ca.files(name).chain.read_bytes()
        self.head = b'HTTP/1.1 200 OK\r\nETag: "%s"\r\n' % name.encode()

    def _answer(self, connection: socket.socket, _: Event) -> None:
        length = b"Content-Length: %d\r\n\r\n" % len(self.body)
        connection.sendall(self.head + length + self.body)

    def send(self, daemon: Daemon, name: str) -> str:
        """Send a message that a key has signed; return what was made of it."""
        number = self.sent = next(self._numbers)
        return deliver(daemon, number, signed(self.ca, number, self.x5u, name))


@pytest.fixture
def peer(published: tuple[TestCA, str]) -> Iterator[Peer]:
    """Have a carrier with two keys; only the chain of the old one is served yet."""
    ca, _ = published
    ca.signer(NEW, TNAuthList.build(spcs=["1234"]), datetime.now(UTC))
    with ExitStack() as stack:
        yield Peer(ca, stack)


def remember(daemon: Daemon, peer: Peer) -> None:
    """Have the old chain in the file that workers share, fetched two hours ago."""
    tier = SqliteTier(daemon.configuration.with_name("certificates.sqlite"))
    store = DocumentStore(
        fetching(lambda _: peer.ca.files(OLD).chain.read_bytes()),
        tier,
        clock=lambda: time.time() - HOURS,
    )
    store.get(peer.x5u, CHAIN)


def notes(daemon: Daemon, number: int) -> tuple[str, ...] | None:
    """Return what the journal has noted of a message's tokens, once it is there."""
    try:
        with JournalReader(daemon.configuration.with_name("journal.sqlite")) as reader:
            found = reader.find(f"{number}@one.example")
    except StoreError:  # the file is not there yet, or without its tables
        return None
    if not found:
        return None
    told = [event.evidence for event in found if event.evidence]
    return tuple(note for one in told for token in one.tokens for note in token.notes)


@OVER_BOTH
@pytest.mark.conformance("C-13")
def test_a_new_key_under_the_old_url_is_believed(
    start: Start, peer: Peer, transport: str
) -> None:
    daemon = start(
        milter=f'workers = 1\ntransport = "{transport}"', fetch="again_seconds = 0.1"
    )
    assert peer.send(daemon, OLD) == "verified"
    assert peer.send(daemon, OLD) == "verified"
    assert len(peer.server.requests) == 1

    peer.publish(NEW)
    until(lambda: peer.send(daemon, NEW) == "verified", "it is asked for again")

    assert b'if-none-match: "spc"' in peer.server.requests[-1].lower()
    first = peer.sent
    asked = len(peer.server.requests)
    assert [peer.send(daemon, NEW) for _ in range(10)] == ["verified"] * 10
    assert len(peer.server.requests) == asked
    assert peer.send(daemon, OLD) == "bad-signature"
    note = ("the x5u serves another chain than before",)
    until(lambda: notes(daemon, first) == note, "it is in the journal")
    until(lambda: notes(daemon, first + 1) == (), "the next needs none")


@OVER_BOTH
def test_a_burst_of_wrong_signatures_costs_their_victim_one_request(
    start: Start, peer: Peer, transport: str
) -> None:
    """Over all threads of a worker; and its own mail passes meanwhile."""
    daemon = start(milter=f'workers = 1\ntransport = "{transport}"')
    remember(daemon, peer)

    with ThreadPoolExecutor(8) as lanes:
        wrong = [lanes.submit(peer.send, daemon, NEW) for _ in range(64)]
        good = [lanes.submit(peer.send, daemon, OLD) for _ in range(8)]
        assert {one.result(60) for one in wrong} == {"bad-signature"}
        assert {one.result(60) for one in good} == {"verified"}

    assert len(peer.server.requests) == 1


@pytest.mark.parametrize(
    ("head", "body"),
    [
        pytest.param(b"HTTP/1.1 200 OK\r\n", b"<html>not found", id="rubbish"),
        pytest.param(b"HTTP/1.1 200 OK\r\n", None, id="a-chain-of-the-web"),
        pytest.param(b"HTTP/1.1 503 Busy\r\n", b"", id="busy"),
        pytest.param(b"no HTTP\r\n", b"", id="no-answer"),
    ],
)
def test_a_server_that_has_no_chain_to_give_changes_nothing(
    start: Start, peer: Peer, head: bytes, body: bytes | None
) -> None:
    daemon = start(milter="workers = 1")
    remember(daemon, peer)
    web = (peer.ca.folder / "tls.pem").read_bytes()
    peer.head, peer.body = head, web if body is None else body

    assert [peer.send(daemon, NEW) for _ in range(5)] == ["bad-signature"] * 5

    assert len(peer.server.requests) == 1
    assert peer.send(daemon, OLD) == "verified"
    assert len(peer.server.requests) == 1


def test_nobody_is_asked_where_the_operator_wants_it_so(
    start: Start, peer: Peer
) -> None:
    daemon = start(milter="workers = 1", fetch="again_seconds = 0")
    remember(daemon, peer)
    peer.publish(NEW)

    assert peer.send(daemon, NEW) == "bad-signature"

    assert peer.server.requests == []
