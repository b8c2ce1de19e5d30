"""What a curve is: a cost over what it may depend on, and the law it should follow."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self, TypeVar

from tests.bench.growth.laws import FLAT_RATIO, Found, Law, Point, judge

_OCTETS: Final = 100_000  # that cost about what the rest of a message does
_LITTLE: Final = 0.5

At = TypeVar("At")

POINT_COLUMNS: Final = ("panel", "curve", "x", "unit", "y", "of")
LAW_COLUMNS: Final = (
    *("panel", "curve", "expected", "found", "as_expected", "ratio", "exponent"),
    *("slope", "residual", "why"),
)
CPU: Final = "us of CPU per message"
GAIN: Final = 0.4
"""What each step up to there must add, of the first: the load client runs here too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """One line in one panel."""

    panel: str
    name: str
    unit: str
    """Of x."""

    of: str
    """What y is."""

    expected: Law
    """The worst that it may be."""

    why: str
    points: Sequence[Point]

    @property
    def found(self) -> Found:
        """What its points tell."""
        return judge(self.points)

    @property
    def expectation(self) -> str:
        """The law in a word."""
        return str(self.expected)

    @property
    def word(self) -> str:
        """What was found, in a word."""
        return str(self.found.law)

    @property
    def as_expected(self) -> bool:
        """Whether it grows no faster than it should."""
        return self.found.law <= self.expected

    def figures(self) -> list[str]:
        """Write what the word rests on."""
        found = self.found
        more = [f"{found.ratio:.2f} x"]
        if found.law >= Law.LINEAR:
            more += [
                f"{found.slope:.3g} per {self.unit}",
                f"off the line through the ends by {found.residual:.0%}",
            ]
        if found.law > Law.FLAT:
            more.append(f"as x^{found.exponent:.2f}")
        return more

    def line(self) -> str:
        """Write it for a reader: the word, and the figures that it rests on."""
        first, last = self.points[0], self.points[-1]
        word, more = self.word, "; ".join(self.figures())
        if not self.as_expected:
            word = f"NOT AS EXPECTED, {word} instead of {self.expectation}"
        return (
            f"{self.panel}: {self.name}, {self.of}: {word}: "
            f"{short(first.y)} at {short(first.x)}, {short(last.y)} at"
            f" {short(last.x)} {self.unit}s ({more})"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Rising(Curve):
    """One that should rise with x up to a place, and be flat beyond it."""

    until: float

    @property
    def expectation(self) -> str:
        """The law in a word."""
        return f"rising to {self.until:g}, then flat"

    @property
    def word(self) -> str:
        """What was found, in a word."""
        risen = "rising" if self._gain >= self._least else "hardly rising"
        then = "flat" if self._beyond <= FLAT_RATIO else "not flat"
        return f"{risen} to {self.until:g}, then {then}"

    @property
    def as_expected(self) -> bool:
        """Whether it does both."""
        return self.word == self.expectation

    def figures(self) -> list[str]:
        """Write what the word rests on."""
        return [
            f"{self._gain:.2f} x at {self.until:g}, at least {self._least:.2f}",
            f"beyond it, within {self._beyond:.2f} x",
        ]

    @property
    def _gain(self) -> float:
        """What there is at the place, of what there is first."""
        return self._beyond_points[0].y / self.points[0].y

    @property
    def _least(self) -> float:
        return 1 + GAIN * (self._beyond_points[0].x / self.points[0].x - 1)

    @property
    def _beyond(self) -> float:
        """The highest from there on, of the lowest."""
        values = [point.y for point in self._beyond_points]
        return max(values) / min(values)

    @property
    def _beyond_points(self) -> Sequence[Point]:
        return [p for p in self.points if p.x >= self.until] or self.points[-1:]


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How much is measured."""

    messages: int = 100
    """Of a turn, where they are short."""

    rounds: int = 3
    seconds: float = 1.0
    """Of a turn in which as many are sent as there is time for."""

    claims: int = 3_000
    """Of replay keys, in a turn."""

    @classmethod
    def of_a_run(cls, part: float) -> Self:
        """Return that of a part of the usual run, which takes three minutes."""
        return cls(
            messages=max(4, int(part * 100)),
            rounds=3 if part > _LITTLE else 2,
            seconds=part,
            claims=max(100, int(part * 3_000)),
        )

    def of(self, size: int) -> int:
        """Return how many messages with a body of a size cost as much."""
        return max(2, self.messages * _OCTETS // (_OCTETS + size))


def rounds(
    points: Iterable[At], times: int, measure: Callable[[At], float]
) -> dict[At, float]:
    """Measure each point in turn, again and again, and return the least of each.

    What else the machine does only ever makes it more, and disturbs all points alike.
    """
    found: dict[At, float] = {}
    wanted = list(points)
    for _ in range(times):
        for point in wanted:
            value = measure(point)
            found[point] = min(value, found.get(point, value))
    return found


def write(folder: Path, curves: Iterable[Curve]) -> None:
    """Write ``growth.csv``, a row for each point, and ``growth-laws.csv``.

    Raises:
        OSError: the folder cannot be written.
    """
    found = list(curves)
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder / "growth.csv", POINT_COLUMNS, map(_points, found))
    _write(folder / "growth-laws.csv", LAW_COLUMNS, ([_law(one)] for one in found))


def table(curves: Iterable[Curve]) -> list[str]:
    """Write them as a table in Markdown."""
    rows = [
        "| over | what | should be | is | from | to | in figures |",
        "|---|---|---|---|---:|---:|---|",
    ]
    for curve in curves:
        first, last = curve.points[0], curve.points[-1]
        word = curve.word if curve.as_expected else f"**{curve.word}: not as expected**"
        cells = [
            curve.panel,
            f"{curve.name}, {curve.of}",
            curve.expectation,
            word,
            f"{short(first.y)} at {short(first.x)}",
            f"{short(last.y)} at {short(last.x)}",
            "; ".join(curve.figures()),
        ]
        rows.append(f"| {' | '.join(cells)} |")
    return rows


def _write(
    path: Path, columns: Sequence[str], rows: Iterable[Iterable[Sequence[str]]]
) -> None:
    with path.open("w", newline="") as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(columns)
        for several in rows:
            writer.writerows(several)


def _points(curve: Curve) -> Iterator[list[str]]:
    for x, y in curve.points:
        names = [curve.panel, curve.name]
        yield [*names, f"{x:g}", curve.unit, f"{y:.5g}", curve.of]


def _law(curve: Curve) -> list[str]:
    found = curve.found
    flat = found.law is Law.FLAT
    return [
        curve.panel,
        f"{curve.name}, {curve.of}",
        curve.expectation,
        curve.word,
        "yes" if curve.as_expected else "NO",
        f"{found.ratio:.3g}",
        "" if flat else f"{found.exponent:.2f}",
        f"{found.slope:.3g}",
        f"{found.residual:.3f}",
        curve.why,
    ]


def short(value: float) -> str:
    """Write a figure with as many digits as anybody reads."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
