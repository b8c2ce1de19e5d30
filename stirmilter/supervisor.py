"""The daemon: opens the sockets, keeps the workers, and never judges mail.

SIGTERM drains the workers and ends; SIGHUP builds a new runtime, and only when that is
good starts new workers and drains the old. So does a new key or certificate, once
`renewal` has seen that it may be used.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from stirmilter import log, systemd
from stirmilter.config import Config
from stirmilter.errors import ConfigError
from stirmilter.exporter import Exporter
from stirmilter.listeners import Listeners, addresses, bind
from stirmilter.metrics import Metrics
from stirmilter.renewal import Keeper
from stirmilter.runtime import Runtime
from stirmilter.watchdog import Watchdog
from stirmilter.workers import Workers, patience

_SIGNALS: Final = frozenset(
    {signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD}
)
_PAUSE: Final = 1.0  # seconds between two looks at everything
_IMPATIENT: Final = 0.1  # seconds, while nothing is served yet


@dataclass(slots=True)
class Supervisor:
    """Owns the listeners and the workers."""

    load: Callable[[], Runtime]
    """Builds a runtime from the files as they are now, or raises ConfigError."""

    listeners: Listeners = field(default_factory=Listeners)
    workers: Workers = field(init=False)
    keeper: Keeper = field(init=False)
    exporter: Exporter | None = None
    """What counts and is scraped, if anybody wants that."""

    def __post_init__(self) -> None:
        self.workers = Workers(self.listeners)
        self.keeper = Keeper(self.workers.held)

    def run(self) -> None:
        """Serve until SIGTERM or SIGINT.

        Raises:
            ConfigError: the first runtime cannot be built or a socket not be bound.
        """
        loaded = self.load()
        runtime = self.keeper.settle(loaded)
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        self.exporter = self.workers.exporter = _exporter(runtime.config)
        self.listeners.open(runtime.config, systemd.passed())
        self.keeper.adopt(loaded, runtime)
        if self._await_proofs():
            runtime = self._serve(self.keeper.runtime)
        systemd.notify("STOPPING=1")
        self._stop(runtime)

    def _await_proofs(self) -> bool:
        """Let the first look at our credentials end; tell whether to begin at all.

        A first start whose x5u answers signs its first message, then. The look has a
        deadline, and whoever connects meanwhile waits in the backlog.
        """
        reload = False
        while self.keeper.proving:
            info = signal.sigtimedwait(_SIGNALS, _IMPATIENT)
            if info is not None and info.si_signo in (signal.SIGTERM, signal.SIGINT):
                return False
            reload = reload or (info is not None and info.si_signo == signal.SIGHUP)
            self._tick()
        if reload:
            signal.raise_signal(signal.SIGHUP)  # blocked: it waits for `_serve`
        return True

    def _tick(self) -> None:
        try:
            self.keeper.tick()
        except Exception:  # noqa: BLE001 - a bug of ours must not stop the mail
            log.logger.exception("credentials are not looked after")

    def _serve(self, runtime: Runtime) -> Runtime:
        """Keep workers until SIGTERM or SIGINT; return what they judged with last."""
        self.workers.start(runtime)
        served = addresses(self.listeners.sockets)
        count = len(self.workers.serving)
        log.logger.info("serving %s with %d workers", served, count)
        watchdog = Watchdog(systemd.watchdog_seconds())
        systemd.notify("READY=1", self._status())
        while True:
            self._count(runtime)
            watchdog.feed(self.listeners.sockets)
            log.flush(0)
            info = signal.sigtimedwait(_SIGNALS, _PAUSE)
            if info is not None and info.si_signo in (signal.SIGTERM, signal.SIGINT):
                return runtime
            if info is not None and info.si_signo == signal.SIGHUP:
                runtime = self._reload(runtime)
            self.workers.look(runtime)
            self._tick()
            if self.keeper.runtime is not runtime and self.workers.switch(
                self.keeper.runtime
            ):
                runtime = self.keeper.runtime
                self._renew_exporter(runtime)
                count = len(self.workers.serving)
                log.logger.info("new credentials: %s", _new_workers(count))

    def _count(self, runtime: Runtime) -> None:
        if self.exporter is not None:
            self.exporter.metrics.workers(len(self.workers.serving))
            self.exporter.metrics.unproven(self.keeper.unproven)
            self.exporter.keep(runtime, list(self.workers.held()))

    def _renew_exporter(self, runtime: Runtime) -> None:
        if self.exporter is not None:
            self.exporter.renew(runtime, list(self.workers.held()))

    def _reload(self, old: Runtime) -> Runtime:
        """Return what is judged with from now on, and tell whoever asks."""
        now = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1_000
        systemd.notify("RELOADING=1", f"MONOTONIC_USEC={now}")
        new = self._reloaded(old)
        if self.exporter is not None:
            self.exporter.metrics.reloaded(done=new is not old)
        self._renew_exporter(new)
        refused = "; the last reload was refused" if new is old else ""
        systemd.notify("READY=1", self._status() + refused)
        return new

    def _status(self) -> str:
        count = len(self.workers.serving)
        workers = "worker" if count == 1 else "workers"
        return f"STATUS={count} {workers} on {addresses(self.listeners.sockets)}"

    def _reloaded(self, old: Runtime) -> Runtime:
        try:
            loaded = self.load()
            new = self.keeper.settle(loaded)
        except ConfigError as error:
            log.logger.error("reload refused, the old configuration stays: %s", error)
            return old
        except Exception:  # noqa: BLE001 - a bug of ours must not stop the mail
            log.logger.exception("reload failed, the old configuration stays")
            return old
        if new.config.milter.sockets != old.config.milter.sockets:
            log.logger.warning("milter.sockets changed: that needs a restart")
        if new.config.metrics != old.config.metrics:
            log.logger.warning("[metrics] changed: that needs a restart")
        if not self.workers.switch(new):
            log.logger.error("reload refused: no new worker could be started")
            return old
        self.keeper.adopt(loaded, new)
        log.logger.info("reloaded: %s", _new_workers(len(self.workers.serving)))
        return self.keeper.runtime

    def _stop(self, runtime: Runtime) -> None:
        """Drain every worker; one that outlives its time is killed."""
        self.keeper.stop()
        self.listeners.remove()
        self.workers.leave(patience(runtime))
        if self.exporter is not None:
            self.exporter.close()
        runtime.rest()
        log.logger.info("stopped")
        log.flush()


def _exporter(config: Config) -> Exporter | None:
    """Begin to count, where that is asked for.

    Raises:
        ConfigError: the address cannot be bound or the folder not be used.
    """
    settings = config.metrics
    if not settings.listen:
        return None
    listener = bind(settings.listen, config, "metrics.listen")
    try:
        metrics = Metrics(
            config.folder / settings.counters,
            series=settings.series,
            lists=config.revocation.lists,
        )
    except OSError as error:
        where = f"{config.source}: metrics.counters"
        raise ConfigError(where, f"{settings.counters}: {error}") from None
    return Exporter(metrics, listener)


def _new_workers(count: int) -> str:
    return f"{count} new worker{'s' if count != 1 else ''}"
