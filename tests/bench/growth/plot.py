"""Draws ``growth.csv``: a panel for each thing that grows.

    build/bench/venv/bin/python -m tests.bench.growth.plot docs/performance

Reads growth.csv of the folder and nothing else; matplotlib is in that environment
alone.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import Any, Final

Axes = Any  # matplotlib's

COLUMNS: Final = 3
SIZE: Final = (4.2, 3.4)  # inches of a panel
_WIDE: Final = 60  # times the least: on a logarithmic axis
_TALL: Final = 25

Lines = dict[str, list[tuple[float, float]]]
"""Points by the name of their curve."""


def panels(path: Path) -> dict[tuple[str, str, str], Lines]:
    """Read curves by their panel, what y is, and what x is.

    Raises:
        OSError: no such file.
    """
    found: dict[tuple[str, str, str], Lines] = {}
    with path.open(newline="") as rows:
        for row in csv.DictReader(rows):
            lines = found.setdefault((row["panel"], row["of"], row["unit"]), {})
            point = float(row["x"]), float(row["y"])
            lines.setdefault(row["curve"], []).append(point)
    return found


def draw(folder: Path) -> None:
    """Write ``growth.png`` and ``growth.svg``.

    Raises:
        ImportError: matplotlib is not there.
    """
    # No types and no place in the environment of the tests.
    import matplotlib as mpl  # type: ignore[import-not-found]  # noqa: PLC0415

    mpl.use("agg")
    mpl.rcParams["svg.hashsalt"] = "growth"  # the same figures, the same file
    from matplotlib import pyplot as plt  # noqa: PLC0415

    found = panels(folder / "growth.csv")
    height = -(-len(found) // COLUMNS)
    figure, axes = plt.subplots(
        height,
        COLUMNS,
        figsize=(SIZE[0] * COLUMNS, SIZE[1] * height),
        squeeze=False,
        layout="constrained",
    )
    places: list[Axes] = list(axes.flat)
    for place in places[len(found) :]:
        place.remove()
    for place, ((panel, of, unit), lines) in zip(places, found.items(), strict=False):
        _panel(place, f"{panel}: {of}", f"{unit}s" if unit != "kB" else unit, lines)
    figure.savefig(folder / "growth.png", dpi=110)
    figure.savefig(folder / "growth.svg", metadata={"Date": None})
    plt.close(figure)


def _panel(place: Axes, title: str, unit: str, lines: Lines) -> None:
    for name, points in lines.items():
        place.plot(*zip(*points, strict=True), marker="o", markersize=3, label=name)
    every = [point for points in lines.values() for point in points]
    places, heights = ([point[axis] for point in every] for axis in (0, 1))
    if max(places) > _WIDE * min(places):
        place.set_xscale("log")
    else:
        place.set_xticks(sorted(set(places)))
    if max(heights) > _TALL * min(heights):
        place.set_yscale("log")
    else:
        place.set_ylim(0, 1.15 * max(heights))
    place.set_title(title, fontsize=9)
    place.set_xlabel(unit, fontsize=8)
    place.tick_params(labelsize=7)
    place.grid(visible=True, alpha=0.3)
    place.legend(fontsize=7)


if __name__ == "__main__":
    draw(Path(sys.argv[1]))
