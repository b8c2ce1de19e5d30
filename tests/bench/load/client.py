"""Builds the load client, runs it, and believes no answer that is not as it should be.

from tests.bench.load import client, messages
messages.write(path, mails)
run = client.run(path, "unix:/folder/milter.sock", connections=8, count=1_000,
                 insert={"PASSporT": "ppt=msg"})
run.rate, run.p99
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

HERE: Final = Path(__file__).parent
BUILT: Final = HERE.parents[2] / "build" / "bench"
SOURCES: Final = {
    "client": ("client.c", "session.c"),
    "responder": ("responder.c",),
    "noop": ("noop.c",),
}
LIBRARIES: Final[Mapping[str, Sequence[str]]] = {"noop": ("-lmilter", "-lpthread")}


class MisledError(Exception):
    """The milter did not answer as it should, so that no figure means anything."""


@dataclass(frozen=True, slots=True)
class Run:
    """What came of a run. Latencies are microseconds, from the first packet of a
    message (a connection included where it opens one) to the answer at its end.
    """

    messages: int
    connections: int
    seconds: float
    cpu_seconds: float
    """Of the client itself."""

    p50: float
    p90: float
    p99: float
    longest: float
    answers: Mapping[str, int]
    """By the letter of the protocol: c continue, a accept, t tempfail, r reject."""

    insertions: int
    sample: Sequence[tuple[str, str]]
    """Fields that were inserted into one message."""

    @property
    def rate(self) -> float:
        """Messages in a second."""
        return self.messages / self.seconds

    @classmethod
    def read(cls, text: str) -> Self:
        """Read the client's result."""
        found: dict[str, Any] = json.loads(text)
        return cls(
            messages=found["messages"],
            connections=found["connections"],
            seconds=found["seconds"],
            cpu_seconds=found["cpu_seconds"],
            p50=found["p50"],
            p90=found["p90"],
            p99=found["p99"],
            longest=found["max"],
            answers=found["answers"],
            insertions=found["insertions"],
            sample=[(name, value) for name, value in found["sample"]],
        )


def program(name: str) -> Path:
    """Compile one of our C programs, unless it is there and no older than its source.

    Raises:
        subprocess.CalledProcessError: the compiler says why on standard error.
    """
    BUILT.mkdir(parents=True, exist_ok=True)
    built = BUILT / name
    sources = [HERE / one for one in SOURCES[name]]
    newest = max(one.stat().st_mtime for one in (*sources, *HERE.glob("*.h")))
    if not built.exists() or built.stat().st_mtime < newest:
        made = built.with_suffix(f".{os.getpid()}")  # two may want it at once
        libraries = LIBRARIES.get(name, ())
        words: list[str | Path] = ["gcc", "-O2", "-Wall", "-Wextra", "-Werror", "-o"]
        subprocess.run([*words, made, *sources, *libraries], check=True)
        made.rename(built)
    return built


def run(
    file: Path,
    address: str,
    *,
    connections: int = 1,
    per_connection: int = 10,
    first: int = 0,
    count: int | None = None,
    seconds: float | None = None,
    verdict: str = "c",
    insert: Mapping[str, str] | Sequence[tuple[str, str]] = (),
) -> Run:
    """Keep connections to a milter busy.

    Args:
        file: prepared messages.
        address: ``unix:/path`` or ``inet:127.0.0.1:port``.
        connections: how many are busy at a time.
        per_connection: messages on each before it is closed and another opened.
        first: place in the file of the first message; after the last comes the first.
        count: how many; or
        seconds: how long new ones are begun.
        verdict: the letter that each is to be answered.
        insert: names of header fields that each is to get, and text in each; whoever
            expects several of one name gives pairs.

    Raises:
        MisledError: an answer was another, or the milter went away.
    """
    words: list[str | Path] = [program("client"), file, address]
    words += ["--connections", str(connections), "--per", str(per_connection)]
    words += ["--first", str(first), "--verdict", verdict]
    if count is not None:
        words += ["--count", str(count)]
    if seconds is not None:
        words += ["--seconds", str(seconds)]
    pairs = insert.items() if isinstance(insert, Mapping) else insert
    for name, text in pairs:
        words += ["--insert", f"{name}={text}"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise MisledError(f"{address}: {done.stderr}{done.stdout}")
    return Run.read(done.stdout)
