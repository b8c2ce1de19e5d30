"""Measures candidates in turns, so that what disturbs one disturbs all.

A cell is a task, a size and a count of connections. In each of its rounds each
candidate has a turn of so many seconds; ratios are made of the figures of one round.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

from tests.bench.load import client, corpus
from tests.bench.load.daemon import Daemon
from tests.bench.load.plant import Candidate, Kind, Plant

SIZES: Final = (10_000, 300_000, 1_000_000)
CONNECTIONS: Final = (1, 8, 32)
WARM: Final = 150
_SENT: Final = 500
_OCTETS: Final = 40_000
"""A message with an overhead of so many octets: for how many fit in a second."""

_FASTEST: Final = 125_000_000  # octets in a second


class Cell(NamedTuple):
    """What is measured side by side."""

    kind: Kind
    size: int
    connections: int


@dataclass(frozen=True, slots=True)
class Turn:
    """One candidate in one round of a cell."""

    cell: Cell
    candidate: str
    round: int
    messages: int
    rate: float
    """Messages in a second."""

    cpu: float
    """Microseconds of processor time for each message, of the whole daemon."""

    p50: float
    p99: float
    """Microseconds."""

    rss: float
    """MiB, after it."""

    client: float
    """Share of a core that the load client took."""

    sample: Sequence[tuple[str, str]] = ()


@dataclass
class _Running:
    candidate: Candidate
    daemon: Daemon
    used: dict[int, int] = field(default_factory=dict)
    """By size, how many messages it has had."""


@dataclass
class Bench:
    """Candidates that run, and files of messages for them."""

    plant: Plant
    seconds: float
    rounds: int
    files: dict[tuple[Kind, int], Path] = field(default_factory=dict)
    running: list[_Running] = field(default_factory=list)

    def start(self, candidates: Iterable[Candidate], stack: ExitStack) -> None:
        """Start them all; they end with the stack."""
        for one in candidates:
            daemon = stack.enter_context(one.start(self.plant))
            self.running.append(_Running(one, daemon))

    def cells(self, cells: Iterable[Cell]) -> Iterator[Turn]:
        """Measure cells one after another.

        Raises:
            MisledError: somebody did not answer as it should.
        """
        wanted = list(cells)
        for size in sorted({cell.size for cell in wanted}):
            here = [cell for cell in wanted if cell.size == size]
            self._prepare(size, here)
            for cell in here:
                for number in range(self.rounds):
                    for one in self.running:
                        if one.candidate.kind == cell.kind:
                            yield self._turn(one, cell, number)

    def most(self, size: int) -> int:
        """Return how many messages nobody exceeds in a turn."""
        return max(4, int(self.seconds * _FASTEST / (size + _OCTETS)))

    def _prepare(self, size: int, cells: Sequence[Cell]) -> None:
        needed = WARM + self.most(size) * self.rounds * len(cells)
        for kind in {cell.kind for cell in cells}:
            path = self.plant.folder / f"{kind}-{size}"
            if kind == "sign":
                corpus.prepare(path, corpus.sent(size, min(_SENT, needed)))
            else:
                mails = corpus.received(size, needed, self.plant.sender)
                corpus.prepare(path, mails)
            self.files[kind, size] = path
        for one in self.running:
            if any(cell.kind == one.candidate.kind for cell in cells):
                self._run(one, Cell(one.candidate.kind, size, 8), WARM)

    def _turn(self, one: _Running, cell: Cell, number: int) -> Turn:
        before = one.daemon.cost()
        run = self._run(one, cell, self.most(cell.size), self.seconds)
        after = one.daemon.settled()
        return Turn(
            cell=cell,
            candidate=one.candidate.name,
            round=number,
            messages=run.messages,
            rate=run.rate,
            cpu=1e6 * (after.cpu_seconds - before.cpu_seconds) / run.messages,
            p50=run.p50,
            p99=run.p99,
            rss=after.rss,
            client=run.cpu_seconds / run.seconds,
            sample=run.sample,
        )

    def _run(
        self, one: _Running, cell: Cell, count: int, seconds: float | None = None
    ) -> client.Run:
        first = one.used.get(cell.size, 0)
        run = client.run(
            self.files[cell.kind, cell.size],
            one.daemon.address,
            connections=cell.connections,
            first=first,
            count=count if one.candidate.remembers or seconds is None else None,
            seconds=seconds,
            verdict=one.candidate.verdict,
            insert=one.candidate.insert,
        )
        one.used[cell.size] = first + run.messages
        return run
