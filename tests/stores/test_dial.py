"""Connecting to whichever address of a name answers."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from ipaddress import ip_address

import pytest

from stirmilter.stores.addresses import Address
from stirmilter.stores.deadline import Deadline
from stirmilter.stores.dial import UnreachableError, dial, in_turn

LOOPBACK = ip_address("127.0.0.1")
SILENT = ip_address("127.0.0.9")
NOBODY = ip_address("127.0.0.2")
NO_ROUTE = ip_address("2001:db8::1")


@pytest.fixture
def port() -> Iterator[int]:
    """Listen at one address, and be silent at another, as where a route is dead.

    The silent one has a queue for one connection, which is full: the kernel drops what
    comes then.
    """
    with ExitStack() as stack:
        server = stack.enter_context(socket.create_server((str(LOOPBACK), 0)))
        port: int = server.getsockname()[1]
        full = (str(SILENT), port)
        stack.enter_context(socket.create_server(full, backlog=0))
        for _ in range(2):
            door = stack.enter_context(socket.socket())
            door.setblocking(False)
            door.connect_ex(full)
        yield port


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


@pytest.mark.parametrize(
    "before",
    [
        pytest.param([], id="at-once"),
        pytest.param([NOBODY], id="after-one-that-refuses"),
        pytest.param([NO_ROUTE], id="after-one-without-a-route"),
        pytest.param([SILENT], id="after-one-that-is-silent"),
        pytest.param([SILENT, NOBODY, SILENT], id="after-several"),
    ],
)
def test_the_address_that_answers_is_connected_to(
    port: int, before: list[Address]
) -> None:
    address, door = dial([*before, LOOPBACK], port, Deadline.after(10))

    with door:
        assert address == LOOPBACK
        assert door.getpeername() == (str(LOOPBACK), port)


def test_a_silent_address_that_is_the_only_one_takes_all_the_time(port: int) -> None:
    with pytest.raises(TimeoutError, match="time for a fetch"):
        dial([SILENT], port, Deadline.after(0.3))


def test_who_is_refused_everywhere_is_told_of_the_last(port: int) -> None:
    with pytest.raises(UnreachableError, match=r"refused: '127\.0\.0\.2'"):
        dial([NOBODY], port, Deadline.after(5))


def test_a_family_that_this_machine_does_not_have_is_passed_over(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    class NoIPv6(socket.socket):
        def __init__(self, family: int = socket.AF_INET, *rest: int) -> None:
            if family == socket.AF_INET6:
                raise OSError("Address family not supported by protocol")
            super().__init__(family, *rest)

    monkeypatch.setattr(socket, "socket", NoIPv6)

    address, door = dial([ip_address("::1"), LOOPBACK], port, Deadline.after(5))

    door.close()
    assert address == LOOPBACK


def test_a_name_without_addresses_is_no_connection() -> None:
    with pytest.raises(OSError, match="no address"):
        dial([], 443, Deadline.after(5))
