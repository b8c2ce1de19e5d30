from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from stirmilter.services import ReplayStore
from stirmilter.stores.redis import RedisServer
from stirmilter.stores.replay import MemoryReplayStore, SqliteReplayStore
from stirmilter.stores.replay.redis import RedisReplayStore
from tests.laboratory import NOW
from tests.redis_server import RedisServerProcess, patient

RETENTION = timedelta(hours=1)
SIGNED = NOW - timedelta(seconds=5)
END = SIGNED + RETENTION
"""When the keys of a token that was signed then may be forgotten, at the earliest."""

SMALL = 200
"""A limit of keys that is soon reached, in a file too."""


def key(number: int) -> bytes:
    return number.to_bytes(16, "big")


def holder(name: str) -> bytes:
    return name.encode().ljust(16)


A, B = holder("a"), holder("b")


Store = MemoryReplayStore | SqliteReplayStore | RedisReplayStore


@dataclass
class Clock:
    """Seconds that pass as a test says: those of a slow machine are none."""

    offset: float = 0.0

    def monotonic(self) -> float:
        return 1_000.0 + self.offset

    def pass_to(self, now: datetime) -> datetime:
        """Let time pass from NOW to then; never back."""
        self.offset += max((now - NOW).total_seconds(), 0)
        return now


@dataclass
class Maker:
    """Makes stores of one kind; those of one maker share what they remember."""

    kind: str
    folder: Path
    clock: Clock = field(default_factory=Clock)
    stack: ExitStack = field(default_factory=ExitStack)
    server: RedisServerProcess | None = None

    def __call__(
        self,
        limit: int = 1_000_000,
        since: datetime | None = None,
        seconds: float = 30.0,
    ) -> Store:
        began = (lambda: since) if since else None
        if self.kind == "memory":
            return MemoryReplayStore(
                limit, RETENTION, since=began, monotonic=self.clock.monotonic
            )
        if self.kind == "sqlite":
            path = self.folder / "replay.sqlite"
            made = SqliteReplayStore(
                path,
                limit,
                RETENTION,
                seconds=seconds,
                since=began,
                monotonic=self.clock.monotonic,
            )
            self.stack.callback(made.close)
            return made
        assert self.server is not None
        server = RedisServer(
            "replay store", self.server.url, seconds=seconds, pause=0.0
        )
        return RedisReplayStore(server, RETENTION, since=began)


@pytest.fixture(params=["memory", "sqlite", "redis"])
def maker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Maker]:
    made = Maker(request.param, tmp_path)
    if request.param == "redis":
        made.server = request.getfixturevalue("redis_server")
        patient("test", made.server.url).ask(lambda client: client.flushall())
    with made.stack:
        yield made


@pytest.fixture
def store(maker: Maker) -> ReplayStore:
    return maker()
