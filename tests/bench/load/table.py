"""What is printed, and written as CSV: every figure, and every target beside its own.

A figure of a cell is the median over its rounds. A ratio is the median of the ratios of
its rounds, in each of which both had their turn within seconds.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Final, NamedTuple

from tests.bench.core import Figure
from tests.bench.load.measure import Cell, Turn

COLUMNS: Final = (
    *("part", "what", "octets", "connections", "messages_per_second", "cpu_us"),
    *("p50_us", "p99_us", "rss_mib", "client_share", "rounds"),
)
TARGET_COLUMNS: Final = ("what", "value", "unit", "bound", "target", "reached")


class Row(NamedTuple):
    """A line of the table."""

    part: str
    what: str
    octets: int = 0
    connections: int = 0
    rate: float = 0.0
    cpu: float = 0.0
    p50: float = 0.0
    p99: float = 0.0
    rss: float = 0.0
    client: float = 0.0
    rounds: int = 1


@dataclass
class Results:
    """Everything that one run found."""

    turns: list[Turn] = field(default_factory=list)
    rates: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    """By part and name, a rate of each round: Postfix, and what has no milter."""

    costs: dict[str, list[float]] = field(default_factory=dict)
    """By name, microseconds of the daemon for a message through Postfix."""

    seconds: dict[str, list[float]] = field(default_factory=dict)
    core: list[Figure] = field(default_factory=list)

    def rows(self) -> list[Row]:
        """Return the lines of the table, in the order in which they were measured."""
        cells: dict[tuple[Cell, str], list[Turn]] = {}
        for turn in self.turns:
            cells.setdefault((turn.cell, turn.candidate), []).append(turn)

        milters = [
            Row(
                part=cell.kind,
                what=name,
                octets=cell.size,
                connections=cell.connections,
                rate=median(turn.rate for turn in turns),
                cpu=median(turn.cpu for turn in turns),
                p50=median(turn.p50 for turn in turns),
                p99=median(turn.p99 for turn in turns),
                rss=median(turn.rss for turn in turns),
                client=median(turn.client for turn in turns),
                rounds=len(turns),
            )
            for (cell, name), turns in cells.items()
        ]
        others = [
            Row(
                part,
                name,
                rate=median(values),
                cpu=median(self.costs.get(name, [0.0])),
                rounds=len(values),
            )
            for part, names in self.rates.items()
            for name, values in names.items()
        ]
        core = [
            Row("core", figure.name, rate=figure.value)
            for figure in self.core
            if figure.unit == "/s"
        ]
        started = [
            Row("start", name, p50=1e6 * median(values), rounds=len(values))
            for name, values in self.seconds.items()
        ]
        return [*milters, *others, *core, *started]

    def ratio(
        self,
        cell: Cell,
        names: tuple[str, str],
        figure: Callable[[Turn], float],
    ) -> float | None:
        """Divide the first one's figure by the second one's; None without either."""
        one, other = (
            [t for t in self.turns if t.cell == cell and t.candidate == name]
            for name in names
        )
        pairs = [
            figure(a) / figure(b)
            for a in one
            for b in other
            if a.round == b.round and figure(b)
        ]
        return median(pairs) if pairs else None

    def ratio_of_rates(self, part: str, names: tuple[str, str]) -> float | None:
        """Do the same with rates of a part."""
        one, other = (self.rates.get(part, {}).get(name, []) for name in names)
        pairs = [a / b for a, b in zip(one, other, strict=False) if b]
        return median(pairs) if pairs else None


def write(folder: Path, rows: Iterable[Row], targets: Iterable[Figure]) -> None:
    """Write both as CSV.

    Raises:
        OSError: the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "figures.csv").open("w", newline="") as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows([_plain(value) for value in row] for row in rows)
    with (folder / "targets.csv").open("w", newline="") as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(TARGET_COLUMNS)
        for one in targets:
            bound, target, word = _judged(one)
            writer.writerow(
                [one.name, _plain(one.value), one.unit, bound, target, word]
            )


def lines(rows: Iterable[Row], targets: Iterable[Figure]) -> list[str]:
    """Write both as one table in Markdown."""
    shown = [
        "| what | measured | target | |",
        "|---|---:|---:|---|",
        *(
            f"| {one.name} | {_figure(one.value)} {one.unit}".rstrip()
            + f" | {' '.join(_judged(one)[:2]) or '-'} | {_judged(one)[2]} |"
            for one in targets
        ),
        "",
        "| | | octets | conn. | /s | CPU us | p50 us | p99 us | RSS MiB |",
        "|---|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for row in rows:
        numbers = (
            *(row.octets, row.connections, row.rate, row.cpu),
            *(row.p50, row.p99, row.rss),
        )
        cells = [_figure(one) if one else "" for one in numbers]
        shown.append(f"| {row.part} | {row.what} | {' | '.join(cells)} |")
    return shown


def _judged(one: Figure) -> tuple[str, str, str]:
    if one.target is None:
        return "", "", ""
    bound = ">=" if one.least else "<="
    return bound, f"{one.target:.3g}", "reached" if one.met else "MISSED"


def _plain(value: object) -> object:
    return f"{value:.6g}" if isinstance(value, float) else value


def _figure(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"
