"""Through a real Postfix: from smtp-source, past a milter, to smtp-sink.

One instance, with a door for each milter and one without any. A turn begins with the
first session and ends when the queue is empty; what arrived is counted, and each
message must carry what its milter adds.
"""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from stirmilter.demo import postfix
from tests.bench.load.client import MisledError
from tests.bench.load.corpus import DOMAIN
from tests.e2e import neighbours

SIZE: Final = 10_000
SESSIONS: Final = 8
NONE: Final = "no milter"
_SECONDS: Final = 120.0
_SINK: Final = "/usr/sbin/smtp-sink"
_SOURCE: Final = "/usr/sbin/smtp-source"
_QUEUES: Final = ("maildrop", "incoming", "active", "deferred")


@dataclass(frozen=True, slots=True)
class Door:
    """A port of the instance, and the field that each message gets behind it."""

    name: str
    port: int
    field: bytes


@dataclass(frozen=True, slots=True)
class Relay:
    """The instance, and what came out of it."""

    folder: Path
    arrived: Path
    doors: Sequence[Door]

    def turn(self, door: Door, count: int) -> float:
        """Carry messages, and return how many in a second.

        Raises:
            MisledError: some did not arrive, or without the field.
        """
        self.arrived.unlink(missing_ok=True)
        begun = time.perf_counter()
        subprocess.run(
            [
                *(_SOURCE, "-m", str(count), "-s", str(SESSIONS), "-l", str(SIZE)),
                *("-f", f"+12025550123/TYPE=PLMN@{DOMAIN}"),
                *("-t", "+13125550100/TYPE=PLMN@two.example"),
                f"127.0.0.1:{door.port}",
            ],
            check=True,
            timeout=_SECONDS,
        )
        while self._queued():
            if time.perf_counter() - begun > _SECONDS:
                last = self._last_said("status=deferred", "warning:")
                raise MisledError(f"{door.name}: the queue does not empty; {last}")
            time.sleep(0.01)
        rate = count / (time.perf_counter() - begun)
        check(door, count, self.arrived.read_bytes())
        return rate

    def _queued(self) -> bool:
        queue = self.folder / "relay" / "queue"
        return any(
            one.is_file() for name in _QUEUES for one in (queue / name).rglob("*")
        )

    def _last_said(self, *words: str) -> str:
        """Return the last line of Postfix's log with one of these words."""
        log = (self.folder / "relay" / "postfix.log").read_text(errors="replace")
        found = [line for line in log.splitlines() if any(w in line for w in words)]
        return found[-1] if found else "its log does not say why"


def check(door: Door, count: int, arrived: bytes) -> None:
    """See that so many messages arrived, each with what its milter adds.

    Raises:
        MisledError: it is not so.
    """
    came = arrived.count(b"\nMessage-Id: ")
    added = arrived.count(b"\n" + door.field + b": ") if door.field else count
    if came != count or added != count:
        raise MisledError(f"{door.name}: {count} sent, {came} came, {added} signed")


@contextmanager
def relay(folder: Path, milters: Mapping[str, tuple[str, bytes]]) -> Iterator[Relay]:
    """Run Postfix with doors for milters, until the block ends.

    Args:
        folder: one that Postfix's users can reach.
        milters: by name, the socket and the field that each message gets.
    """
    sink = folder / "sink"
    sink.mkdir()
    shutil.chown(sink, "postfix")
    next_hop = postfix.free_port()
    with ExitStack() as stack:
        process = stack.enter_context(
            subprocess.Popen(
                [
                    *(_SINK, "-u", "postfix", "-D", sink / "mbox"),
                    *(f"127.0.0.1:{next_hop}", "100"),
                ]
            )
        )
        stack.callback(process.kill)
        # Mail for nobody would be deferred, and tried again in minutes.
        neighbours.await_port(next_hop)
        running = stack.enter_context(
            postfix.instance(
                folder / "relay", name="relay.example", milter="", next_hop=next_hop
            )
        )
        doors = [Door(NONE, running.port, b"")]
        for name, (address, field) in milters.items():
            doors.append(Door(name, neighbours.open_door(running, [address]), field))
        yield Relay(folder, sink / "mbox", doors)
