"""The way to a Redis server that is dead, or hangs up: nothing is tried twice."""

import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from threading import Thread

import pytest
import redis

from stirmilter.errors import StoreError
from stirmilter.haste import TakesLong, haste
from stirmilter.stores.documents import DocumentStore, Kind
from stirmilter.stores.redis import RedisServer
from stirmilter.stores.replay.redis import RedisReplayStore
from stirmilter.stores.tiers import RedisTier
from tests.laboratory import NOW
from tests.redis_server import patient
from tests.stores.webs import Web

Ask = Callable[[RedisServer], object]


def ping(server: RedisServer) -> None:
    with pytest.raises(StoreError):
        server.ask(lambda client: client.ping())


def claim(server: RedisServer) -> None:
    with pytest.raises(StoreError):
        RedisReplayStore(server).claim([bytes(16)], bytes(16), NOW, NOW)


def get(server: RedisServer) -> None:
    """A document is had without; what it would save is not tried either."""
    store = DocumentStore(Web(b"good").get, RedisTier(server))
    kind = Kind(name="certificate", octets=9, check=len)
    assert store.get("https://certs.example/a", kind) == b"good"


ASKED = pytest.mark.parametrize("ask", [ping, claim, get])


class HangsUp:
    """Takes connections, reads one question, and hangs up."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.connections = 0
        self.questions = 0
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._thread = Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                with connection:
                    self.connections += 1
                    self.questions += bool(connection.recv(4_096))

    def stop(self) -> None:
        """End it; what was counted is then complete."""
        with suppress(OSError):  # it was ended before
            self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join(30)
        self._listener.close()


@pytest.fixture
def hangs_up(tmp_path: Path) -> Iterator[HangsUp]:
    server = HangsUp(tmp_path / "r")
    yield server
    server.stop()


@ASKED
def test_a_server_that_hangs_up_is_asked_once(hangs_up: HangsUp, ask: Ask) -> None:
    """redis-py would connect and ask again by itself, time after time."""
    ask(patient("store", f"unix://{hangs_up.path}", pause=30.0))

    hangs_up.stop()
    assert (hangs_up.connections, hangs_up.questions) == (1, 1)


@ASKED
def test_a_server_that_is_dead_is_knocked_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ask: Ask
) -> None:
    knocks: list[object] = []
    connect: Callable[..., object] = redis.UnixDomainSocketConnection._connect

    def counted(connection: object) -> object:
        knocks.append(connection)
        return connect(connection)

    monkeypatch.setattr(redis.UnixDomainSocketConnection, "_connect", counted)

    ask(patient("store", f"unix://{tmp_path}/none", pause=30.0))

    assert len(knocks) == 1


def test_after_its_rest_a_dead_server_is_knocked_at_once_more(
    hangs_up: HangsUp,
) -> None:
    now = 0.0
    path = f"unix://{hangs_up.path}"
    server = patient("store", path, pause=30.0, clock=lambda: now)

    for now in (0.0, 29.0, 30.0, 59.0):  # noqa: B007 - the clock reads it
        ping(server)

    hangs_up.stop()
    assert hangs_up.connections == 2


def test_nobody_is_asked_in_haste(hangs_up: HangsUp) -> None:
    server = patient("store", f"unix://{hangs_up.path}", pause=30.0)

    with pytest.raises(TakesLong), haste():
        server.ask(lambda client: client.ping())
    ping(server)
    with pytest.raises(TakesLong), haste():  # not even that it rests is told
        server.ask(lambda client: client.ping())

    hangs_up.stop()
    assert hangs_up.connections == 1
