"""The daemon: binds the sockets, forks workers that share them, and never judges mail.

A worker that dies is replaced. SIGTERM drains the workers and ends; SIGHUP builds a new
runtime, and only when that is good starts new workers and drains the old. So does a new
key or certificate, once `renewal` has seen that it may be used.
"""

from __future__ import annotations

import grp
import os
import signal
import socket
import stat
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from stirmilter import log, worker
from stirmilter.config import Config, Milter
from stirmilter.errors import ConfigError
from stirmilter.exporter import Exporter
from stirmilter.metrics import Metrics
from stirmilter.renewal import Keeper
from stirmilter.runtime import Runtime

_SIGNALS: Final = frozenset(
    {signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD}
)
_YOUNG: Final = (
    5.0  # seconds; a worker that dies younger is replaced only after a pause
)
_PAUSE: Final = 1.0
_IMPATIENT: Final = 0.1  # seconds, while nothing is served yet


@dataclass(frozen=True, slots=True)
class _Worker:
    listener: socket.socket
    control: int
    """Writing end of its pipe; closing it tells the worker to drain."""

    born: float


@dataclass(slots=True)
class Supervisor:
    """Owns the listeners and the workers."""

    load: Callable[[], Runtime]
    """Builds a runtime from the files as they are now, or raises ConfigError."""

    workers: dict[int, _Worker] = field(default_factory=dict)
    """By process id; those being drained are not here."""

    retired: set[int] = field(default_factory=set)
    missing: list[socket.socket] = field(default_factory=list)
    """Listeners that lack a worker, because the system would not fork."""

    listeners: list[socket.socket] = field(default_factory=list)
    keeper: Keeper = field(init=False)
    exporter: Exporter | None = None
    """What counts and is scraped, if anybody wants that."""

    def __post_init__(self) -> None:
        self.keeper = Keeper(self._held)

    def run(self) -> None:
        """Serve until SIGTERM or SIGINT.

        Raises:
            ConfigError: the first runtime cannot be built or a socket not be bound.
        """
        loaded = self.load()
        runtime = self.keeper.settle(loaded)
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        self.exporter = _exporter(runtime.config)
        for address in _addresses(runtime):
            self.listeners.append(bind(address, runtime.config))
        self.keeper.adopt(loaded, runtime)
        if self._await_proofs():
            runtime = self._serve(self.keeper.runtime)
        notify("STOPPING=1")
        self._stop(runtime, self.listeners)

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
        self._fork_all(runtime, self.listeners)
        log.logger.info(
            "serving %s with %d workers",
            ", ".join(_addresses(runtime)),
            len(self.workers),
        )
        notify("READY=1")
        while True:
            if self.exporter is not None:
                self.exporter.metrics.workers(len(self.workers))
                self.exporter.metrics.unproven(self.keeper.unproven)
                self.exporter.keep(runtime, list(self._held()))
            info = signal.sigtimedwait(_SIGNALS, _PAUSE)
            if info is not None and info.si_signo in (signal.SIGTERM, signal.SIGINT):
                return runtime
            if info is not None and info.si_signo == signal.SIGHUP:
                old, runtime = runtime, self._reload(runtime, self.listeners)
                if self.exporter is not None:
                    self.exporter.metrics.reloaded(done=runtime is not old)
                    self.exporter.renew(runtime, list(self._held()))
            self._replace_dead(runtime)
            missing, self.missing = self.missing, []
            for listener in missing:
                self._fork(runtime, listener)
            self._tick()
            if self.keeper.runtime is not runtime and self._switch(
                self.keeper.runtime, self.listeners
            ):
                runtime = self.keeper.runtime
                if self.exporter is not None:
                    self.exporter.renew(runtime, list(self._held()))
                log.logger.info("new credentials: %d new workers", len(self.workers))

    def _held(self) -> Iterable[int]:
        """Return the descriptors that only the supervisor may hold open."""
        yield from (one.control for one in self.workers.values())
        yield from (listener.fileno() for listener in self.listeners)

    def _fork_all(self, runtime: Runtime, listeners: list[socket.socket]) -> None:
        count = runtime.config.milter.workers or os.cpu_count() or 1
        for listener in listeners:
            for _ in range(count):
                self._fork(runtime, listener)

    def _fork(self, runtime: Runtime, listener: socket.socket) -> None:
        pipe: tuple[int, ...] = ()
        try:
            reading, writing = pipe = os.pipe()
            pid = os.fork()
        except OSError as error:
            log.trouble(f"no new worker now, trying again: {error}")
            self.missing.append(listener)
            for end in pipe:
                os.close(end)
            return
        if pid:
            os.close(reading)
            self.workers[pid] = _Worker(listener, writing, time.monotonic())
            return
        try:
            # A copy of a sibling's pipe would keep its end from ever coming.
            os.close(writing)
            for sibling in self.workers.values():
                os.close(sibling.control)
            if self.exporter is not None:
                self.exporter.forget()
            metrics = self.exporter.metrics if self.exporter else None
            worker.serve(runtime, listener, reading, metrics)
        except BaseException as error:  # noqa: BLE001 - a child must not return
            log.logger.critical("worker %d: %r", os.getpid(), error)
            os._exit(1)

    def _reload(self, old: Runtime, listeners: list[socket.socket]) -> Runtime:
        try:
            loaded = self.load()
            new = self.keeper.settle(loaded)
        except ConfigError as error:
            log.logger.error("reload refused, the old configuration stays: %s", error)
            return old
        except Exception:  # noqa: BLE001 - a bug of ours must not stop the mail
            log.logger.exception("reload failed, the old configuration stays")
            return old
        if _addresses(new) != _addresses(old):
            log.logger.warning("milter.sockets changed: that needs a restart")
        if new.config.metrics != old.config.metrics:
            log.logger.warning("[metrics] changed: that needs a restart")
        if not self._switch(new, listeners):
            log.logger.error("reload refused: no new worker could be started")
            return old
        self.keeper.adopt(loaded, new)
        log.logger.info("reloaded: %d new workers", len(self.workers))
        return self.keeper.runtime

    def _switch(self, new: Runtime, listeners: list[socket.socket]) -> bool:
        """Let new workers take over; tell whether any could be started."""
        previous = list(self.workers)
        self.missing.clear()
        self._fork_all(new, listeners)
        if len(self.workers) == len(previous):
            self.missing.clear()
            return False
        self._retire(previous)
        return True

    def _retire(self, pids: list[int]) -> None:
        for pid in pids:
            os.close(self.workers.pop(pid).control)
            self.retired.add(pid)

    def _replace_dead(self, runtime: Runtime) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if self.exporter is not None:
                self.exporter.ended(pid)
            if pid not in self.workers:
                self.retired.discard(pid)
                continue
            if self.exporter is not None:
                self.exporter.metrics.restarted()
            gone = self.workers.pop(pid)
            os.close(gone.control)
            log.logger.error(
                "worker %d ended with status %d: replaced",
                pid,
                os.waitstatus_to_exitcode(status),
            )
            if time.monotonic() - gone.born < _YOUNG:
                time.sleep(_PAUSE)
            self._fork(runtime, gone.listener)

    def _stop(self, runtime: Runtime, listeners: list[socket.socket]) -> None:
        """Drain every worker; one that outlives its time is killed."""
        self.keeper.stop()
        for listener in listeners:
            name = listener.getsockname()
            if isinstance(name, str):
                Path(name).unlink(missing_ok=True)
        self._retire(list(self.workers))
        deadline = time.monotonic() + runtime.config.milter.drain_seconds + 5
        while self.retired and time.monotonic() < deadline:
            signal.sigtimedwait({signal.SIGCHLD}, _PAUSE)
            self._replace_dead(runtime)
        for pid in self.retired:
            os.kill(pid, signal.SIGKILL)
        if self.exporter is not None:
            self.exporter.close()
        runtime.rest()
        log.logger.info("stopped")


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
        metrics = Metrics(config.folder / settings.counters)
    except OSError as error:
        where = f"{config.source}: metrics.counters"
        raise ConfigError(where, f"{settings.counters}: {error}") from None
    return Exporter(metrics, listener)


def bind(
    address: str, config: Config, setting: str = "milter.sockets"
) -> socket.socket:
    """Open a listening socket, non-blocking, as workers that share it need it.

    Raises:
        ConfigError: the address cannot be bound; another daemon may be using it.
    """
    settings = config.milter
    try:
        kind, _, rest = address.partition(":")
        if kind == "unix":
            listener = _bind_unix(Path(rest), settings)
        else:
            port, _, host = rest.partition("@")
            family = socket.AF_INET6 if kind == "inet6" else socket.AF_INET
            listener = socket.socket(family)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((host.strip("[]"), int(port)))
        listener.listen(settings.backlog)
        listener.setblocking(False)
    except OSError as error:
        raise ConfigError(
            f"{config.source}: {setting}", f"{address}: {error}"
        ) from None
    return listener


def notify(state: str) -> None:
    """Tell systemd, when it runs us (sd_notify(3))."""
    path = os.environ.get("NOTIFY_SOCKET")
    if path:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as datagram:
            datagram.connect(f"\0{path[1:]}" if path.startswith("@") else path)
            datagram.send(state.encode())


def _addresses(runtime: Runtime) -> tuple[str, ...]:
    return runtime.config.milter.sockets


def _bind_unix(path: Path, settings: Milter) -> socket.socket:
    group = _group(settings.socket_group)
    listener = socket.socket(socket.AF_UNIX)
    if path.exists() and stat.S_ISSOCK(path.stat().st_mode):
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(str(path))
            except ConnectionRefusedError:
                path.unlink()  # left by a daemon that was killed
            else:
                raise OSError("another process listens there; is the daemon running?")
    # Nobody may connect between bind and chmod.
    previous = os.umask(0o777)
    try:
        listener.bind(str(path))
    finally:
        os.umask(previous)
    try:
        os.chown(path, -1, group)
        path.chmod(int(settings.socket_mode, 8))
    except OSError:
        path.unlink()  # nobody could connect to it, nor bind there again
        raise
    return listener


def _group(name: str) -> int:
    """Return the number of a group, or the one that changes nothing."""
    if not name:
        return -1
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        raise OSError(f"milter.socket_group: no such group: {name}") from None
