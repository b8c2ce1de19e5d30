"""Curves over live replay keys: what a claim costs, and what a message does with it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from itertools import pairwise
from statistics import median
from typing import Final

from stirmilter.services import ReplayStore
from stirmilter.stores.redis import RedisServer
from stirmilter.stores.replay import MemoryReplayStore, SqliteReplayStore
from stirmilter.stores.replay.redis import RedisReplayStore
from tests.bench import stores
from tests.bench.growth import mails, site
from tests.bench.growth.curves import CPU, Curve, Effort
from tests.bench.growth.laws import Law, Point
from tests.bench.load import messages
from tests.bench.load.plant import Plant
from tests.redis_server import servers

LIVE: Final = (1_000, 10_000, 100_000, 1_000_000)

_SIZE: Final = 10_000
_LIMIT: Final = 4_000_000
_FEW: Final = 100
_BATCH: Final = 100_000  # keys of one claim while a file is filled


def live(plant: Plant, effort: Effort, keys: Sequence[int] = LIVE) -> Iterator[Curve]:
    """Fill stores step by step, and measure at each step.

    Args:
        plant: what the daemon needs.
        effort: how much at each step.
        keys: that are live at each step.
    """
    yield from _through_the_daemon(plant, effort, keys)
    yield _claims("memory", MemoryReplayStore(_LIMIT), Law.LOGARITHMIC, effort, keys)
    with servers() as make:
        server = RedisServer("replay store", make().url)
        yield _claims("Redis", RedisReplayStore(server), Law.FLAT, effort, keys)


_WHY: Final[Mapping[str, str]] = {
    "SQLite": "two indexes are trees, whose leaves no longer fit its cache",
    "memory": "a dictionary, which the processor's caches hold less and less of",
    "Redis": "a hash table, asked in one round trip",
}


def _fill(store: ReplayStore, first: int, count: int, batch: int = 1_000) -> None:
    """Have more live keys, up to so many.

    Args:
        store: what is filled.
        first: how many it has.
        count: how many it is to have.
        batch: keys of one claim; in order, so that a large one writes each page of a
            file once.
    """
    now = datetime.now(UTC)
    for at in range(first, count, batch):
        several = range(at, min(at + batch, count))
        names = sorted(stores.key("fill", number) for number in several)
        assert store.claim(names, stores.key("holder", at), now, now)


def _claims(
    name: str, store: ReplayStore, law: Law, effort: Effort, keys: Sequence[int]
) -> Curve:
    """Claim in this process, and take the time, as a store may be a server."""
    points = []
    for before, count in pairwise([0, *keys]):
        _fill(store, before, count)
        points.append(Point(count, _microseconds(store, count, effort)))
    return _curve(name, law, points)


def _curve(name: str, law: Law, points: Sequence[Point]) -> Curve:
    return Curve(
        panel="live replay keys",
        name=name,
        unit="key",
        of="us of a claim",
        expected=law,
        why=_WHY[name],
        points=points,
    )


def _microseconds(store: ReplayStore, count: int, effort: Effort) -> float:
    """Claim in rounds, but never so much that there are many more keys than `count`."""
    claims = min(effort.claims, max(_FEW, count // 10))
    return min(_turn(store, f"{count}-{n}", claims) for n in range(effort.rounds))


def _turn(store: ReplayStore, name: str, claims: int) -> float:
    taken = []
    now = datetime.now(UTC)
    for number in range(claims):
        one, holder = stores.key(name, number), stores.key(f"h{name}", number)
        started = time.perf_counter()
        good = store.claim([one], holder, now, now)
        taken.append(time.perf_counter() - started)
        assert good
    return 1e6 * median(taken)


def _through_the_daemon(
    plant: Plant, effort: Effort, keys: Sequence[int]
) -> Iterator[Curve]:
    name = "growth-live"
    path = plant.folder / f"{name}-replay.sqlite"
    settings: site.Settings = {"replay": {"limit": _LIMIT}}
    points, claims = [], []
    with site.running(plant, name, site.VERIFIED, settings) as running:
        file = plant.folder / name
        warm = effort.messages // 2
        total = warm + effort.messages * effort.rounds * len(keys)
        messages.write(file, mails.received(_SIZE, total, plant))
        running.run(file, warm, 4)
        with closing(SqliteReplayStore(path, _LIMIT)) as store:
            for before, live_keys in pairwise([0, *keys]):
                _fill(store, before, live_keys, _BATCH)
                turns = [
                    running.cost(file, effort.messages) for _ in range(effort.rounds)
                ]
                points.append(Point(live_keys, min(turns)))
                spent = _microseconds(store, live_keys, effort)
                claims.append(Point(live_keys, spent))
    file.unlink()
    yield _curve("SQLite", Law.LOGARITHMIC, claims)
    yield Curve(
        panel="live replay keys",
        name="verifying, SQLite",
        unit="key",
        of=CPU,
        expected=Law.LOGARITHMIC,
        why="one claim of a message; the rest of it asks no store",
        points=points,
    )
