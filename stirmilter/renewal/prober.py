"""A short-lived process that sees whether new credentials may be used.

The supervisor must never wait for a web server or a token, and a token's library must
not be opened before a fork. So a child looks, writes a line for each signer into a
pipe, and ends; the end of the pipe is the end of the probe. The kernel ends a child
that outlives its time: nothing in it has to work for that.
"""

from __future__ import annotations

import json
import math
import os
import signal
import sys
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, NoReturn

from stirmilter import findings, log
from stirmilter.errors import PinRefusedError, StoreError
from stirmilter.runtime import Runtime
from stirmilter.services import Signer
from stirmilter.stir import credential
from stirmilter.stir.result import Unverified

_SLACK: Final = 2.0  # seconds beyond what the fetches may take, to tell what they found
_THREADS: Final = 32  # that ask for x5u of our own; the rest waits for its turn
_CHUNK: Final = 65_536


@dataclass(frozen=True, slots=True)
class Report:
    """What was found about one signer."""

    place: int
    """Among those that were asked about."""

    reason: str
    """Why it cannot be used; empty if it can."""

    final: bool = False
    """Whether asking again would do harm."""


@dataclass(slots=True)
class Probe:
    """A child that looks at `signers`."""

    signers: Sequence[Signer]
    pipe: int
    process: int
    """A pidfd: the number of a process may be another's by the time it is used."""

    _text: bytes = field(default=b"")

    def reports(self) -> tuple[Report, ...] | None:
        """Return what it found, or None while it is still looking; never waits.

        Of a signer that it did not come to, because it was ended, too.
        """
        while True:
            try:
                octets = os.read(self.pipe, _CHUNK)
            except BlockingIOError:
                return None
            if not octets:
                break
            self._text += octets
        self._close()
        late = dict.fromkeys(range(len(self.signers)), "no answer in time")
        found = {place: Report(place, text) for place, text in late.items()}
        for line in self._text.splitlines(keepends=True):
            if line.endswith(b"\n"):
                report = Report(**json.loads(line))
                found[report.place] = report
        return tuple(found.values())

    def stop(self) -> None:
        """End it, whatever it does."""
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.process, signal.SIGKILL)
        self._close()

    def _close(self) -> None:
        with suppress(ChildProcessError):  # the supervisor waits for any child
            os.waitid(os.P_PIDFD, self.process, os.WEXITED)
        os.close(self.process)
        os.close(self.pipe)


def start(
    runtime: Runtime, signers: Sequence[Signer], now: datetime, held: Iterable[int]
) -> Probe:
    """Fork a child that looks at signers.

    Args:
        runtime: with what they are looked at: anchors, the guarded fetcher.
        signers: those that are to be proven.
        now: aware time.
        held: descriptors that the child must not keep.

    Raises:
        OSError: the system would not fork.
    """
    reading, writing = os.pipe()
    try:
        child = os.fork()
    except OSError:
        os.close(reading)
        os.close(writing)
        raise
    if child:
        os.close(writing)
        os.set_blocking(reading, False)
        return Probe(signers, reading, os.pidfd_open(child))
    try:
        signal.alarm(math.ceil(seconds(runtime, signers)))
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        # A copy of a worker's pipe would keep its end from ever coming.
        for descriptor in (reading, *held):
            os.close(descriptor)
        _look(runtime, signers, now, writing)
    except BaseException as error:  # noqa: BLE001 - a child must not return
        with suppress(BaseException):
            log.logger.critical("prober %d: %r", os.getpid(), error)
        os._exit(1)


def seconds(runtime: Runtime, signers: Sequence[Signer]) -> float:
    """Return how long a look at signers may take: x5u, lists, and a signature each."""
    fetches = 1 + max(map(_lists, signers), default=0)
    each = fetches * runtime.config.fetch.seconds + runtime.config.sign.token_seconds
    return _SLACK + each * math.ceil(len(signers) / _THREADS)


def _lists(signer: Signer) -> int:
    """Count the TNAuthLists that a chain refers to."""
    try:
        return len(credential.references(signer.credential.path))
    except Unverified:
        return 0  # and none is fetched


def _look(
    runtime: Runtime, signers: Sequence[Signer], now: datetime, pipe: int
) -> NoReturn:
    def look(place: int) -> Report:
        try:
            return Report(place, *examine(runtime, signers[place], now))
        except Exception as error:  # noqa: BLE001 - a bug of ours is a reason
            return Report(place, f"internal error: {error!r}")

    with ThreadPoolExecutor(min(len(signers), _THREADS)) as executor:
        looks = [executor.submit(look, place) for place in range(len(signers))]
        for done in as_completed(looks):
            report = done.result()
            table = {n: getattr(report, n) for n in ("place", "reason", "final")}
            os.write(pipe, json.dumps(table).encode() + b"\n")
    sys.stderr.flush()
    os._exit(0)


def examine(runtime: Runtime, signer: Signer, now: datetime) -> tuple[str, bool]:
    """Return why a signer cannot be used, or nothing; and whether that is final.

    The fetch comes last: whatever is wrong here, no web server will mend.
    """
    for finding in findings.signer_findings(runtime, signer, now):
        if finding.level == "error":
            return finding.text, False
    try:
        signer.key.sign(b"stirmilter prober")
    except StoreError as error:
        return str(error), isinstance(error, PinRefusedError)
    if runtime.config.sign.prove:
        finding = findings.published(runtime, signer)
        if finding.level == "error":
            return finding.text, False
    return "", False
