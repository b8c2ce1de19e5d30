"""The curve over workers: more of them carry more, as long as there are cores."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Final

from tests.bench.growth import mails, site
from tests.bench.growth.curves import CPU, Curve, Effort, Rising
from tests.bench.growth.laws import Law, Point
from tests.bench.load import messages
from tests.bench.load.plant import Plant

COUNTS: Final = (1, 2, 3, 4)

_SIZE: Final = 10_000
_CONNECTIONS: Final = 8
_MESSAGES: Final = 200
_WARM: Final = 40


def workers(
    plant: Plant, effort: Effort, counts: Sequence[int] = COUNTS
) -> Iterator[Curve]:
    """Sign with 8 connections, and yield the processor time, and the rate.

    Args:
        plant: what the daemons need.
        effort: how much.
        counts: of workers.
    """
    path = plant.folder / "growth-workers"
    messages.write(path, mails.sent(_SIZE, _MESSAGES))
    cost: dict[int, float] = {}
    rate: dict[int, float] = {}
    starts = {
        count: site.running(
            plant, f"growth-{count}", site.SIGNED, {"milter": {"workers": count}}
        )
        for count in counts
    }
    with site.together(starts) as running:
        for one in running.values():
            one.run(path, _WARM, _CONNECTIONS)
        for _ in range(effort.rounds):
            for count, one in running.items():
                before = one.daemon.cost().cpu_seconds
                run = one.run(path, 0, _CONNECTIONS, effort.seconds)
                used = one.daemon.settled().cpu_seconds - before
                least = 1e6 * used / run.messages
                cost[count] = min(least, cost.get(count, least))
                rate[count] = max(run.rate, rate.get(count, 0.0))
    path.unlink()
    yield Curve(
        panel="workers",
        name="signing",
        unit="worker",
        of=CPU,
        expected=Law.FLAT,
        why="they share a door and files, and wait for no lock of each other",
        points=_points(cost),
    )
    here = cores()
    yield Rising(
        panel="workers",
        name="signing",
        unit="worker",
        of="messages per second",
        expected=Law.LINEAR,
        until=here,
        why=f"each takes a core while there is one: here are {here}, of which the load"
        " client needs its share",
        points=_points(rate),
    )


def cores() -> int:
    """Return how many this process may use."""
    return len(os.sched_getaffinity(0))


def _points(found: dict[int, float]) -> list[Point]:
    return [Point(count, value) for count, value in sorted(found.items())]
