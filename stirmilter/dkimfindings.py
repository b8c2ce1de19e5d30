"""What an operator should know about DKIM and the methods beside STIR."""

from __future__ import annotations

from collections.abc import Iterable

from stirmilter.findings import Finding
from stirmilter.mail.dkimsign import DkimSigner, character_strings
from stirmilter.runtime import Runtime, checks


def check_findings(runtime: Runtime) -> Iterable[Finding]:
    """Look at the configuration; nothing is asked."""
    config = runtime.config
    for index, block in enumerate(config.upstream):
        if not block.strips:
            text = (
                f"{', '.join(block.authserv_ids)}: strips is false, so nothing of it is"
                " believed; see docs/operations.md for what it takes"
            )
            yield Finding("warning", f"upstream.{index}", text)
        elif config.checks.mode == "evaluate":
            text = 'checks.mode is "evaluate": its results are not read'
            yield Finding("warning", f"upstream.{index}", text)
    signer = runtime.filter.dkim
    if signer is not None:
        text = f"{signer.algorithm} for {signer.domain}, selector {signer.selector}"
        yield Finding("ok", "dkim", text)


def record(runtime: Runtime) -> Iterable[Finding]:
    """Show what is to be published; not in a log, where a key is taken for a token."""
    signer = runtime.filter.dkim
    if signer is not None:
        yield Finding("ok", "dkim", _zone_line(signer))


def published(runtime: Runtime) -> Iterable[Finding]:
    """Ask the DNS for our own DKIM key, and compare."""
    signer = runtime.filter.dkim
    if signer is not None:
        yield _published(runtime, signer)


def _published(runtime: Runtime, signer: DkimSigner) -> Finding:
    name, text = signer.record
    answer = checks.name_servers(runtime.config).for_message().ask(name, "TXT")
    if answer.outcome in ("temporary", "malformed"):
        problem = f"{name}: {answer.detail or answer.outcome}"
        return Finding("warning", "dkim", f"cannot be looked up: {problem}")
    key = text.rpartition("p=")[2]
    if any(key in "".join(record.split()) for record in answer.records):
        return Finding("ok", "dkim", f"{name} has our key")
    problem = "has another key" if answer.records else "is not in the DNS"
    text = f"{name} {problem}; publish {_zone_line(signer)}"
    return Finding("error", "dkim", text)


def _zone_line(signer: DkimSigner) -> str:
    """Return the record as it can be pasted into a zone file."""
    name, text = signer.record
    return f"{name}. TXT {character_strings(text)}"
