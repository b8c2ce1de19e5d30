"""Counters for Prometheus, added up over all processes, those that ended included.

Each process counts in files of its own, as mapped memory, in a folder that the
supervisor makes; whoever answers a scrape reads them all. The library is imported only
by whoever wants metrics.

Labels take their values from closed lists, and each list has an end: no stranger's text
is a label, and no stranger makes a series.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from stirmilter.events import Claimed, Fetched, Handled
from stirmilter.metrics.families import AGES, Families
from stirmilter.metrics.folder import Folder
from stirmilter.metrics.tally import Tally

if TYPE_CHECKING:
    from prometheus_client import Counter, Histogram, Metric

_FETCHES: Final = 32  # a guard against ourselves: `events.Outcome` is a closed list
_OTHER: Final = "other"


@dataclass(frozen=True, slots=True)
class Credential:
    """What there is to tell of a signer."""

    name: str
    until: datetime
    """When the first certificate of its chain expires."""

    proven: bool
    """Whether its x5u is known to serve the chain."""


class Metrics:
    """What is counted; made by the supervisor before its first fork, used by all."""

    def __init__(self, folder: Path, series: int = 500, lists: int = 64) -> None:
        """Begin at zero, in a folder of this process below `folder`.

        What daemons that are gone have left there is removed.

        Args:
            folder: where the counters of all daemons are.
            series: kinds of messages, and as many of what rules and peers made of them,
                that a process tells apart. Of messages there are about a hundred, and
                what is beyond counts as one; names of rules are the operator's, and
                what is beyond is not counted.
            lists: URLs of revocation lists whose age is told; the rest share a label.

        Raises:
            OSError: the folder cannot be made or written to.
        """
        # Not needed, nor paid for, without metrics.
        from prometheus_client import values  # noqa: PLC0415

        self._kept = Folder(folder)
        self.folder = self._kept.path
        # Where the files of every process of ours go; it reads it from there.
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(self.folder)
        # Its default depends on who imported it first, and when.
        library: Any = values
        library.ValueClass = self._files = library.MultiProcessValue()
        self._all = Families()
        self._tally = Tally(self._all)
        self._children: dict[tuple[str, ...], tuple[Counter, Histogram]] = {}
        self._kinds: dict[tuple[str, ...], Counter] = {}
        self._fetch_outcomes: set[str] = set()
        self._urls: set[str] = set()
        self._series, self._lists = series, lists

    def handled(self, event: Handled) -> None:
        """Count a message; the observer that a worker gives its events to."""
        key = event.direction, event.outcome, event.reason, event.action
        known = self._children.get(key)
        if known is None:
            if len(self._children) >= self._series:
                key = event.direction, event.outcome, _OTHER, event.action
            seconds = self._all.seconds.labels(event.direction)
            known = self._children[key] = self._all.messages.labels(*key), seconds
        count, seconds = known
        count.inc()
        seconds.observe(event.seconds)
        for hazard in event.hazards:  # words from a closed list
            self._all.hazards.labels(hazard).inc()
        self._tally.handled(event)
        if event.rule or event.peer or event.shadow_action:
            self._policy(event)

    def _policy(self, event: Handled) -> None:
        """Count what the operator's tables said; in a bounded number of series."""
        rule, action, peer = event.rule, event.action, event.peer
        if rule:
            self._count(self._all.rulings, "active", rule, action, peer)
        if peer:
            self._count(self._all.peers, "peer", peer, event.outcome, action)
        if event.shadow_action:
            other = event.shadow_rule, event.shadow_action
            self._count(self._all.shadows, "shadow", rule, action, *other)

    def _count(self, family: Counter, *kind: str) -> None:
        child = self._kinds.get(kind)
        if child is None:
            if len(self._kinds) >= self._series:
                return
            child = self._kinds[kind] = family.labels(*kind[1:])
        child.inc()

    def claimed(self, event: Claimed) -> None:
        """Count what a replay store said, and how long it took."""
        self._tally.claimed(event)

    def flush(self) -> None:
        """Have everything seen that was counted in this process.

        What is not seen before is how long the parts of the work took, what the
        methods found, and what the replay store said.
        """
        self._tally.flush()

    def journal_lost(self, count: int) -> None:
        """Count messages whose evidence is lost."""
        self._all.lost.inc(count)

    def journal_kept(self, oldest: float | None, octets: int, limit: int) -> None:
        """Note what evidence there is, and what there may be.

        Args:
            oldest: seconds since 1970; None of an empty journal, whose age is 0.
            octets: in use.
            limit: those that there may be.
        """
        self._all.oldest.set(time.time() if oldest is None else oldest)
        self._all.journal.set(octets)
        self._all.journal_limit.set(limit)

    def replay_keys(self, store: str, keys: int, limit: int) -> None:
        """Note how full the replay store is, by the kind that it is of."""
        self._all.keys.labels(store).set(keys)
        self._all.keys_limit.labels(store).set(limit)

    def fetched(self, event: Fetched) -> None:
        """Count a fetch by its outcome, a word from a closed list."""
        label = _bounded(event.outcome, self._fetch_outcomes, _FETCHES)
        self._all.fetches.labels(label).inc()
        self._all.fetch_seconds.observe(event.seconds)

    def answered(self, outcome: str) -> None:
        """Count an MM4 answer, by one of `families.MM4`."""
        self._all.answers.labels(outcome).inc()

    def crl_age(self, url: str, seconds: float) -> None:
        """Note how old a revocation list is; it goes on to age until noted again.

        Args:
            url: one that the operator configured, or a certificate that an anchor
                vouched for; beyond a bound they share a label.
            seconds: since it was made (``thisUpdate``).
        """
        label = _bounded(url, self._urls, self._lists)
        self._all.crls.labels(label).set(time.time() - seconds)

    def cache(self, name: str, hits: int, misses: int, entries: int) -> None:
        """Count looks into a cache since the last time, and note what is in it."""
        self._all.lookups.labels(name, "hit").inc(hits)
        self._all.lookups.labels(name, "miss").inc(misses)
        self._all.entries.labels(name).set(entries)

    def occupied(self, sessions: int, waiting: Mapping[str, int]) -> None:
        """Note how much is under way in this worker."""
        self._all.sessions.set(sessions)
        for queue, count in waiting.items():
            self._all.waiting.labels(queue).set(count)

    def workers(self, count: int) -> None:
        """Note how many workers there are; the supervisor's."""
        self._all.workers.set(count)

    def replaced(self, *, stuck: bool) -> None:
        """Count a worker that another one takes the place of; the supervisor's."""
        self._all.replaced.labels("stuck" if stuck else "ended").inc()

    def unproven(self, count: int) -> None:
        """Note how many credentials wait for their proof; the supervisor's."""
        self._all.unproven.set(count)

    def reloaded(self, *, done: bool) -> None:
        """Count a reload; the supervisor's."""
        self._all.reloads.labels("done" if done else "refused").inc()

    def ended(self, pid: int) -> None:
        """Keep what an ended process counted; the supervisor's."""
        self._kept.ended(pid)

    def collect(
        self, now: float, credentials: Iterable[Credential] = (), version: str = ""
    ) -> bytes:
        """Add everything up, in Prometheus' text format.

        Args:
            now: seconds since 1970; ages and expiries are told relative to it.
            credentials: of our signers.
            version: ours.

        Raises:
            OSError: the folder is gone.
        """
        from prometheus_client import generate_latest, multiprocess  # noqa: PLC0415 - see above

        library: Any = multiprocess
        with self._kept.locked():
            files = self._kept.files()
            found = list(library.MultiProcessCollector.merge(files, accumulate=True))
        for metric in found:
            if metric.name in AGES:  # and what was never noted has none
                metric.samples = [
                    s._replace(value=now - s.value) for s in metric.samples if s.value
                ]
        return generate_latest(_Found([*found, *_told(now, credentials, version)]))

    def close(self) -> None:
        """Close the files and remove them; the supervisor's, when all have ended."""
        self._files.close_all_files()
        self._kept.remove()


class _Found:
    """Families that were collected, as the library's writer wants them."""

    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    def collect(self) -> list[Metric]:
        return self._families


def _told(now: float, credentials: Iterable[Credential], version: str) -> list[Metric]:
    """Make the families that nobody counts."""
    from prometheus_client.core import GaugeMetricFamily  # noqa: PLC0415 - see above

    expiry = GaugeMetricFamily(
        "stirmilter_certificate_expiry_seconds",
        "Seconds until a signer's certificates expire; negative afterwards.",
        labels=["signer"],
    )
    proven = GaugeMetricFamily(
        "stirmilter_signer_proven",
        "1 if a signer's x5u is known to serve its chain: only then it signs.",
        labels=["signer"],
    )
    for one in credentials:
        expiry.add_metric([one.name], one.until.timestamp() - now)
        proven.add_metric([one.name], float(one.proven))
    build = GaugeMetricFamily(
        "stirmilter_build_info",
        "1, with what runs here.",
        labels=["version", "python"],
    )
    build.add_metric([version, platform.python_version()], 1.0)
    return [expiry, proven, build]


def _bounded(label: str, known: set[str], limit: int) -> str:
    """Return a label, or the one that all share that come too late."""
    if label not in known:
        if len(known) >= limit:
            return _OTHER
        known.add(label)
    return label
