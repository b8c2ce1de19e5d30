"""A TCP connection to one of several addresses, whichever answers first.

RFC 8305 (Happy Eyeballs): IPv6 and IPv4 take turns, and the next address is tried when
one fails, or stays silent for a quarter of a second. On a machine whose IPv6 leads
nowhere, asking one after the other would spend the whole deadline on the first.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address
from itertools import chain, zip_longest
from selectors import EVENT_WRITE, DefaultSelector
from typing import Final

from stirmilter.stores.addresses import Address
from stirmilter.stores.deadline import Deadline

_STAGGER: Final = 0.25  # seconds; RFC 8305 §5


class UnreachableError(OSError):
    """An address took no connection."""


def in_turn(addresses: Sequence[Address]) -> list[Address]:
    """Return addresses in the order to try them in (RFC 8305 §4)."""
    six = [address for address in addresses if isinstance(address, IPv6Address)]
    four = [address for address in addresses if isinstance(address, IPv4Address)]
    pairs = chain.from_iterable(zip_longest(six, four))
    return [address for address in pairs if address is not None]


def dial(
    addresses: Sequence[Address], port: int, deadline: Deadline
) -> tuple[Address, socket.socket]:
    """Connect, and return the address that answered with its socket.

    The socket does not block yet; whoever uses it gives it a time-out.

    Raises:
        OSError: why the last of them did not answer, or that the time is used up.
    """
    waiting = list(addresses)
    doors: dict[int, tuple[Address, socket.socket]] = {}
    failure = OSError("the name has no address")
    with DefaultSelector() as selector:
        try:
            while waiting or doors:
                if waiting:
                    address = waiting.pop(0)
                    try:
                        door = _knock(address, port)
                    except OSError as error:
                        failure = error
                        continue
                    doors[door.fileno()] = address, door
                    selector.register(door, EVENT_WRITE)
                left = deadline.left()
                for key, _ in selector.select(min(left, _STAGGER) if waiting else left):
                    selector.unregister(key.fd)
                    address, door = doors.pop(key.fd)
                    code = door.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                    if code == 0:
                        return address, door
                    door.close()
                    failure = _failure(address, code)
        finally:
            for _, door in doors.values():
                door.close()
    raise failure


def _knock(address: Address, port: int) -> socket.socket:
    """Begin to connect; raises OSError when the system says no at once."""
    family = socket.AF_INET if isinstance(address, IPv4Address) else socket.AF_INET6
    door = socket.socket(family, socket.SOCK_STREAM)
    door.setblocking(False)
    code = door.connect_ex((str(address), port))
    if code in {0, errno.EINPROGRESS}:
        return door
    door.close()
    raise _failure(address, code)


def _failure(address: Address, code: int) -> UnreachableError:
    return UnreachableError(code, os.strerror(code), str(address))
