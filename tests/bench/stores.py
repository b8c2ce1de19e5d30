"""What remembering costs: a cached chain, and a replay claim with a million live keys.

    python -m tests.bench.stores [--keys 1000000]

Wall time, since a claim waits for a lock, a file or a server. SQLite is asked by two
processes at once, as two workers do, each as fast as it can.
"""

from __future__ import annotations

import argparse
import hashlib
import multiprocessing
import sys
import time
import tracemalloc
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, Final

from stirmilter.services import ReplayStore, TrustSet
from stirmilter.services.credentials import CredentialService
from stirmilter.stir import credential
from stirmilter.stir.credential import TrustAnchors
from stirmilter.stir.tnauthlist import TNAuthList
from stirmilter.stores.certificates import CertificateStore
from stirmilter.stores.documents import DocumentStore
from stirmilter.stores.redis import RedisServer
from stirmilter.stores.replay import MemoryReplayStore, SqliteReplayStore
from stirmilter.stores.replay.redis import RedisReplayStore
from stirmilter.stores.response import Response
from stirmilter.stores.tiers import SqliteTier
from stirmilter.testca import TestCA
from tests.bench.core import Figure
from tests.laboratory import ALICE
from tests.redis_server import servers

CLAIMS: Final = 20_000
CHAIN_TARGET: Final = 60.0
X5U: Final = "https://certs.example/one.pem"
SQLITE_TARGET: Final = 60.0
REDIS_TARGET: Final = 300.0
GROWTH_TARGET: Final = 2.0
OCTETS_TARGET: Final = 200.0
NOW: Final = datetime.now(UTC)


def key(name: str, number: int) -> bytes:
    """Make a key that looks like one."""
    return hashlib.sha256(f"{name}{number}".encode()).digest()[:16]


def times(store: ReplayStore, name: str) -> list[float]:
    """Claim new keys, one a time, and return the seconds of each."""
    taken = []
    for number in range(CLAIMS):
        one, holder = key(name, number), key(f"h{name}", number)
        started = time.perf_counter()
        good = store.claim([one], holder, NOW, NOW)
        taken.append(time.perf_counter() - started)
        assert good
    return taken


def micro(taken: Sequence[float]) -> float:
    """Return the median in microseconds."""
    return 1e6 * median(taken)


def fill(store: ReplayStore, count: int) -> None:
    """Have so many live keys, signed throughout a day."""
    step = 50
    for number in range(0, count, step):
        keys = [key("fill", number + n) for n in range(step)]
        signed_at = NOW - timedelta(seconds=number % 80_000)
        assert store.claim(keys, key("holder", number), signed_at, NOW)


def _claimer(path: str, name: str, results: Any) -> None:  # noqa: ANN401 - a queue
    with closing(SqliteReplayStore(Path(path), 4_000_000)) as store:
        store.claim([key("warm", 0)], key("warm", 0), NOW, NOW)
        results.put(times(store, name))


def two_processes(path: Path, name: str) -> float:
    """Have two processes claim at once; the median of all claims."""
    results: Any = multiprocessing.Queue()
    racers = [
        multiprocessing.Process(
            target=_claimer, args=(str(path), f"{name}{n}", results)
        )
        for n in range(2)
    ]
    for racer in racers:
        racer.start()
    taken = [one for _ in racers for one in results.get(timeout=120)]
    for racer in racers:
        racer.join()
    return micro(taken)


def growth(
    name: str,
    target: float | None,
    keys: int,
    measure: Callable[[str], float],
    grow: Callable[[], None],
) -> list[Figure]:
    """Measure empty and full, in turns of their own."""
    empty = measure("empty")
    grow()
    full = measure("full")
    return [
        Figure(f"claim, {name}", empty, "us", target),
        Figure(f"claim, {name}, {keys} live keys", full, "us", target),
        Figure(f"growth, {name}", full / empty, "x", GROWTH_TARGET),
    ]


def memory_figures(keys: int) -> list[Figure]:
    """Measure the store in memory, and what a key costs there."""
    tracemalloc.start()
    measured = MemoryReplayStore(2 * keys)
    for number in range(keys):
        signed_at = NOW - timedelta(seconds=number % 80_000)
        measured.claim([key("m", number)], key("h", number), signed_at, NOW)
    octets = tracemalloc.get_traced_memory()[0] / keys
    tracemalloc.stop()
    del measured
    store = MemoryReplayStore(2 * keys + 2 * CLAIMS)
    found = growth(
        "memory",
        None,
        keys,
        lambda n: micro(times(store, n)),
        lambda: fill(store, keys),
    )
    return [*found, Figure("octets of a key in memory", octets, "", OCTETS_TARGET)]


def sqlite_figures(keys: int, folder: Path) -> list[Figure]:
    """Measure a file that two processes share."""
    path = folder / "replay.sqlite"

    def grow() -> None:
        with closing(SqliteReplayStore(path, 4_000_000)) as store:
            fill(store, keys)

    name = "SQLite, two processes"
    return growth(name, SQLITE_TARGET, keys, lambda n: two_processes(path, n), grow)


def redis_figures(keys: int) -> list[Figure]:
    """Measure a server on a UNIX socket."""
    with servers() as make:
        store = RedisReplayStore(
            RedisServer("replay store", make().url), since=lambda: NOW - timedelta(2)
        )
        return growth(
            "Redis, UNIX socket",
            REDIS_TARGET,
            keys,
            lambda n: micro(times(store, n)),
            lambda: fill(store, keys),
        )


def chain_figures(folder: Path) -> list[Figure]:
    """Measure a chain that is cached, and validated before, status included."""
    now = datetime.now(UTC)
    ca = TestCA.create(folder / "ca", now)
    octets = ca.signer("one", TNAuthList.build(numbers=[ALICE]), now).chain.read_bytes()

    def fetch(url: str, **_: object) -> Response:
        assert url == X5U
        return Response(body=octets)

    documents = DocumentStore(fetch, SqliteTier(folder / "certificates.sqlite"))
    anchors = TrustAnchors(credential.load_chain(ca.anchors.read_bytes()))
    credentials = CredentialService(
        CertificateStore(documents), [TrustSet(anchors=anchors)]
    )
    taken = []
    for _ in range(CLAIMS):
        started = time.perf_counter()
        vouched = credentials.at(X5U, now, now, ALICE)
        credentials.check(vouched, ALICE)
        taken.append(time.perf_counter() - started)
    return [Figure("cached chain and validation", micro(taken), "us", CHAIN_TARGET)]


def figures(keys: int) -> list[Figure]:
    """Measure everything."""
    with TemporaryDirectory() as folder:
        return [
            *chain_figures(Path(folder)),
            *memory_figures(keys),
            *sqlite_figures(keys, Path(folder)),
            *redis_figures(keys),
        ]


def main(arguments: Sequence[str]) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keys", type=int, default=1_000_000)
    found = figures(parser.parse_args(arguments).keys)
    for figure in found:
        sys.stdout.write(f"{figure.row()}\n")
    return 0 if all(figure.met for figure in found) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
