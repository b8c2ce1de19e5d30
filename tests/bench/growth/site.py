"""A daemon with settings of its own, and what a message costs there."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from tests.bench.load import client, daemon
from tests.bench.load.daemon import Daemon
from tests.bench.load.plant import Fields, Plant

Name = TypeVar("Name")

Settings = Mapping[str, Mapping[str, object] | Sequence[Mapping[str, object]]]
"""Sections of the configuration; a section that is a sequence is written as blocks."""

SIGNED: Final = (("PASSporT", "ppt=msg"),)
SIGNED_TWICE: Final = (*SIGNED, ("DKIM-Signature", "bh="))
RESULT: Final = "Authentication-Results"
VERIFIED: Final = ((RESULT, "stir=pass"),)
VERIFIED_TWICE: Final = (*VERIFIED, (RESULT, "dkim=pass"))


@dataclass
class Site:
    """A daemon that runs, and messages for it that are not used up yet."""

    daemon: Daemon
    insert: Fields
    taken: dict[Path, int]

    def run(
        self, file: Path, count: int, connections: int, seconds: float | None = None
    ) -> client.Run:
        """Send the next messages of a file.

        Raises:
            MisledError: one was not answered as it should be.
        """
        first = self.taken.get(file, 0)
        run = client.run(
            file,
            self.daemon.address,
            connections=connections,
            first=first,
            count=count if seconds is None else None,
            seconds=seconds,
            insert=self.insert,
        )
        self.taken[file] = first + run.messages
        return run

    def forget(self, file: Path) -> None:
        """Remove a file of messages."""
        self.taken.pop(file, None)
        file.unlink()

    def cost(self, file: Path, count: int, connections: int = 4) -> float:
        """Return the microseconds of processor time for each of so many messages."""
        before = self.daemon.cost().cpu_seconds
        self.run(file, count, connections)
        after = self.daemon.settled().cpu_seconds
        return 1e6 * (after - before) / count

    def rss(self) -> float:
        """Return the MiB of the largest worker, shared pages included."""
        pages = [
            int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
            for pid in self.daemon.processes()[1:]
        ]
        return max(pages) * 4096 / 2**20


@contextmanager
def running(
    plant: Plant, name: str, insert: Fields, settings: Settings
) -> Iterator[Site]:
    """Run a daemon until the block ends; what `settings` says not is as it is shipped.

    Raises:
        ConfigError: it does not come up; the text is its log.
    """
    path = plant.folder / f"{name}.toml"
    sections = {**_usual(plant, name)}
    for section, values in settings.items():
        usual = sections.get(section, {})
        if isinstance(usual, Mapping) and isinstance(values, Mapping):
            sections[section] = {**usual, **values}
        else:
            sections[section] = values
    path.write_text("\n".join(_lines(sections)))
    address = f"unix:{plant.folder}/{name}.sock"
    with daemon.stirmilter(path, address) as made:
        yield Site(made, insert, {})


@contextmanager
def together(
    starts: Mapping[Name, AbstractContextManager[Site]],
) -> Iterator[dict[Name, Site]]:
    """Start several at once, and stop them at once when the block ends.

    Raises:
        ConfigError: one of them does not come up.
    """
    with ThreadPoolExecutor(max(1, len(starts))) as pool:
        begun = {name: pool.submit(one.__enter__) for name, one in starts.items()}
        wait(begun.values())
        try:
            yield {name: one.result() for name, one in begun.items()}
        finally:
            came = [starts[name] for name in starts if not begun[name].exception()]
            wait([pool.submit(one.__exit__, None, None, None) for one in came])


def signer(plant: Plant, numbers: Sequence[str]) -> Settings:
    """Have the plant's key sign for some numbers."""
    ca = plant.ca.folder
    return {
        "signer": [
            {
                "name": "spc",
                "key": f"{ca}/keys/spc.key",
                "chain": f"{ca}/www/spc.pem",
                "x5u": f"{plant.base}/spc.pem",
                "numbers": numbers,
            }
        ]
    }


def _usual(plant: Plant, name: str) -> Settings:
    folder, ca = plant.folder, plant.ca.folder
    address, port = plant.dns
    return {
        "milter": {
            "sockets": [f"unix:{folder}/{name}.sock"],
            "authserv_id": "mx.two.example",
            "workers": 2,
        },
        "sign": {
            "clients": ["127.0.0.0/8"],
            "proofs": f"{folder}/{name}-proofs.json",
        },
        **signer(plant, ["+1*"]),
        "verify": {"anchors": [f"{ca}/root.pem"]},
        "fetch": {
            "laboratory": True,
            "tls_ca": f"{ca}/tls-ca.pem",
            "store": f"sqlite:{folder}/{name}-certificates.sqlite",
        },
        "replay": {"store": f"sqlite:{folder}/{name}-replay.sqlite"},
        "journal": {
            "path": f"{folder}/{name}-journal.sqlite",
            "flush_seconds": daemon.FLUSH_SECONDS,
        },
        "dns": {"servers": [f"{port}@{address}"]},
        "checks": {"methods": []},
    }


def _lines(sections: Settings) -> Iterator[str]:
    """Write TOML, whose values JSON writes as well."""
    for section, values in sections.items():
        blocks = [values] if isinstance(values, Mapping) else values
        for block in blocks:
            yield f"[{section}]" if blocks is not values else f"[[{section}]]"
            for name, value in block.items():
                yield f"{name} = {json.dumps(value)}"
