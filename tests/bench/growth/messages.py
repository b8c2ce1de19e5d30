"""Curves over what a message is: how many recipients, and how long a body."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from tests.bench.growth import mails, site
from tests.bench.growth.curves import CPU, Curve, Effort, rounds
from tests.bench.growth.laws import Law, Point
from tests.bench.growth.site import Settings, Site
from tests.bench.load import messages
from tests.bench.load.corpus import DOMAIN, SELECTOR
from tests.bench.load.plant import Fields, Plant

RECIPIENTS: Final = (1, 2, 5, 10, 20, 50)
BODIES: Final = (1_000, 10_000, 100_000, 1_000_000, 10_000_000)

_SIZE: Final = 10_000
_EACH_LEAVES: Final = (
    "each has an address to read, and an entry in dest that is signed, encoded and"
    " inserted"
)
_EACH_ARRIVES: Final = (
    "each has an address and an entry in dest to read, and a replay key in the claim"
)
_OCTETS: Final = (
    "every octet is received and hashed once for each digest, as it arrives, and only"
    " the hashes are signed"
)


class _Form(NamedTuple):
    """Of messages."""

    size: int
    recipients: int
    messages: int
    """Of a turn."""


class Task(NamedTuple):
    """One line in both panels."""

    name: str
    arrives: bool
    insert: Fields
    settings: Settings


def tasks(plant: Plant) -> list[Task]:
    """Name what is done with messages."""
    signs: Settings = {
        "dkim": {
            "domain": DOMAIN,
            "selector": SELECTOR,
            "key": str(plant.keys["rsa"]),
        }
    }
    checks: Settings = {"checks": {"methods": ["dkim"]}}
    return [
        Task("signing", False, site.SIGNED, {}),
        Task("signing with DKIM", False, site.SIGNED_TWICE, signs),
        Task("verifying", True, site.VERIFIED, {}),
        Task("verifying with DKIM", True, site.VERIFIED_TWICE, checks),
    ]


def recipients_and_bodies(
    plant: Plant,
    effort: Effort,
    counts: Sequence[int] = RECIPIENTS,
    sizes: Sequence[int] = BODIES,
    names: Collection[str] | None = None,
) -> Iterator[Curve]:
    """Measure messages of 10 kB to several, and messages of any size to one.

    Args:
        plant: what the daemons need.
        effort: how much.
        counts: of recipients.
        sizes: octets of bodies.
        names: of the tasks; None is all.
    """
    wanted = {
        task.name: task for task in tasks(plant) if names is None or task.name in names
    }
    starts = {
        name: site.running(plant, f"growth-{at}", task.insert, task.settings)
        for at, (name, task) in enumerate(wanted.items())
    }
    with site.together(starts) as running:
        several = _measured(
            *(plant, effort, wanted, running),
            {count: _Form(_SIZE, count, effort.messages) for count in counts},
        )
        for name, points in several.items():
            yield Curve(
                panel="recipients",
                name=name,
                unit="recipient",
                of=CPU,
                expected=Law.LINEAR,
                why=_EACH_ARRIVES if wanted[name].arrives else _EACH_LEAVES,
                points=points,
            )
        sized = _measured(
            *(plant, effort, wanted, running),
            {size: _Form(size, 1, effort.of(size)) for size in sizes},
        )
    for name, points in sized.items():
        yield Curve(
            panel="body",
            name=name,
            unit="kB",
            of=CPU,
            expected=Law.LINEAR,
            why=_OCTETS,
            points=[Point(x / 1_000, y) for x, y in points],
        )


def _measured(
    plant: Plant,
    effort: Effort,
    wanted: Mapping[str, Task],
    running: Mapping[str, Site],
    forms: Mapping[int, _Form],
) -> dict[str, list[Point]]:
    """Measure each task for each form, in rounds, so that all suffer alike."""
    files: dict[tuple[str, int], Path] = {}
    for name, task in wanted.items():
        for x, form in forms.items():
            path = plant.folder / f"growth-{len(files)}.mails"
            warm = form.messages // 2 + 1
            total = warm + form.messages * effort.rounds
            made = (
                mails.received(form.size, total, plant, recipients=form.recipients)
                if task.arrives
                else mails.sent(form.size, total, recipients=form.recipients)
            )
            messages.write(path, made)
            files[name, x] = path
            running[name].run(path, warm, 4)

    def cost(key: tuple[str, int]) -> float:
        return running[key[0]].cost(files[key], forms[key[1]].messages)

    found = rounds(files, effort.rounds, cost)
    for (name, _), path in files.items():
        running[name].forget(path)
    return {name: [Point(x, found[name, x]) for x in forms] for name in wanted}
