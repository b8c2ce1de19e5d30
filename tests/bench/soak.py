"""Whether a worker stays as small as it begins: a hundred thousand messages, weighed.

    python -m tests.bench.soak [--messages 100000]

A body is hashed as it streams and never kept, so nothing has to be spooled: what shows
that is the weight. Rss is what a worker occupies, pages shared with its siblings
included, and is what is judged; Pss counts a shared page for its share, which depends
on whatever else this machine runs. Fails if an idle worker has 80 MiB or more, or if
one grows by 5 % between the first tenth of the messages and the last. In that tenth all
kinds of mail are as frequent, so that what is remembered of strangers, which has its
bounds, is there before the weighing: what grows after that is lost.
"""

from __future__ import annotations

import argparse
import math
import os
import re
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Final, NamedTuple

from tests.bench.traffic import Plant, plant, send

MESSAGES: Final = 100_000
SAMPLES: Final = 10
IDLE: Final = 80.0  # MiB
GROWTH: Final = 0.05

_UNIT: Final = Path("systemd/stirmilter.service")
_ALLOCATOR: Final = re.compile(r"^Environment=(MALLOC_\w+)=(\w+)$", re.MULTILINE)


class Weight(NamedTuple):
    """Of one process, in MiB."""

    rss: float
    pss: float


def weigh(pid: int) -> Weight:
    """Ask the kernel."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    found = {}
    for line in rollup.splitlines()[1:]:
        name, octets = line.split()[:2]
        found[name] = int(octets) / 1024
    return Weight(found["Rss:"], found["Pss:"])


def allocator() -> dict[str, str]:
    """Return what the systemd unit tells the C library of its memory."""
    return dict(_ALLOCATOR.findall(_UNIT.read_text(encoding="utf-8")))


@dataclass
class Scales:
    """Weighs all workers whenever so many messages more have been answered."""

    plant: Plant
    every: int
    rows: dict[int, dict[int, Weight]] = field(default_factory=dict)
    """By count of messages and process."""

    quiet: bool = False
    """Prints nothing."""

    started: float = field(default_factory=time.monotonic)
    lock: Lock = field(default_factory=Lock)

    def weigh(self, count: int) -> None:
        """Look whether it is time; if so, weigh, and print a row of the table."""
        due = count - count % self.every
        with self.lock:
            if due in self.rows:
                return
            row = self.rows[due] = {pid: weigh(pid) for pid in self.plant.workers()}
            if self.quiet:
                return
            cells = " |".join(f"{one.rss:7.1f} {one.pss:7.1f}" for one in row.values())
            seconds = time.monotonic() - self.started
            sys.stdout.write(f"{count:9d} {seconds:6.0f} s {cells}\n")
            sys.stdout.flush()

    def growth(self, start: int, pid: int) -> float:
        """Return by what part the Rss of a worker grew since."""
        first, last = self.rows[start].get(pid), self.rows[max(self.rows)].get(pid)
        if first is None or last is None:
            return math.inf  # it was replaced
        return last.rss / first.rss - 1


def main() -> int:
    """Run, print a table, and tell whether all is as it should be."""
    parser = argparse.ArgumentParser(prog="tests.bench.soak")
    parser.add_argument("--messages", type=int, default=MESSAGES)
    count = max(parser.parse_args().messages, 2 * SAMPLES)
    every = count // SAMPLES
    os.environ.update(allocator())
    with plant() as running:
        scales = Scales(running, every)
        heading = " |".join(["    Rss     Pss"] * running.count)
        sys.stdout.write(f" messages     time {heading}  MiB\n")
        scales.weigh(0)
        send(running, range(count), scales.weigh, evil=every)
        for outcome, times in running.outcomes.most_common():
            sys.stdout.write(f"{times:9d} {outcome}\n")
        died = "replaced" in running.log.read_text(errors="replace")
    return _judge(scales, every, died=died)


def _judge(scales: Scales, start: int, *, died: bool) -> int:
    idle = max(one.rss for one in scales.rows[0].values())
    growth = max(scales.growth(start, pid) for pid in scales.rows[0])
    rows = [
        (f"idle, Rss: {idle:.1f} MiB, less than {IDLE:g}", idle < IDLE),
        (
            f"growth since {start}: {growth:.1%}, less than {GROWTH:.0%}",
            growth < GROWTH,
        ),
        ("no worker died", not died),
    ]
    for text, met in rows:
        sys.stdout.write(f"{text}  {'met' if met else 'NOT MET'}\n")
    return 0 if all(met for _, met in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
