"""Growth: what each cost does while workers, numbers, keys, recipients or bodies grow.

    python -m tests.bench.growth [--effort 1.0] [--out docs/performance]

Prints a line for each curve, with the law that its points follow; with --out, writes
them to ``growth.csv`` and ``growth-laws.csv`` and into docs/performance.md, and
`tests.bench.growth.plot` draws them. The exit status is 0 even if a curve is not as it
should be, which the lines say, and 1 if a message is not answered as it should be.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from tests.bench.growth import curves, keys, lists, messages, workers
from tests.bench.growth.curves import Curve, Effort
from tests.bench.load import page
from tests.bench.load.plant import Plant, plant

Panel = Callable[[Plant, Effort], Iterator[Curve]]

PANELS: Final[Mapping[str, Panel]] = {
    "workers": workers.workers,
    "numbers": lists.served,
    "keys": keys.live,
    "messages": messages.recipients_and_bodies,
}


def main(arguments: Sequence[str]) -> int:
    """Measure, print, and write."""
    parser = argparse.ArgumentParser(prog="tests.bench.growth")
    parser.add_argument("--effort", type=float, default=1.0, help="of 3 minutes")
    parser.add_argument("--out", type=Path, help="folder for CSV")
    parser.add_argument("--only", nargs="+", choices=PANELS, default=list(PANELS))
    chosen = parser.parse_args(arguments)
    found: list[Curve] = []
    with plant() as running:
        for name in chosen.only:
            for curve in PANELS[name](running, Effort.of_a_run(chosen.effort)):
                found.append(curve)
                sys.stdout.write(f"{curve.line()}\n")
                sys.stdout.flush()
    if chosen.out:
        curves.write(chosen.out, found)
        page.refresh(chosen.out.with_suffix(".md"), curves.table(found), "growth")
    wrong = sum(not curve.as_expected for curve in found)
    sys.stdout.write(f"{len(found)} curves, {wrong} not as expected\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
