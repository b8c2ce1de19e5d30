"""stirmilter as it is measured: what is not named here is as it is shipped.

So it writes a line for each message and keeps a journal, and verifying remembers
tokens in SQLite. The journal is written more often, so that a turn is charged for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from tests.bench.load import daemon
from tests.bench.load.daemon import Daemon
from tests.bench.load.plant import Candidate, Fields, Kind, Plant
from tests.configurations import BOTH_WAYS, PATIENT_DNS

WORKERS: Final = 2
TRANSPORTS: Final = ("native", "libmilter")
"""Who speaks the protocol; the first is how it is shipped."""

_CONFIGURATION: Final = (
    """\
[milter]
sockets = ["unix:{folder}/{name}.sock"]
authserv_id = "mx.two.example"
workers = {workers}
{milter}
"""
    + BOTH_WAYS
    + """\
[replay]
store = "{replay}"
seconds = 30.0
[journal]
path = "{journal}"
flush_seconds = {flush}
[dns]
servers = ["{port}@{address}"]
"""
    + PATIENT_DNS
    + """\
[checks]
{checks}
{more}
"""
)

_EVERYTHING: Final = 'methods = ["spf", "dkim", "arc", "dmarc"]'
_SIGNED: Final = (("PASSporT", "ppt=msg"),)
_RESULTS: Final = "Authentication-Results"


@contextmanager
def running(
    plant: Plant,
    name: str,
    *,
    milter: str = "",
    checks: str = "",
    workers: int = WORKERS,
    replay: str = "sqlite:{folder}/{name}-replay.sqlite",
    journal: str = "{folder}/{name}-journal.sqlite",
    more: str = "",
) -> Iterator[Daemon]:
    """Run one with settings of its own until the block ends."""
    address, port = plant.dns
    configuration = plant.folder / f"{name}.toml"
    configuration.write_text(
        _CONFIGURATION.format(
            folder=plant.folder,
            name=name,
            workers=workers,
            flush=daemon.FLUSH_SECONDS,
            milter=milter,
            ca=plant.ca.folder,
            base=plant.base,
            address=address,
            port=port,
            checks=checks,
            replay=replay.format(folder=plant.folder, name=name),
            journal=journal.format(folder=plant.folder, name=name),
            more=more,
        )
    )
    with daemon.stirmilter(configuration, f"unix:{plant.folder}/{name}.sock") as made:
        yield made


def candidates(transport: str) -> list[Candidate]:
    """Return what is measured with a transport."""
    suffix = "" if transport == TRANSPORTS[0] else f" ({transport})"
    milter = f'transport = "{transport}"'

    def make(
        title: str, name: str, kind: Kind, insert: Fields, checks: str
    ) -> Candidate:
        @contextmanager
        def start(plant: Plant) -> Iterator[Daemon]:
            its_name = name + transport
            with running(plant, its_name, milter=milter, checks=checks) as made:
                yield made

        return Candidate(title + suffix, kind, start, insert, kind == "verify")

    def found(*words: str) -> Fields:
        return [(_RESULTS, f"{word}=pass") for word in words]

    all_found = found("stir", "spf", "dkim", "dmarc")
    return [
        make("stirmilter", "sign", "sign", _SIGNED, _EVERYTHING),
        make("stirmilter STIR", "stir", "verify", found("stir"), "methods = []"),
        make("stirmilter STIR+SPF+DKIM+DMARC", "all", "verify", all_found, _EVERYTHING),
    ]


def parts() -> list[Candidate]:
    """Return what is measured to see which part costs what: each lacks one."""

    @contextmanager
    def quiet(plant: Plant) -> Iterator[Daemon]:
        more = '[log]\nlevel = "warning"'
        with running(plant, "quiet", checks=_EVERYTHING, more=more) as made:
            yield made

    @contextmanager
    def forgetful(plant: Plant) -> Iterator[Daemon]:
        with running(plant, "forgetful", checks=_EVERYTHING, journal="") as made:
            yield made

    @contextmanager
    def alone(plant: Plant) -> Iterator[Daemon]:
        with running(plant, "alone", checks=_EVERYTHING, workers=1) as made:
            yield made

    @contextmanager
    def memory(plant: Plant) -> Iterator[Daemon]:
        store = "memory:"
        with running(plant, "memory", checks="methods = []", replay=store) as made:
            yield made

    return [
        Candidate("stirmilter, no log lines", "sign", quiet, _SIGNED, apart=True),
        Candidate("stirmilter, no journal", "sign", forgetful, _SIGNED, apart=True),
        Candidate("stirmilter, one worker", "sign", alone, _SIGNED, apart=True),
        Candidate(
            "stirmilter STIR, replays in memory",
            "verify",
            memory,
            [(_RESULTS, "stir=pass")],
            remembers=True,
            apart=True,
        ),
    ]
