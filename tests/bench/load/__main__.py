"""Measures ours and the peers in one run, and holds it against what is to be reached.

    python -m tests.bench.load [--seconds 0.7] [--out docs/performance]

Prints one table; writes it as CSV, and with --out into docs/performance.md as well.
The exit status is 0 whatever is reached, and 1 if anybody answers as it should not.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from tests.bench.core import Figure
from tests.bench.load import ours, page, peers, relay, startup, table, targets
from tests.bench.load.floor import FIELD
from tests.bench.load.measure import CONNECTIONS, SIZES, Bench, Cell
from tests.bench.load.plant import Candidate, Plant, plant
from tests.bench.load.table import Results

ROUNDS: Final = {size: 3 if size == SIZES[0] else 2 for size in SIZES}
"""Fewer of the sizes that no target is about."""

CARRYING: Final = 5
"""Rounds through Postfix."""

CARRIED: Final = 1_500
"""Messages through Postfix in a turn of a second."""

STARTS: Final = 5
_FIELDS: Final = {
    targets.FLOOR: b"",
    peers.INSERTS: FIELD.encode(),
    peers.TRANSPORT: b"",
    peers.LEAST: FIELD.encode(),
    targets.SIGNS: b"PASSporT",
    f"{targets.SIGNS} (libmilter)": b"PASSporT",
    targets.OPENDKIM: b"DKIM-Signature",
}
"""What goes beside Postfix, and the field that each message gets there."""

Say = Callable[[str], None]


def candidates() -> list[Candidate]:
    """Return all that there are here."""
    found = [peers.responder(), *peers.noops()]
    for transport in ours.TRANSPORTS:
        found += ours.candidates(transport)
    return [*found, *peers.opendkim(), *peers.dkimpy(), *ours.parts()]


def milters(
    bench: Bench, results: Results, rounds: Mapping[int, int], counts: Sequence[int]
) -> None:
    """Measure all that speak the protocol: rounds of each size."""
    for size, bench.rounds in rounds.items():
        cells = [
            Cell(kind, size, count) for kind in ("sign", "verify") for count in counts
        ]
        results.turns += bench.cells(cells)


def through_postfix(bench: Bench, results: Results, count: int, rounds: int) -> None:
    """Measure Postfix with some of them."""
    doors = {
        one.candidate.name: (one.daemon.address, _FIELDS[one.candidate.name])
        for one in bench.running
        if one.candidate.kind == "sign" and one.candidate.name in _FIELDS
    }
    daemons = {
        one.candidate.name: one.daemon
        for one in bench.running
        if one.candidate.kind == "sign"
    }
    found = results.rates.setdefault(targets.POSTFIX, {})
    with relay.relay(bench.plant.folder, doors) as running:
        for number in range(rounds + 1):
            for door in running.doors:
                daemon = daemons.get(door.name)
                before = daemon.cost().cpu_seconds if daemon else 0.0
                rate = running.turn(door, count)
                after = daemon.settled().cpu_seconds if daemon else 0.0
                if number:  # the first one warms up
                    found.setdefault(door.name, []).append(rate)
                    cost = 1e6 * (after - before) / count
                    results.costs.setdefault(door.name, []).append(cost)


def starts(shared: Plant, results: Results, count: int) -> None:
    """Time what is started anew."""
    for _ in range(count):
        for name, seconds in (
            (targets.HELP, startup.help_seconds()),
            (targets.READY, startup.ready_seconds(shared)),
        ):
            results.seconds.setdefault(name, []).append(seconds)


def core() -> list[Figure]:
    """Run the benchmark of the core in a process of its own."""
    words = [sys.executable, "-m", "tests.bench.core", "--json", "--speeds"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if not done.stdout:
        raise SystemExit(done.stderr)
    found = json.loads(done.stdout)["one thread"]
    return [
        Figure(one["name"], one["value"], one["unit"], one["target"], one["least"])
        for one in found
    ]


def main() -> int:
    """Measure everything."""
    parser = argparse.ArgumentParser(prog="tests.bench.load")
    parser.add_argument("--seconds", type=float, default=0.7, help="of each turn")
    parser.add_argument("--out", type=Path, help="folder for CSV and plots")
    arguments = parser.parse_args()
    results = Results()
    begun = time.monotonic()

    def say(text: str) -> None:
        sys.stderr.write(f"{time.monotonic() - begun:5.0f} s  {text}\n")

    say("the core, beside openssl and libsecsipid")
    results.core = core()
    with ExitStack() as stack:
        shared = stack.enter_context(plant())
        say("starting")
        starts(shared, results, STARTS)
        bench = Bench(shared, arguments.seconds)
        chosen = candidates()
        bench.start(chosen, stack)
        say(f"{len(chosen)} daemons{_absent(chosen)}")
        milters(bench, results, ROUNDS, CONNECTIONS)
        say("through Postfix")
        through_postfix(bench, results, int(CARRIED * arguments.seconds), CARRYING)
    say("done")
    rows, reached = results.rows(), targets.targets(results)
    text = table.lines(rows, reached)
    sys.stdout.write("\n".join(text) + "\n")
    if arguments.out:
        table.write(arguments.out, rows, reached)
        page.refresh(arguments.out.with_suffix(".md"), text)
    return 0


def _absent(chosen: Sequence[Candidate]) -> str:
    """Say what is not measured."""
    names = {one.name for one in chosen}
    missing = [
        why
        for name, why in {
            targets.DKIMPY: "no dkimpy-milter here: make bench-venv",
        }.items()
        if name not in names
    ]
    return "".join(f"; {why}" for why in missing)


if __name__ == "__main__":
    sys.exit(main())
