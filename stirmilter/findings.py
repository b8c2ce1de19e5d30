"""What an operator should know about a configuration that can be used.

`runtime.build` refuses what cannot work; here stands what works and will disappoint: a
certificate that expires, numbers that it does not cover, a socket that nobody reaches.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, Literal

from cryptography import x509

from stirmilter.config import Config
from stirmilter.errors import ConfigError, FetchError
from stirmilter.runtime import Runtime, check_group
from stirmilter.services import Signer
from stirmilter.stir import credential
from stirmilter.stir.result import Unverified

EXPIRY_WARNING: Final = timedelta(days=14)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that `check` has to say."""

    level: Literal["ok", "warning", "error"]
    subject: str
    text: str


def findings(runtime: Runtime, now: datetime) -> Iterable[Finding]:
    """Look at what was built with an operator's eyes; nothing is fetched."""
    signers = runtime.filter.authentication.signers
    for signer in signers:
        yield from _signer_findings(runtime, signer, now)
    if runtime.anchors.certificates:
        yield Finding(
            "ok", "verify", f"{len(runtime.anchors.certificates)} trust anchors"
        )
        for anchor in runtime.anchors.certificates:
            if anchor.not_valid_after_utc < now:
                text = f"expired: {_validity(anchor)}"
                yield Finding("warning", "verify.anchors", text)
    else:
        yield Finding(
            "warning", "verify.anchors", "none: no PASSporT can pass verification"
        )
    policy = runtime.filter.policy
    if signers and not (policy.networks or policy.logins or policy.daemon_names):
        yield Finding(
            "warning", "sign", "no clients, logins or daemon_names: nothing is signed"
        )
    yield from _socket_findings(runtime.config)
    yield from _store_findings(runtime.config)
    if runtime.config.replay.store == "memory:" and runtime.config.milter.workers != 1:
        text = "memory: is not shared: a replay that another worker meets passes"
        yield Finding("warning", "replay.store", text)
    if runtime.config.fetch.laboratory:
        yield Finding(
            "warning", "fetch.laboratory", "true: never on a machine with mail"
        )


def _store_findings(config: Config) -> Iterable[Finding]:
    stores = ("replay.store", config.replay.store), ("fetch.store", config.fetch.store)
    for where, store in stores:
        kind, _, path = store.partition(":")
        if kind == "sqlite" and not (config.folder / path).parent.is_dir():
            yield Finding("error", where, f"{path}: its folder does not exist")


def _socket_findings(config: Config) -> Iterable[Finding]:
    settings = config.milter
    paths = [Path(s[5:]) for s in settings.sockets if s.startswith("unix:")]
    for path in paths:
        if not path.parent.is_dir():
            text = f"{path}: its folder does not exist"
            yield Finding("error", "milter.sockets", text)
    try:
        check_group(config)
    except ConfigError as error:
        yield Finding("error", "milter.socket_group", error.problem)
    name = settings.authserv_id
    level: Literal["ok", "warning"] = "ok" if "." in name else "warning"
    text = name if level == "ok" else f"{name}: no full host name; set it"
    yield Finding(level, "milter.authserv_id", text)


def published(runtime: Runtime, signer: Signer) -> Finding:
    """Fetch a signer's x5u as its verifiers will, and compare (RFC 9060 §5)."""
    subject = f"signer {signer.name}: x5u"
    try:
        served = runtime.certificates.chain(signer.x5u)
    except (FetchError, Unverified) as error:
        return Finding("error", subject, f"{signer.x5u}: {error}")
    if served != signer.credential.path:
        text = f"{signer.x5u} serves another chain than the file holds"
        return Finding("error", subject, text)
    return Finding("ok", subject, f"{signer.x5u} serves the chain")


def _signer_findings(
    runtime: Runtime, signer: Signer, now: datetime
) -> Iterable[Finding]:
    subject = f"signer {signer.name}"
    leaf = signer.credential.certificate
    covers = signer.credential.tn_auth_list
    if not signer.numbers:
        yield Finding("error", subject, "its numbers are an empty list")
    for domain in sorted(signer.domains - signer.credential.domains):
        text = f"the certificate does not name {domain} in its subjectAltName"
        yield Finding("error", subject, text)
    if not signer.credential.valid_at(now):
        chain = "; ".join(map(_validity, signer.credential.path))
        yield Finding("error", subject, f"not valid now: {chain}")
    elif leaf.not_valid_after_utc - now < EXPIRY_WARNING:
        yield Finding("warning", subject, f"expires soon: {_validity(leaf)}")
    if runtime.anchors.certificates and signer.credential.valid_at(now):
        try:
            credential.validate(signer.credential.path, runtime.anchors, now)
        except Unverified as error:
            text = f"our own anchors refuse it; is the chain complete? {error.detail}"
            yield Finding("error", subject, text)
    outside = [
        f"+{first}" if first == last else f"+{first}-+{last}"
        for first, last in signer.numbers.blocks()
        if not covers.spcs and not covers.covers(first, last)
    ]
    if outside:
        more = f" and {len(outside) - 3} more" if len(outside) > 3 else ""  # noqa: PLR2004 - three will do
        yield Finding(
            "error",
            subject,
            f"the certificate does not cover {', '.join(outside[:3])}{more}",
        )
    yield Finding("ok", subject, f"may speak for {covers}")


def _validity(certificate: x509.Certificate) -> str:
    return (
        f"{certificate.subject.rfc4514_string()} is valid"
        f" {certificate.not_valid_before_utc:%Y-%m-%d %H:%MZ}"
        f" to {certificate.not_valid_after_utc:%Y-%m-%d %H:%MZ}"
    )
