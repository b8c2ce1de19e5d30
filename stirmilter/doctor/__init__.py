"""What `stirmilter doctor` looks at: Postfix, the way to us, and what we rest on.

Everything is looked at and nothing changed: files are only asked whether they could be
written, and Postfix whether it would reach us. What was found is a list of findings,
each with the line to change. `stirmilter check` looks at the same configuration from
inside, and its findings are part of these.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from stirmilter import dkimfindings, findings, runtime
from stirmilter.config import Config
from stirmilter.doctor import clock, network
from stirmilter.doctor.audits import audit
from stirmilter.doctor.folders import folders
from stirmilter.doctor.library import library
from stirmilter.doctor.postfix import Postfix, PostfixError, read
from stirmilter.doctor.sockets import sockets
from stirmilter.errors import ConfigError
from stirmilter.findings import Finding
from stirmilter.runtime import Runtime
from stirmilter.stores.replay import MemoryReplayStore

__all__ = ["Patient", "examine"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Patient:
    """Whom to look at, and how."""

    config: Config
    postfix: Path | None = None
    """Folder of Postfix's configuration; None is where Postfix looks by itself."""

    postfix_user: str | None = None
    """Whom Postfix's daemons run as; None is its own ``mail_owner``."""

    user: str = "stirmilter"
    """Whom our daemon runs as."""

    fetch: bool = True
    """Also ask our own web server."""

    seconds: float = 5.0
    """For one answer of whomever is asked."""


def examine(patient: Patient, now: datetime) -> Iterable[Finding]:
    """Look at everything there is, whatever is wrong with the rest of it."""
    yield from _postfix(patient)
    yield from library(patient.config)
    yield from network.name_servers(patient.config)
    yield from network.web_roots(patient.config)
    yield clock.synchronised(patient.seconds)
    yield from folders(patient.config, patient.user)
    try:
        built = runtime.build(patient.config, MemoryReplayStore())
    except ConfigError as error:
        for where, problem in error.faults:
            yield Finding("error", where, problem, "stirmilter check")
        return
    yield from _ourselves(patient, built, now)


def _postfix(patient: Patient) -> Iterable[Finding]:
    try:
        postfix = read(patient.postfix)
    except PostfixError as error:
        yield Finding("error", "postfix", str(error), error.remedy)
        return
    yield from audit(postfix, patient.config)
    user = patient.postfix_user or _owner(postfix)
    yield from sockets(postfix, patient.config, user, patient.seconds)


def _owner(postfix: Postfix) -> str:
    return postfix.value("mail_owner") or "postfix"


def _ourselves(patient: Patient, built: Runtime, now: datetime) -> Iterable[Finding]:
    """Look as `stirmilter check` does, and at what is about to end."""
    yield from findings.findings(built, now)
    yield from _ending(built, now)
    yield from dkimfindings.check_findings(built)
    yield from findings.replay_findings(built.config)
    if patient.fetch:
        yield from dkimfindings.published(built)
    for signer in built.signers:
        yield from findings.possessed(signer)
        if patient.fetch:
            yield findings.published(built, signer)
    if patient.fetch and built.signers:
        config = built.config
        tls_ca = config.fetch.tls_ca
        yield from clock.compared(
            built.signers[0].x5u,
            str(config.folder / tls_ca) if tls_ca else None,
            timedelta(seconds=config.verify.skew),
            patient.seconds,
        )


def _ending(built: Runtime, now: datetime) -> Iterable[Finding]:
    """Find anchors that end as soon as would be said of our own chain."""
    soon = now + timedelta(days=max(built.config.sign.expiry_days, default=0))
    for anchor in built.anchors.certificates:
        if now <= anchor.not_valid_after_utc < soon:
            name = anchor.subject.rfc4514_string()
            text = f"{name} ends {anchor.not_valid_after_utc:%Y-%m-%d %H:%MZ}: whatever"
            text += " it vouches for fails from then on"
            remedy = "stirmilter trust import SOURCE --out FILE"
            yield Finding("warning", "verify.anchors", text, remedy)
