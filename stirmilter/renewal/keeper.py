"""Watches our keys and chains, has what is new proven, and says what to sign with.

It lives in the supervisor, which calls `tick` about once a second; nothing here waits.
Key and chain are two files that nobody replaces in one step, so a pair that does not
match means "not yet": the signer before goes on, and the log says why.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from stirmilter import findings, log
from stirmilter.errors import ConfigError, StoreError
from stirmilter.renewal import decisions, prober
from stirmilter.renewal.decisions import Published, published
from stirmilter.runtime import Runtime, signers
from stirmilter.services import Signer
from stirmilter.stores.proofs import Proof, ProofFile, before

_REMIND: Final = 3600.0  # seconds between two lines that say the same

Seen = tuple[tuple[int, ...] | None, ...]


@dataclass(slots=True)
class Keeper:
    """The state of our credentials.

    `adopt` begins with what was loaded, at the start and after each reload; `tick`
    tells whether the signers of `runtime` have changed since.
    """

    held: Callable[[], Iterable[int]] = tuple
    """Descriptors that a child must not keep."""

    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ticks: Callable[[], float] = time.monotonic
    """Seconds that never go back."""

    proofs: tuple[Proof, ...] = ()
    _saved: tuple[Proof, ...] = ()
    _runtime: Runtime | None = None
    _candidates: list[Signer] = field(default_factory=list)
    """What the files hold now, as far as they could be used, in the order of the
    configuration."""

    _broken: set[int] = field(default_factory=set)
    """Whose files cannot be used as they are."""

    _seen: dict[int, Seen] = field(default_factory=dict)
    _probe: prober.Probe | None = None
    _refused: set[Published] = field(default_factory=set)
    """What must not be tried again before something changes."""

    _next_look: float = 0.0
    _next_try: float = 0.0
    _told: dict[str, tuple[str, float]] = field(default_factory=dict)
    _reminded: dict[Published, str] = field(default_factory=dict)

    @property
    def runtime(self) -> Runtime:
        """What workers are to judge with."""
        assert self._runtime is not None  # noqa: S101 - `adopt` comes first
        return self._runtime

    @property
    def unproven(self) -> int:
        """How many signers have a certificate, used or not, that is not proven."""
        proven = self._proven(self.runtime)
        return sum(published(one) not in proven for one in self._candidates)

    @property
    def proving(self) -> bool:
        """Whether a probe is under way."""
        return self._probe is not None

    def settle(self, loaded: Runtime) -> Runtime:
        """Put the signers that may be used into a runtime that was just loaded."""
        if self._runtime is None:
            self.proofs = self._saved = self._remembered(loaded)
        return self._using(loaded, loaded.signers)

    def adopt(self, loaded: Runtime, settled: Runtime) -> None:
        """Go on from what was loaded, and have proven what is not."""
        self.stop()
        self._candidates = list(loaded.signers)
        self._broken.clear()
        self._seen.clear()
        self._refused.clear()
        self._told.clear()
        self._use(settled)
        # `findings` has just said it.
        self._reminded = {published(s): self._stage(s) for s in settled.signers}
        self._next_look = self.ticks() + settled.config.sign.watch_seconds
        self._next_try = 0.0
        self._try()

    def tick(self) -> bool:
        """Do what is due; tell whether `runtime` has other signers now."""
        settings = self.runtime.config.sign
        reports = self._probe.reports() if self._probe else None
        if self._probe and reports is not None:
            looked_at, self._probe = self._probe.signers, None
            self._take(looked_at, reports)
            # What came meanwhile has not had its turn.
            if self._wanted(besides=looked_at) == []:
                self._next_try = self.ticks() + settings.retry_seconds
        look = self.ticks() >= self._next_look
        if look:
            self._next_look = self.ticks() + settings.watch_seconds
            self._look()
            self._remind()
        self._try()
        if not look and not reports:
            return False
        chosen = self._using(self.runtime, self._candidates)
        if _terms(chosen) == _terms(self.runtime):
            return False
        self._use(chosen)
        return True

    # What the files hold

    def _look(self) -> None:
        """Load again what has changed."""
        for place, old in enumerate(self._candidates):
            seen = self._state(place)
            if seen == self._seen.get(place) and place not in self._broken:
                continue
            self._seen[place] = seen
            try:
                # Numbers in files of their own wait for a reload.
                new = signers.signer(
                    self.runtime.config, place, self.runtime.fetcher, old.numbers
                )
            except ConfigError as error:
                self._broken.add(place)
                self._tell(old.name, f"the new files are not used: {error.problem}")
                continue
            self._broken.discard(place)
            if published(new) != published(old):
                self._candidates[place] = replace(new, domains=old.domains)
                self._next_try = 0.0

    def _state(self, place: int) -> Seen:
        """Return what tells that a file has changed, of what links lead to."""
        try:
            paths = signers.files(self.runtime.config, place)
        except ConfigError:
            return ()
        return tuple(map(_stat, paths))

    # What is proven

    def _try(self) -> None:
        """Begin to look at what is not proven, unless it is too early."""
        if self.proving or self.ticks() < self._next_try:
            return
        wanted = self._wanted()
        if not wanted:
            return
        try:
            self._probe = prober.start(self.runtime, wanted, self.clock(), self.held())
        except OSError as error:
            log.trouble(f"no prober now, trying again: {error}")
            self._next_try = self.ticks() + self.runtime.config.sign.retry_seconds

    def _wanted(self, besides: Iterable[Signer] = ()) -> list[Signer]:
        """Return what is to be proven."""
        known = self._proven(self.runtime) | self._refused
        known.update(map(published, besides))
        return [one for one in self._candidates if published(one) not in known]

    def _take(
        self, looked_at: Sequence[Signer], reports: Iterable[prober.Report]
    ) -> None:
        now = self.clock()
        for report in reports:
            one = looked_at[report.place]
            if report.reason:
                self._tell(one.name, f"not used yet: {report.reason}")
                if report.final:
                    self._refused.add(published(one))
                continue
            self._told.pop(one.name, None)
            x5u, chain = published(one)
            proof = Proof(
                name=one.name,
                x5u=x5u,
                chain=chain,
                public_key=one.key.public_key,
                proven=now,
                fetched=self.runtime.config.sign.prove,
            )
            others = (p for p in self.proofs if (p.x5u, p.chain) != (x5u, chain))
            self.proofs = (*others, proof)

    def _proven(self, runtime: Runtime) -> set[Published]:
        any_will_do = not runtime.config.sign.prove
        return {(p.x5u, p.chain) for p in self.proofs if p.fetched or any_will_do}

    def stop(self) -> None:
        """End what is under way."""
        if self._probe is not None:
            self._probe.stop()
            self._probe = None

    # What is used

    def _using(self, runtime: Runtime, candidates: Iterable[Signer]) -> Runtime:
        previous = self._runtime.signers if self._runtime else ()
        chosen = decisions.choose(candidates, previous, self._proven(runtime))
        now, fresh = self.clock(), _freshness(runtime)
        proofs = decisions.account(self.proofs, chosen, now, fresh)
        return runtime.using(chosen, decisions.former(proofs, now, fresh))

    def _use(self, chosen: Runtime) -> None:
        """Say what is new, and remember it."""
        replaced = self._runtime.signers if self._runtime else ()
        known = {published(one) for one in replaced if one.proven}
        self._runtime = chosen
        for one in chosen.signers:
            if one.proven and published(one) not in known:
                log.finding("ok", f"signer {one.name}", f"in use: {_described(one)}")
                if before(self.proofs, *published(one)):
                    finding = findings.reused(one)
                    log.finding(finding.level, finding.subject, finding.text)
        self.proofs = decisions.account(
            self.proofs, chosen.signers, self.clock(), _freshness(chosen)
        )
        if self.proofs != self._saved:
            self._saved = self.proofs
            self._remember(chosen)

    def _remembered(self, runtime: Runtime) -> tuple[Proof, ...]:
        try:
            return _file(runtime).load()
        except StoreError as error:
            log.logger.warning("proofs are lost, and made anew: %s", error)
            return ()

    def _remember(self, runtime: Runtime) -> None:
        try:
            _file(runtime).save(self.proofs)
        except StoreError as error:
            log.logger.warning("proofs are not remembered: %s", error)

    # What is said

    def _tell(self, name: str, text: str) -> None:
        """Log why something is not used, once an hour while it stays the same."""
        said, at = self._told.get(name, ("", 0.0))
        if said != text or self.ticks() - at >= _REMIND:
            self._told[name] = text, self.ticks()
            log.finding("warning", f"signer {name}", text)

    def _remind(self) -> None:
        for one in self.runtime.signers:
            stage = self._stage(one)
            if not stage or stage == self._reminded.get(published(one)):
                continue
            self._reminded[published(one)] = stage
            subject = f"signer {one.name}"
            until = f"valid until {one.credential.validity[1]:%Y-%m-%d %H:%MZ}"
            if stage.startswith("expired"):
                log.finding("error", subject, f"its chain has expired: {until}")
            else:
                log.finding("warning", subject, f"{stage} left at most: {until}")

    def _stage(self, one: Signer) -> str:
        days = self.runtime.config.sign.expiry_days
        return decisions.reminder(one.credential.validity[1], self.clock(), days)


def _terms(runtime: Runtime) -> list[tuple[object, ...]]:
    """Return what workers would do otherwise, if it were another."""
    return [
        (one.name, *published(one), one.proven, one.numbers, one.domains)
        for one in runtime.signers
    ]


def _freshness(runtime: Runtime) -> timedelta:
    return timedelta(seconds=runtime.config.verify.freshness)


def _file(runtime: Runtime) -> ProofFile:
    return ProofFile(runtime.config.folder / runtime.config.sign.proofs)


def _described(one: Signer) -> str:
    subject = one.credential.certificate.subject.rfc4514_string()
    return f"{subject} until {one.credential.validity[1]:%Y-%m-%d %H:%MZ}, {one.x5u}"


def _stat(path: Path) -> tuple[int, ...] | None:
    try:
        found = os.stat(path)  # noqa: PTH116 - follows links
    except OSError:
        return None
    return (
        found.st_dev,
        found.st_ino,
        found.st_size,
        found.st_mtime_ns,
        found.st_ctime_ns,
    )
