"""Curves over how many numbers are served, from a file or from an SQLite table."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import Final, NamedTuple

from tests.bench.growth import mails, site
from tests.bench.growth.curves import CPU, Curve, Effort, rounds
from tests.bench.growth.laws import Law, Point
from tests.bench.growth.site import Settings, Site
from tests.bench.load import messages
from tests.bench.load.plant import Plant

NUMBERS: Final = (10, 1_000, 100_000, 1_000_000, 10_000_000)

_SIZE: Final = 10_000
_ROWS: Final = 100_000  # at a time


class _Kind(NamedTuple):
    """A place where numbers may be."""

    name: str
    settings: Callable[[Plant, int], Settings]
    grows: bool
    """Whether a worker has them in its memory."""


class _Started(NamedTuple):
    site: Site
    seconds: float
    rss: float


def served(
    plant: Plant,
    effort: Effort,
    numbers: Sequence[int] = NUMBERS,
    names: Collection[str] | None = None,
) -> Iterator[Curve]:
    """Measure start, memory and messages with lists of several lengths.

    Args:
        plant: what the daemons need.
        effort: how much.
        numbers: lengths, each a divisor of ten million.
        names: of the kinds of lists; None is all.
    """
    for length in numbers:
        _write_list(_list(plant, length), length)
        _write_table(_table(plant, length), length)
        made = mails.sent(_SIZE, effort.messages, numbers=length)
        messages.write(_mails(plant, length), made)
    for kind in _KINDS:
        if names is None or kind.name in names:
            yield from _curves(plant, kind, effort, numbers)
    for length in numbers:
        for path in (_list(plant, length), _table(plant, length)):
            path.unlink()


def _curves(
    plant: Plant, kind: _Kind, effort: Effort, numbers: Sequence[int]
) -> Iterator[Curve]:
    with ExitStack() as stack:
        started = {length: _start(plant, kind, length, stack) for length in numbers}
        for length, one in started.items():
            one.site.run(_mails(plant, length), effort.messages // 2, 4)
        cpu = rounds(
            numbers,
            effort.rounds,
            lambda length: started[length].site.cost(
                _mails(plant, length), effort.messages
            ),
        )
    law = Law.LINEAR if kind.grows else Law.FLAT
    read = (
        "each line is read once, before the workers fork, into eight octets that they"
        " share"
    )
    why = read if kind.grows else "nothing of the table is read before a message asks"
    for of, expected, reason, values in (
        (
            CPU,
            Law.LOGARITHMIC,
            "a number is found by halving" if kind.grows else "an index is a tree",
            cpu,
        ),
        (
            "seconds of CPU to start",
            law,
            why,
            {length: one.seconds for length, one in started.items()},
        ),
        (
            "MiB of a worker",
            law,
            why,
            {length: one.rss for length, one in started.items()},
        ),
    ):
        yield Curve(
            panel="numbers served",
            name=kind.name,
            unit="number",
            of=of,
            expected=expected,
            why=reason,
            points=[Point(length, values[length]) for length in numbers],
        )


def _start(plant: Plant, kind: _Kind, length: int, stack: ExitStack) -> _Started:
    name = f"growth-{length}"
    for leftover in plant.folder.glob(f"{name}-*.sqlite*"):
        leftover.unlink()
    settings = kind.settings(plant, length)
    made = stack.enter_context(site.running(plant, name, site.SIGNED, settings))
    return _Started(made, made.daemon.cost().cpu_seconds, made.rss())


def _signer(plant: Plant, length: int) -> Settings:
    return site.signer(plant, [f"@{_list(plant, length)}"])


def _submitter(plant: Plant, length: int) -> Settings:
    return _submitters(f"@{_list(plant, length)}")


def _asked(plant: Plant, length: int) -> Settings:
    return _submitters(f"sqlite:{_table(plant, length)}?subscriber.msisdn")


def _submitters(source: str) -> Settings:
    return {
        "submitter": [
            {"name": "mmsc", "networks": ["127.0.0.0/8"], "numbers": [source]}
        ]
    }


_KINDS: Final = (
    _Kind("a signer's file", _signer, grows=True),
    _Kind("a submitter's file", _submitter, grows=True),
    _Kind("a submitter's SQLite table", _asked, grows=False),
)


def _list(plant: Plant, length: int) -> Path:
    return plant.folder / f"numbers-{length}.txt"


def _table(plant: Plant, length: int) -> Path:
    return plant.folder / f"numbers-{length}.sqlite"


def _mails(plant: Plant, length: int) -> Path:
    return plant.folder / f"numbers-{length}.mails"


def _write_list(path: Path, length: int) -> None:
    """Write numbers in order, as ``sort`` would."""
    first = int(mails.PREFIX) * mails.NUMBERS
    numbers = mails.spread(length)
    with path.open("w", encoding="ascii") as out:
        for at in range(0, length, _ROWS):
            part = numbers[at : at + _ROWS]
            lines = "\n+".join(
                map(str, range(first + part[0], first + part.stop, part.step))
            )
            out.write(f"+{lines}\n")


def _write_table(path: Path, length: int) -> None:
    """Write the same numbers as a column that has an index."""
    with suppress(FileNotFoundError):
        path.unlink()
    numbers = mails.spread(length)
    with closing(sqlite3.connect(path, isolation_level=None)) as made:
        made.execute("PRAGMA journal_mode = OFF")
        made.execute("PRAGMA synchronous = OFF")
        made.execute("CREATE TABLE subscriber (msisdn TEXT PRIMARY KEY) WITHOUT ROWID")
        made.execute("BEGIN")
        made.execute(
            "WITH RECURSIVE n (v) AS (SELECT ? UNION ALL SELECT v + ? FROM n LIMIT ?)"
            " INSERT INTO subscriber SELECT v FROM n",  # which become texts
            (int(mails.PREFIX) * mails.NUMBERS, numbers.step, length),
        )
        made.execute("COMMIT")
