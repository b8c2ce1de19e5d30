"""What the tests of stores share: a name server, a watch at the door, shared stores.

Where a test must show that nothing was connected to, or where to, the door to the
network is watched: no test leaves this machine.
"""

import errno
import socket
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest

from stirmilter.stores.documents import DocumentStore, Tier
from stirmilter.stores.tiers import RedisTier, SqliteTier
from tests.dns_server import DnsServer
from tests.redis_server import RedisServerProcess, patient
from tests.stores.servers import POLL, NameServer
from tests.stores.webs import Clock, Web


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

    def connect_ex(_: socket.socket, address: tuple[str, int]) -> int:
        calls.append(address)
        return errno.ECONNREFUSED

    monkeypatch.setattr(socket.socket, "connect_ex", connect_ex)
    return calls


@pytest.fixture(scope="session")
def redis_server(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[RedisServerProcess]:
    """Run one server for all tests that leave it alive."""
    with RedisServerProcess(tmp_path_factory.mktemp("redis")) as server:
        yield server


def _tier(request: pytest.FixtureRequest, folder: Path) -> Tier | None:
    if request.param == "memory":
        return None
    if request.param == "sqlite":
        return SqliteTier(folder / "certificates.sqlite")
    server: RedisServerProcess = request.getfixturevalue("redis_server")
    server.client().flushall()
    return RedisTier(patient("certificate store", server.url))


@pytest.fixture(params=["sqlite", "redis"])
def tier(request: pytest.FixtureRequest, tmp_path: Path) -> Tier | None:
    """Share documents in each way there is."""
    return _tier(request, tmp_path)


@pytest.fixture(params=["memory", "sqlite", "redis"])
def any_tier(request: pytest.FixtureRequest, tmp_path: Path) -> Tier | None:
    """Share documents in each way there is, or not at all."""
    return _tier(request, tmp_path)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Tell where the journal of a test is to stand."""
    return tmp_path / "journal.sqlite"


@pytest.fixture
def server() -> Iterator[DnsServer]:
    """Answer questions about the DNS."""
    with DnsServer() as server:
        yield server


@pytest.fixture
def web() -> Web:
    """Publish a good document, whatever the URL."""
    return Web(b"good")


@pytest.fixture
def clock() -> Clock:
    """Stand still unless a test goes on."""
    return Clock()


@pytest.fixture
def store(web: Web, clock: Clock, any_tier: Tier | None) -> DocumentStore:
    """Keep documents, shared in each way there is."""
    return DocumentStore(web.get, any_tier, clock=clock)
