"""Connecting to whichever address of a name answers."""

import socket
from collections.abc import Iterator
from ipaddress import ip_address

import pytest

from stirmilter.stores.deadline import Deadline
from stirmilter.stores.dial import dial, in_turn

LOOPBACK = ip_address("127.0.0.1")
SILENT = ip_address("127.0.0.9")


@pytest.fixture
def port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let one address swallow every attempt, as a dead route does."""
    connect_ex = socket.socket.connect_ex

    def knock(door: socket.socket, address: tuple[str, int]) -> int:
        if address[0] != str(SILENT):
            return connect_ex(door, address)
        # Full after the first: the kernel then drops what it cannot queue.
        full = socket.create_server((str(SILENT), 0), backlog=0)
        crowd = [socket.socket() for _ in range(2)]
        for one in crowd:
            one.setblocking(False)
            connect_ex(one, full.getsockname())
        kept.extend([full, *crowd])
        return connect_ex(door, full.getsockname())

    kept: list[socket.socket] = []
    monkeypatch.setattr(socket.socket, "connect_ex", knock)


def test_the_kinds_of_address_take_turns() -> None:
    texts = ["192.0.2.1", "192.0.2.2", "192.0.2.3", "2001:db8::1", "2001:db8::2"]

    order = in_turn([ip_address(text) for text in texts])

    assert [str(address) for address in order] == [
        "2001:db8::1",
        "192.0.2.1",
        "2001:db8::2",
        "192.0.2.2",
        "192.0.2.3",
    ]
    assert in_turn([]) == []


def test_an_address_that_answers_is_connected_to(port: int) -> None:
    address, door = dial([LOOPBACK], port, Deadline.after(5))

    with door:
        assert address == LOOPBACK
        assert door.getpeername() == ("127.0.0.1", port)
