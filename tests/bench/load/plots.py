"""Draws the figures of a run, as PNG and SVG.

    build/bench/venv/bin/python -m tests.bench.load.plots docs/performance

Reads figures.csv of the folder and nothing else; matplotlib is in that environment
alone.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

Row = dict[str, str]

COLOURS: Final = {
    "stirmilter": "#0b5fa5",
    "stirmilter (libmilter)": "#5aa9e6",
    "stirmilter STIR": "#0b5fa5",
    "stirmilter STIR (libmilter)": "#5aa9e6",
    "stirmilter STIR+SPF+DKIM+DMARC": "#123a5c",
    "stirmilter STIR+SPF+DKIM+DMARC (libmilter)": "#7d93a8",
    "OpenDKIM RSA-2048": "#c8553d",
    "OpenDKIM Ed25519": "#e39a7b",
    "dkimpy-milter RSA-2048": "#8c6bb1",
    "no-op pymilter": "#9a9a9a",
    "no-op libmilter": "#c9c9c9",
    "no milter": "#dddddd",
}
"""Ours is blue; who is not named here is not drawn."""

SIZES: Final = ("10000", "300000", "1000000")
CONNECTIONS: Final = ("1", "8", "32")
LABELS: Final = {"10000": "10 kB", "300000": "300 kB", "1000000": "1 MB"}


def read(folder: Path) -> list[Row]:
    """Read the figures."""
    with (folder / "figures.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def series(
    rows: Sequence[Row], part: str, column: str, by: str, **fixed: str
) -> dict[str, dict[str, float]]:
    """Return a figure of each candidate, by the value of another column."""
    found: dict[str, dict[str, float]] = {}
    for row in rows:
        if row["part"] != part or row["what"] not in COLOURS:
            continue
        if all(row[name] == value for name, value in fixed.items()):
            found.setdefault(row["what"], {})[row[by]] = float(row[column])
    return found


def draw(rows: Sequence[Row], folder: Path) -> None:
    """Draw all of it."""
    # No types and no place in the environment of the tests.
    import matplotlib as mpl  # type: ignore[import-not-found]  # noqa: PLC0415

    mpl.use("agg")
    mpl.rcParams.update({"svg.hashsalt": "stirmilter", "font.size": 9})
    from matplotlib import pyplot as plt  # noqa: PLC0415

    figure, axes = plt.subplots(3, 2, figsize=(11, 12), layout="constrained")
    for column, part, title in ((0, "sign", "Signing"), (1, "verify", "Verifying")):
        cpu = series(rows, part, "cpu_us", "octets", connections="8")
        _bars(axes[0][column], cpu, SIZES, LABELS.__getitem__)
        axes[0][column].set_title(f"{title}: CPU for each message, 8 connections (µs)")
        rate = series(rows, part, "messages_per_second", "connections", octets=SIZES[0])
        _bars(axes[1][column], rate, CONNECTIONS, "{} conn.".format)
        axes[1][column].set_title(f"{title}: messages in a second, 10 kB")
    spread = series(rows, "sign", "p99_us", "connections", octets=SIZES[0])
    _bars(axes[2][0], spread, CONNECTIONS, "{} conn.".format)
    axes[2][0].set_title("Signing: p99 of the latency, 10 kB (µs)")
    carried = series(rows, "postfix", "messages_per_second", "octets")
    _bars(axes[2][1], carried, ("0",), lambda _: "")
    axes[2][1].set_yscale("linear")
    axes[2][1].set_title("Through Postfix: messages in a second, 10 kB")
    for row in axes:
        for one in row:
            one.spines[["top", "right"]].set_visible(False)
            if one.has_data():
                place = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.07)}
                one.legend(fontsize=7, frameon=False, ncols=3, **place)
    figure.savefig(folder / "performance.png", dpi=110)
    figure.savefig(folder / "performance.svg", metadata={"Date": None})


def _bars(
    axis: Any,  # noqa: ANN401 - matplotlib's
    found: dict[str, dict[str, float]],
    places: Sequence[str],
    label: Callable[[str], str],
) -> None:
    """Draw a group of bars for each place, on a scale of decades."""
    width = 0.8 / max(1, len(found))
    for number, name in enumerate(one for one in COLOURS if one in found):
        values = [found[name].get(place, 0.0) for place in places]
        at = [place + number * width for place in range(len(places))]
        bars = axis.bar(at, values, width, label=name, color=COLOURS[name])
        axis.bar_label(
            bars, fmt=lambda v: f"{v:,.0f}", fontsize=5, rotation=90, padding=2
        )
    axis.set_yscale("log")
    axis.margins(y=0.2)
    middle = 0.4 - width / 2
    axis.set_xticks([place + middle for place in range(len(places))])
    axis.set_xticklabels([label(place) for place in places])


if __name__ == "__main__":
    draw(read(Path(sys.argv[1])), Path(sys.argv[1]))
