"""What the tests of fetching share: a name server, and a watch at the door.

Where a test must show that nothing was connected to, or where to, the door to the
network is watched: no test leaves this machine.
"""

import errno
import socket
from collections.abc import Iterator
from threading import Thread

import pytest

from tests.stores.servers import POLL, NameServer


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
