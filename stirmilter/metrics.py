"""Counters for Prometheus, added up over all processes, those that ended included.

Each process counts in files of its own, as mapped memory, in a folder that the
supervisor makes; whoever answers a scrape reads them all. The library is imported only
by whoever wants metrics.

Labels take their values from closed lists, and each list has an end: no stranger's text
is a label, and no stranger makes a series.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from stirmilter.events import Fetched, Handled

if TYPE_CHECKING:
    from prometheus_client import Counter, Histogram, Metric

_OUTCOMES: Final = 500  # of messages; there are about a hundred kinds
_RULINGS: Final = 500  # kinds of; names of rules are the operator's
_FETCHES: Final = 32
_URLS: Final = 64
_OTHER: Final = "other"
_PREFIX: Final = "stirmilter-"  # of a daemon's folder; its process id follows
_DEAD: Final = 0  # stands for all processes that ended, in the names of their files
_CRL: Final = "stirmilter_crl_age_seconds"
_SECONDS: Final = (
    *(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5),
    *(1.0, 2.5, 5.0, 10.0, 30.0, 120.0),
)


class Metrics:
    """What is counted; made by the supervisor before its first fork, used by all."""

    def __init__(self, folder: Path) -> None:
        """Begin at zero, in a folder of this process below `folder`.

        What daemons that are gone have left there is removed.

        Raises:
            OSError: the folder cannot be made or written to.
        """
        # Not needed, nor paid for, without metrics.
        from prometheus_client import Counter, Gauge, Histogram, values  # noqa: PLC0415

        self.folder = _own(folder)
        # Where the files of every process of ours go; it reads it from there.
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(self.folder)
        # Its default depends on who imported it first, and when.
        library: Any = values
        library.ValueClass = self._files = library.MultiProcessValue()
        self._messages = Counter(
            "stirmilter_messages_total",
            "Messages that left the filter.",
            ["direction", "outcome", "reason", "action"],
            registry=None,
        )
        self._rulings = Counter(
            "stirmilter_policy_total",
            "Messages that a rule, a ladder or a failure decided.",
            ["rule", "action", "peer"],
            registry=None,
        )
        self._shadows = Counter(
            "stirmilter_shadow_differences_total",
            "Messages of which the shadow table would have made something else.",
            ["rule", "action", "shadow_rule", "shadow_action"],
            registry=None,
        )
        self._seconds = Histogram(
            "stirmilter_message_seconds",
            "From the end of a message to the answer.",
            ["direction"],
            registry=None,
            buckets=_SECONDS,
        )
        self._hazards = Counter(
            "stirmilter_hazards_total",
            "Signed messages whose body the next hop may alter.",
            ["hazard"],
            registry=None,
        )
        self._lost = Counter(
            "stirmilter_journal_lost_total",
            "Messages whose evidence could not be kept.",
            registry=None,
        )
        self._fetches = Counter(
            "stirmilter_fetches_total",
            "Fetches of certificates and revocation lists.",
            ["outcome"],
            registry=None,
        )
        # Kept as the time of the list, since an age would stand still between scrapes.
        self._crls = Gauge(
            _CRL,
            "Seconds since the newest revocation list was made (thisUpdate).",
            ["url"],
            registry=None,
            multiprocess_mode="livemax",
        )
        self._workers = Gauge(
            "stirmilter_workers",
            "Workers that take messages; those being drained are not counted.",
            registry=None,
            multiprocess_mode="livemostrecent",
        )
        self._replaced = Counter(
            "stirmilter_workers_replaced_total",
            "Workers that ended, or gave no sign of life and were killed.",
            ["reason"],
            registry=None,
        )
        for reason in ("ended", "stuck"):
            self._replaced.labels(reason)
        self._reloads = Counter(
            "stirmilter_reloads_total",
            "Reloads of the configuration.",
            ["result"],
            registry=None,
        )
        for result in ("done", "refused"):
            self._reloads.labels(result)
        self._children: dict[tuple[str, ...], tuple[Counter, Histogram]] = {}
        self._ruling_kinds: set[tuple[str, ...]] = set()
        self._fetch_outcomes: set[str] = set()
        self._urls: set[str] = set()
        self._ended: set[int] = set()

    def handled(self, event: Handled) -> None:
        """Count a message; the observer that a worker gives its events to."""
        key = event.direction, event.outcome, event.reason, event.action
        known = self._children.get(key)
        if known is None:
            if len(self._children) >= _OUTCOMES:
                key = event.direction, event.outcome, _OTHER, event.action
            seconds = self._seconds.labels(event.direction)
            known = self._children[key] = self._messages.labels(*key), seconds
        count, seconds = known
        count.inc()
        seconds.observe(event.seconds)
        for hazard in event.hazards:  # words from a closed list
            self._hazards.labels(hazard).inc()
        self._policy(event)

    def _policy(self, event: Handled) -> None:
        """Count what the operator's tables said; in a bounded number of series."""
        ruling = event.rule, event.action, event.peer
        if event.rule and self._known_ruling(("active", *ruling)):
            self._rulings.labels(*ruling).inc()
        if event.shadow_action:
            shadow = event.rule, event.action, event.shadow_rule, event.shadow_action
            if self._known_ruling(("shadow", *shadow)):
                self._shadows.labels(*shadow).inc()

    def _known_ruling(self, kind: tuple[str, ...]) -> bool:
        if kind not in self._ruling_kinds and len(self._ruling_kinds) < _RULINGS:
            self._ruling_kinds.add(kind)
        return kind in self._ruling_kinds

    def journal_lost(self, count: int) -> None:
        """Count messages whose evidence is lost."""
        self._lost.inc(count)

    def fetched(self, event: Fetched) -> None:
        """Count a fetch by its outcome, a word from a closed list."""
        label = _bounded(event.outcome, self._fetch_outcomes, _FETCHES)
        self._fetches.labels(label).inc()

    def crl_age(self, url: str, seconds: float) -> None:
        """Note how old a revocation list is; it goes on to age until noted again.

        Args:
            url: one that the operator configured, or a certificate that an anchor
                vouched for; beyond a bound they share a label.
            seconds: since it was made (``thisUpdate``).
        """
        label = _bounded(url, self._urls, _URLS)
        self._crls.labels(label).set(time.time() - seconds)

    def workers(self, count: int) -> None:
        """Note how many workers there are; the supervisor's."""
        self._workers.set(count)

    def replaced(self, *, stuck: bool) -> None:
        """Count a worker that another one takes the place of; the supervisor's."""
        self._replaced.labels("stuck" if stuck else "ended").inc()

    def reloaded(self, *, done: bool) -> None:
        """Count a reload; the supervisor's."""
        self._reloads.labels("done" if done else "refused").inc()

    def ended(self, pid: int) -> None:
        """Keep what an ended process counted, and none of its files; the supervisor's.

        Waits for nobody: while somebody reads, it is left for the next time.
        """
        self._ended.add(pid)
        with suppress(OSError), self._locked(fcntl.LOCK_EX | fcntl.LOCK_NB):
            for gone in list(self._ended):
                self._fold(gone)
                self._ended.discard(gone)

    def collect(
        self, now: float, expiries: Iterable[tuple[str, datetime]] = ()
    ) -> bytes:
        """Add everything up, in Prometheus' text format.

        Args:
            now: seconds since 1970; ages and expiries are told relative to it.
            expiries: signers, and until when their certificates are valid.

        Raises:
            OSError: the folder is gone.
        """
        from prometheus_client import generate_latest, multiprocess  # noqa: PLC0415 - see above
        from prometheus_client.core import GaugeMetricFamily  # noqa: PLC0415

        library: Any = multiprocess
        collector = library.MultiProcessCollector(None, str(self.folder))
        with self._locked(fcntl.LOCK_SH):
            found = list(collector.collect())
        for metric in found:
            if metric.name == _CRL:
                metric.samples = [
                    s._replace(value=now - s.value) for s in metric.samples
                ]
        family = GaugeMetricFamily(
            "stirmilter_certificate_expiry_seconds",
            "Seconds until a signer's certificates expire; negative afterwards.",
            labels=["signer"],
        )
        for signer, until in expiries:
            family.add_metric([signer], until.timestamp() - now)
        return generate_latest(_Found([*found, family]))

    def close(self) -> None:
        """Close the files and remove them; the supervisor's, when all have ended."""
        self._files.close_all_files()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _fold(self, pid: int) -> None:
        """Add the counters of one process to those of all that ended."""
        from prometheus_client import mmap_dict  # noqa: PLC0415 - see above

        library: Any = mmap_dict
        for kind in ("counter", "histogram"):
            source = self.folder / f"{kind}_{pid}.db"
            if not source.exists():
                continue
            kept = library.MmapedDict(str(self.folder / f"{kind}_{_DEAD}.db"))
            with suppress(Exception):  # killed while it made the file
                for key, value, *_ in library.MmapedDict.read_all_values_from_file(
                    source
                ):
                    kept.write_value(key, kept.read_value(key)[0] + value, 0.0)
            kept.close()
        for left in self.folder.glob(f"*_{pid}.db"):
            left.unlink()

    @contextmanager
    def _locked(self, how: int) -> Iterator[None]:
        """Keep a reader from seeing what is moved twice, or not at all."""
        descriptor = os.open(self.folder, os.O_RDONLY)  # its own: forks share others
        try:
            fcntl.flock(descriptor, how)
            yield
        finally:
            os.close(descriptor)


class _Found:
    """Families that were collected, as the library's writer wants them."""

    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    def collect(self) -> list[Metric]:
        return self._families


def _own(folder: Path) -> Path:
    """Make the folder of this process, and remove those of processes that are gone."""
    folder.mkdir(exist_ok=True)
    own = folder / f"{_PREFIX}{os.getpid()}"
    for left in folder.glob(f"{_PREFIX}*"):
        if left == own or not _is_alive(left.name.removeprefix(_PREFIX)):
            shutil.rmtree(left, ignore_errors=True)
    own.mkdir(exist_ok=True)
    return own


def _is_alive(pid: str) -> bool:
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except (ValueError, OverflowError, OSError):
        return True  # not ours to remove
    return True


def _bounded(label: str, known: set[str], limit: int) -> str:
    """Return a label, or the one that all share that come too late."""
    if label not in known:
        if len(known) >= limit:
            return _OTHER
        known.add(label)
    return label
