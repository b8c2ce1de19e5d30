"""One worker: a transport on its threads, judging and fetching on ours, the main waits.

libmilter has a thread of its own that waits for SIGTERM, SIGHUP and SIGINT and drops
what is in flight when one comes; which thread of a process gets a signal is chance. So
a worker ignores all three, whichever the transport, and listens to its supervisor
through a pair of sockets: its end tells it to drain, be it that the supervisor closed
it or that the supervisor died.
"""

from __future__ import annotations

import gc
import os
import select
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from typing import Final, NoReturn

from stirmilter import log, selfcall
from stirmilter.adapters.draft import Bounds
from stirmilter.adapters.service import Service
from stirmilter.adapters.submission import Submitter
from stirmilter.adapters.transport import Limits, Transport, transport
from stirmilter.events import Handled
from stirmilter.housekeeping import Housekeeper, Task
from stirmilter.mail.transaction import Submission
from stirmilter.metrics import Metrics
from stirmilter.pulse import Judges, Pulse
from stirmilter.runtime import Runtime, actions, stores
from stirmilter.sampling import Sampler
from stirmilter.stir.result import printable
from stirmilter.stores.crl import RevocationStore
from stirmilter.stores.recorder import Recorder

Observer = Callable[[Handled], None]

_WRITE: Final = 0.6  # of the time to leave, for what still waits; the rest is spare
_BROKEN: Final = 3.0  # seconds for it where a transport gave up: nobody told us to go
_REVOCATION: Final = 10.0  # seconds between two looks at what is due
_SAMPLE: Final = 5.0  # seconds between two looks at caches and queues
_REPLAYS: Final = 10.0  # seconds between two looks at the replay store
_LOOKERS: Final = 2  # threads that look into what is shared
_BEATS: Final = 10  # signs of life in the time that is given for one
_GARBAGE: Final = 10_000  # objects before the collector looks; Python's default is 700


def serve(
    runtime: Runtime,
    listener: socket.socket,
    control: socket.socket,
    metrics: Metrics | None = None,
) -> NoReturn:
    """Serve a listening socket until `control` ends, then drain and leave the process.

    Args:
        runtime: what to judge with.
        listener: shared with other workers, and non-blocking for that reason.
        control: our end of a pair, that signs of life are written to.
        metrics: where messages are counted, if anywhere.
    """
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    spare_the_collector()
    log.start()
    settings, limits = runtime.config.milter, runtime.config.limits
    recorder = stores.recorder(
        runtime.config,
        metrics.journal_lost if metrics else _nobody,
        metrics.journal_kept if metrics else _nobody,
    )
    submitter = actions.submitter(
        runtime.config, log.trouble, metrics.answered if metrics else _nobody
    )
    background = [one for one in (recorder, submitter) if one is not None]
    for one in background:
        one.start()
    fetches = runtime.config.fetch.concurrency
    with (
        Judges(settings.threads, "judge") as judges,
        ThreadPoolExecutor(fetches, "fetch") as fetchers,
        ThreadPoolExecutor(_LOOKERS, "look") as lookers,
    ):
        runtime.prefetcher.start(fetchers, lookers)
        service = Service(
            filter=runtime.filter,
            executor=judges,
            observe=tell(
                log.handled(runtime.config.log.numbers),
                *([recorder] if recorder else []),
                *([metrics.handled] if metrics else []),
            ),
            failed=log.failed,
            prefetch=runtime.prefetcher.begin,
            submit=submitter or _nowhere,
            message_seconds=settings.message_seconds,
            progress_seconds=settings.progress_seconds,
            bounds=Bounds(
                headers=limits.headers,
                header_octets=limits.header_octets,
                recipients=limits.recipients,
                held_octets=limits.held_octets,
            ),
        )
        carrier = transport(
            settings.transport,
            service,
            listener,
            Limits(
                connections=settings.connections,
                frame_octets=settings.frame_octets,
                idle_seconds=settings.idle_seconds,
            ),
            log.degraded,
        )
        if metrics is not None:
            runtime.fetcher.watch(metrics.fetched)
            runtime.claims.watch(metrics.claimed)
        sampler = _sampler(runtime, service, metrics, recorder, submitter)
        Housekeeper(tasks(runtime, metrics, sampler)).start()
        thread = threading.Thread(
            target=_carry, args=(carrier, background), name="milter", daemon=True
        )
        thread.start()

        @cache
        def library() -> Callable[[], bool]:
            """Prepare for calls, with a handler of SIGURG, once one is due."""
            return selfcall.libmilter_answers(listener, thread, control)

        def answers() -> bool:
            own = carrier.answers(control)
            return library()() if own is None else own

        pulse = Pulse(judges, lambda: service.sessions.total, answers, control)
        beat = settings.stuck_seconds / _BEATS
        while not select.select([control], [], [], beat)[0]:
            pulse.beat()
        carrier.stop_accepting()
        left = service.sessions.wait_until_none(settings.drain_seconds)
        if left:
            log.logger.warning("worker %d: %d sessions cut short", os.getpid(), left)
        if sampler is not None:
            sampler()
        # Neither transport is stopped: what can be waited for is done, and libmilter's
        # own stop would take five seconds.
        _leave(0, background, _WRITE * settings.leave_seconds)


def tell(*readers: Observer) -> Observer:
    """Make one observer of several; what one runs into, the others do not notice."""

    def observe(event: Handled) -> None:
        for reader in readers:
            try:
                reader(event)
            except Exception:  # noqa: BLE001 - the message has been decided
                log.logger.exception("%s: not told to all", printable(event.queue_id))

    return observe


def tasks(
    runtime: Runtime, metrics: Metrics | None = None, sampler: Sampler | None = None
) -> list[Task]:
    """Name what a worker does beside its messages."""
    found = []
    if sampler is not None:
        found.append(Task("metrics", sampler, _SAMPLE))
    if runtime.config.revocation.mode != "off":
        look = partial(_revocation, runtime.revocations, metrics)
        found.append(Task("revocation lists", look, _REVOCATION))
    # One on a server, and one in memory, which begins with it; a file needs no look.
    store = runtime.filter.verification.replays.store
    if (looked := getattr(store, "look", None)) is not None:
        found.append(Task("replay store", looked, _REPLAYS))
    return found


def _sampler(
    runtime: Runtime,
    service: Service,
    metrics: Metrics | None,
    recorder: Recorder | None,
    submitter: Submitter | None,
) -> Sampler | None:
    """Make what looks at caches and queues, where anybody counts."""
    if metrics is None:
        return None
    queues: dict[str, Callable[[], int]] = {
        "judge": lambda: service.queue.count,
        "fetch": lambda: runtime.prefetcher.waiting,
    }
    if recorder is not None:
        queues["journal"] = lambda: recorder.waiting
    if submitter is not None:
        queues["mm4"] = lambda: submitter.waiting
    # A store on a server has no limit of ours, and its own monitoring.
    occupied = getattr(runtime.filter.verification.replays.store, "occupied", None)
    kind = runtime.config.replay.store.partition(":")[0]
    return Sampler(
        metrics,
        runtime.caches,
        lambda: service.sessions.count,
        queues,
        {kind: occupied} if occupied else {},
    )


def _revocation(store: RevocationStore, metrics: Metrics | None) -> Iterable[str]:
    """Fetch the lists that are due, and tell how old all of them are."""
    yield from store.refresh()
    if metrics is not None:
        for place, seconds in store.ages().items():
            metrics.crl_age(place, seconds)


def spare_the_collector() -> None:
    """Keep the collector from walking over what stays, and from walking often.

    A message makes no cycles, so the default, a walk for every dozen messages, finds
    nothing and costs a twentieth of the time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_GARBAGE)


def _nobody(*_what: object) -> None:
    """Count nothing, without metrics."""


def _nowhere(_message: Submission) -> None:
    """Send nothing, without a setting to do so."""


def _leave(
    status: int, background: Sequence[Recorder | Submitter], seconds: float = _BROKEN
) -> NoReturn:
    """Leave the process with all that waits done, as far as that can be waited for."""
    deadline = time.monotonic() + seconds
    for one in background:
        one.close(max(0.0, deadline - time.monotonic()))
    log.flush()
    os._exit(status)


def _carry(carrier: Transport, background: Sequence[Recorder | Submitter]) -> NoReturn:
    """Serve; without that the worker is of no use, and is to be replaced."""
    try:
        carrier.serve()
    except OSError as error:
        log.logger.critical("worker %d: %s", os.getpid(), error)
    except BaseException:  # noqa: BLE001 - a bug, which must not leave the worker deaf
        log.logger.critical("worker %d serves no more", os.getpid(), exc_info=True)
    _leave(1, background)
