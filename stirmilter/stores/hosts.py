"""How many fetches a host may hold at a time, and which hosts are left alone.

Whoever writes a message chooses the hosts that its verifier asks, and can name a host
that swallows every request for the whole deadline. So a host gets few places, and after
some failures in a row it rests: whoever asks is told at once. The same holds for its
addresses, since a wildcard in the DNS gives one server as many names as it likes.

Each process counts for itself, so several workers together allow a host several times
as much.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Network
from threading import Condition
from types import TracebackType
from typing import Literal, Self

from stirmilter.errors import FetchError
from stirmilter.stores.addresses import Address

Key = str | tuple[IPv4Address | IPv6Network, int]
"""Host and port as a URL names them, or one of the host's addresses with the port: a
stranger who chooses a port that is not served must not silence the one that is."""

Verdict = Literal["good", "alive", "failed"] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class HostPolicy:
    """What one host may hold, and when it rests."""

    concurrency: int = 2
    """Fetches at a time from one name."""

    address_concurrency: int = 4
    """Fetches at a time from one address, which may have several names."""

    wait: float = 1.0
    """Seconds that a fetch waits for a place. Not at all would refuse good messages
    whenever a carrier's certificates are asked for in a burst; the whole deadline would
    give a silent host as many threads as there are messages that name it."""

    failures: int = 3
    """Failures in a row after which a host rests."""

    rest: float = 30.0
    """Seconds; then one fetch may try, and the others follow if it succeeds."""

    hosts: int = 1_000
    """Names and addresses remembered; beyond, the least recently used is forgotten."""


@dataclass(slots=True)
class _Host:
    taken: int = 0
    failures: int = 0
    rests_until: float = 0.0
    good: bool = False


class HostGate:
    """Lets fetches in, and learns what came of them; safe to share between threads."""

    def __init__(
        self, policy: HostPolicy, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Take the policy, and a clock in seconds that never goes back."""
        self.policy = policy
        self._clock = clock
        self._changed = Condition()
        self._hosts: OrderedDict[Key, _Host] = OrderedDict()

    def enter(
        self,
        keys: Sequence[Key],
        seconds: float,
        failed: tuple[type[BaseException], ...],
        *,
        excused: bool = False,
    ) -> Stay:
        """Take a place at those hosts of several that have one now.

        Args:
            keys: the name, or the addresses; one is enough.
            seconds: how long to wait for a place, at most.
            failed: exceptions that are the hosts' fault, if they end the stay.
            excused: also at hosts that rest.

        Raises:
            FetchError: all of them rest, or none had a place in time. `again` says when
                to come back.
        """
        awake: list[Key] = []
        free: list[Key] = []

        def settled() -> bool:
            awake[:] = [key for key in keys if excused or self._rest(key) is None]
            free[:] = [key for key in awake if self._has_place(key)]
            return bool(free) or not awake

        with self._changed:
            self._changed.wait_for(settled, min(seconds, self.policy.wait))
            for key in free:
                self._remember(key).taken += 1
            if not awake:
                again = min(self._rest(key) or 0.0 for key in keys)
                problem = f"resting after {self.policy.failures} failures"
                raise FetchError(f"{_shown(keys)}: {problem}", again=again)
        if not free:
            raise FetchError(f"{_shown(keys)}: busy with other fetches", again=0.0)
        return Stay(self, free, failed)

    def is_good(self, key: Key) -> bool:
        """Tell whether the last fetch from a host brought what was asked for."""
        with self._changed:
            return key in self._hosts and self._hosts[key].good

    def leave(self, keys: Sequence[Key], verdict: Verdict) -> None:
        """Give places back, and remember how it went."""
        with self._changed:
            for key in keys:
                host = self._hosts[key]  # there: a host with taken places is kept
                host.taken -= 1
                if verdict == "failed":
                    host.failures += 1
                    host.good = False
                    host.rests_until = self._clock() + self.policy.rest
                elif verdict is not None:
                    host.failures = 0
                    host.good = host.good or verdict == "good"
            self._changed.notify_all()

    def _rest(self, key: Key) -> float | None:
        """Return the seconds for which a host still rests, or None if it does not.

        After its rest a host has one place, for the fetch that tries.
        """
        host = self._hosts.get(key)
        if host is None or host.failures < self.policy.failures:
            return None
        left = host.rests_until - self._clock()
        return max(left, 0.0) if left > 0 or host.taken else None

    def _has_place(self, key: Key) -> bool:
        host = self._hosts.get(key)
        policy = self.policy
        name = isinstance(key, str)
        places = policy.concurrency if name else policy.address_concurrency
        return host is None or host.taken < places

    def _remember(self, key: Key) -> _Host:
        host = self._hosts.setdefault(key, _Host())
        self._hosts.move_to_end(key)
        if len(self._hosts) > self.policy.hosts:
            idle = (k for k, h in self._hosts.items() if h is not host and not h.taken)
            oldest = next(idle, None)
            if oldest is not None:
                del self._hosts[oldest]
        return host


class Stay:
    """Places that one fetch has, until its ``with`` block ends.

    How the block ends is how the hosts did: without an exception they are good; with
    one that is their fault they failed; with another `FetchError` they are alive, since
    whoever wrote the message chose the path, and no answer for a path, 404 or 503, may
    silence a good host. What never reached the host says nothing about it.
    """

    def __init__(
        self,
        gate: HostGate,
        keys: Sequence[Key],
        failed: tuple[type[BaseException], ...],
    ) -> None:
        self.keys = list(keys)
        self._gate = gate
        self._failed = failed

    def only(self, key: Key) -> None:
        """Give back all places but one."""
        self._gate.leave([other for other in self.keys if other != key], None)
        self.keys = [key]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._gate.leave(self.keys, self._verdict(error))

    def _verdict(self, error: BaseException | None) -> Verdict:
        if error is None:
            return "good"
        if isinstance(error, self._failed):
            return "failed"
        if isinstance(error, FetchError) and error.temporary and error.again is None:
            return "alive"
        return None


def key_of(address: Address, port: int) -> Key:
    """Return what stands for an address: a /64 of IPv6 is one subscriber's."""
    if isinstance(address, IPv4Address):
        return address, port
    return IPv6Network((int(address), 64), strict=False), port


def _shown(keys: Sequence[Key]) -> str:
    return ", ".join(key if isinstance(key, str) else str(key[0]) for key in keys)
