"""What an operator should know about a configuration that can be used.

`runtime.build` refuses what cannot work; here stands what works and will disappoint: a
certificate that expires, numbers that it does not cover, a socket that nobody reaches.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from cryptography import x509

from stirmilter.config import Config
from stirmilter.errors import ConfigError, FetchError, StoreError
from stirmilter.mail.mailpolicy import MailPolicy
from stirmilter.runtime import Runtime
from stirmilter.runtime.owners import check_owners
from stirmilter.runtime.stores import redis_replay_store
from stirmilter.services import Signer
from stirmilter.stir import credential, delegation
from stirmilter.stir.jws import SoftwareKey
from stirmilter.stir.result import Reason, Unverified
from stirmilter.stir.tn import NumberSet
from stirmilter.stir.tnauthlist import TNAuthList
from stirmilter.stores import trustfile
from stirmilter.stores.certificates import CHAIN
from stirmilter.stores.fetch import NUMBERS
from stirmilter.stores.proofs import QUEUED, ProofFile, before, recent
from stirmilter.stores.replay.standing import BOOT_ID, boot_id


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that `check` or `doctor` has to say."""

    level: Literal["ok", "warning", "error"]
    subject: str
    text: str
    remedy: str = ""
    """The line to change or the command to run, where there is one."""


_ANCHORS: Final = (
    "stirmilter trust import SOURCE --out FILE; then verify.anchors = [FILE]"
)
_ROOTS: Final = (
    "verify.anchors = the roots of the STI-CAs; a signer's chain is to be fetched"
)
_OWNERS: Final = {
    "milter.socket_owner": 'milter.socket_owner = ""  # the daemon\'s own user',
    "milter.socket_group": "apt-get install postfix; or milter.socket_group = the group"
    " that Postfix runs as",
}


def findings(runtime: Runtime, now: datetime) -> Iterable[Finding]:
    """Look at what was built with an operator's eyes; nothing is fetched."""
    signers = runtime.signers
    for signer in signers:
        yield from signer_findings(runtime, signer, now)
    yield from _proof_findings(runtime, now)
    if runtime.anchors.certificates:
        count = len(runtime.anchors.certificates)
        text = f"{count} trust anchor{'s' if count != 1 else ''}"
        yield Finding("ok", "verify", text)
        for anchor in runtime.anchors.certificates:
            if anchor.not_valid_after_utc < now:
                text = f"expired: {_validity(anchor)}"
                yield Finding("warning", "verify.anchors", text)
            if not credential.is_ca(anchor):
                text = f"no CA certificate: {anchor.subject.rfc4514_string()}"
                yield Finding("warning", "verify.anchors", text, _ROOTS)
        yield from _trust_findings(runtime, now)
    else:
        text = "none: no PASSporT can pass verification"
        yield Finding("warning", "verify.anchors", text, _ANCHORS)
    if signers:
        yield from _submitter_findings(runtime.filter.policy)
    yield from _peer_findings(runtime)
    yield from _socket_findings(runtime.config)
    if runtime.config.replay.store == "memory:" and runtime.config.milter.workers != 1:
        text = "memory: is not shared: a replay that another worker meets passes"
        yield Finding("warning", "replay.store", text)
    if runtime.config.replay.store.startswith("sqlite:") and not boot_id():
        text = (
            "nobody tells which run of the machine this is, so what a power cut loses"
        )
        text += f" is not missed; set {BOOT_ID} (%b in a unit of systemd)"
        yield Finding("warning", "replay.store", text)
    if runtime.config.fetch.laboratory:
        yield Finding(
            "warning", "fetch.laboratory", "true: never on a machine with mail"
        )


def _submitter_findings(policy: MailPolicy) -> Iterable[Finding]:
    """Look at who can have what signed, by policy and by oversight."""
    if not (
        policy.networks or policy.logins or policy.daemon_names or policy.tls_names
    ):
        text = "no clients, logins, daemon_names or tls_names: nothing is signed"
        yield Finding("warning", "sign", text)
    elif not policy.submitters and not _is_one_client(policy):
        yield Finding(
            "warning",
            "sign",
            "no [[submitter]]: whoever can hand in outgoing mail can have a token made"
            " for any number of any signer",
            "a [[submitter]] for each client: name, its networks (or logins, tls_names,"
            " daemon_names), and the numbers that are its own",
        )


def _is_one_client(policy: MailPolicy) -> bool:
    """Tell whether there is a single client, which has all numbers, then.

    Behind a login or a Postfix service there may be any number of them, behind an
    address of loopback every user of this machine.
    """
    if policy.logins or policy.daemon_names:
        return False
    hosts = sum(network.num_addresses for network in policy.networks)
    local = any(network.is_loopback for network in policy.networks)
    return hosts + len(policy.tls_names) == 1 and not local


def _trust_findings(runtime: Runtime, now: datetime) -> Iterable[Finding]:
    """Look at imported lists, and at what tells who is revoked."""
    config = runtime.config
    files = [*config.verify.anchors, *(p for b in config.trust for p in b.anchors)]
    for path in files:
        try:
            record = trustfile.load(config.folder / path)
        except StoreError as error:
            yield Finding("warning", "verify.anchors", str(error))
            continue
        if record is not None and record.end is not None and record.end < now:
            text = f"{path}: its list has expired, {record.end:%Y-%m-%d %H:%MZ};"
            text += " run: stirmilter trust import"
            yield Finding("warning", "verify.anchors", text)
    if config.revocation.mode == "off":
        text = "off: certificates that were revoked pass"
        yield Finding("warning", "revocation.mode", text)
    elif not any(one.crl_issuers.certificates for one in runtime.trust):
        text = "crl_issuers is empty: no indirect list can be believed"
        yield Finding("ok", "revocation", text)


def _peer_findings(runtime: Runtime) -> Iterable[Finding]:
    for peer in runtime.filter.policy.actions.peers:
        if peer.claimed:
            text = "anybody can claim its helo or domains: name networks or tls_names"
            yield Finding("warning", f"peer {peer.name}", text)


def replay_findings(config: Config) -> Iterable[Finding]:
    """Ask the Redis server that holds the replay keys whether it keeps them."""
    if config.replay.store.startswith(("memory:", "sqlite:")):
        return
    try:
        policy, keeps = redis_replay_store(config).checked()
    except (ConfigError, StoreError) as error:
        yield Finding("error", "replay.store", str(error))
        return
    if policy not in ("noeviction", ""):
        text = "the server may evict keys, and replays then pass: maxmemory-policy is"
        yield Finding("error", "replay.store", f"{text} {policy}; set noeviction")
    elif not keeps:
        text = "after a restart of the server, what was on its way is replay-unknown;"
        text += " appendonly yes and appendfsync always would spare that"
        yield Finding("ok", "replay.store", text)
    else:
        yield Finding("ok", "replay.store", "the server answers and keeps every key")


# milter_content_timeout, which each sign of life begins anew, and what SMTP clients are
# to wait for the answer to a message (RFC 5321 §4.5.3.2.6), which nothing makes longer.
_PATIENCE: Final = {
    "progress_seconds": (300, "Postfix gives up after 300 s without a sign of life"),
    "message_seconds": (600, "SMTP clients give up after 600 s without an answer"),
}


def _socket_findings(config: Config) -> Iterable[Finding]:
    settings = config.milter
    try:
        check_owners(config)
    except ConfigError as error:
        [(where, problem)] = error.faults
        setting = where.rpartition(": ")[2]
        yield Finding("error", setting, problem, _OWNERS[setting])
    for setting, (longest, text) in _PATIENCE.items():
        if getattr(settings, setting) >= longest:
            yield Finding("warning", f"milter.{setting}", text)
    name = settings.authserv_id
    level: Literal["ok", "warning"] = "ok" if "." in name else "warning"
    text = name if level == "ok" else f"{name}: no full host name; set it"
    yield Finding(level, "milter.authserv_id", text)


def published(runtime: Runtime, signer: Signer) -> Finding:
    """Fetch a signer's x5u as its verifiers will, and compare (RFC 9060 §5).

    Then the TNAuthLists that the chain refers to: it must keep within them.
    """
    subject = f"signer {signer.name}: x5u"
    limit = runtime.config.limits.certificates
    try:
        # Not through the store of certificates: what it remembers is no proof.
        served = credential.load_chain(
            runtime.fetcher.body(signer.x5u, accept=CHAIN.accept), limit
        )
    except (FetchError, Unverified) as error:
        return Finding("error", subject, f"{signer.x5u}: {error}")
    if served != signer.credential.path:
        text = f"{signer.x5u} serves another chain than the file holds"
        return Finding("error", subject, text)
    try:
        _check_lists(runtime, served)
    except (FetchError, Unverified) as error:
        text = f"a TNAuthList that the chain refers to: {error}"
        return Finding("error", subject, text)
    return Finding("ok", subject, f"{signer.x5u} serves the chain")


def _check_lists(runtime: Runtime, chain: Sequence[x509.Certificate]) -> None:
    """Hold a chain of ours to the lists that it refers to (RFC 8226 §10.1).

    Raises:
        FetchError: a list cannot be had.
        Unverified: it is none, or the chain goes beyond it.
    """
    fetch = runtime.config.fetch
    urls = credential.references(chain)
    if len(urls) > fetch.references:
        detail = f"more than {fetch.references} TNAuthLists by reference"
        raise Unverified(Reason.CREDENTIAL_MALFORMED, detail, "profile §5")
    lists = {
        url: runtime.fetcher.body(url, octets=fetch.reference_octets, accept=NUMBERS)
        for url in urls
    }
    delegation.check(chain, chain, lists)


def possessed(signer: Signer) -> Iterable[Finding]:
    """Have a token sign; a key that is a file was held to its certificate before."""
    if isinstance(signer.key, SoftwareKey):
        return
    subject = f"signer {signer.name}: key"
    try:
        signer.key.sign(b"stirmilter check")
    except StoreError as error:
        yield Finding("error", subject, str(error))
    else:
        yield Finding("ok", subject, "the token signs for the certificate")


def signer_findings(
    runtime: Runtime, signer: Signer, now: datetime
) -> Iterable[Finding]:
    """Look at one signer; one without an error may be used once it is published."""
    subject = f"signer {signer.name}"
    covers = signer.credential.tn_auth_list
    if not signer.numbers:
        yield Finding("error", subject, "its numbers are an empty list")
    for domain in sorted(signer.domains - signer.credential.domains):
        text = f"the certificate does not name {domain} in its subjectAltName"
        yield Finding("error", subject, text)
    if not signer.credential.valid_at(now):
        chain = "; ".join(map(_validity, signer.credential.path))
        yield Finding("error", subject, f"not valid now: {chain}")
    elif signer.credential.validity[1] - now < timedelta(
        days=max(runtime.config.sign.expiry_days, default=0)
    ):
        first = min(signer.credential.path, key=lambda one: one.not_valid_after_utc)
        yield Finding("warning", subject, f"expires soon: {_validity(first)}")
    if runtime.anchors.certificates and signer.credential.valid_at(now):
        try:
            credential.validate(signer.credential.path, runtime.anchors, now)
        except Unverified as error:
            # A list elsewhere, and all else is good: `published` asks for it.
            if error.reason is not Reason.CREDENTIAL_UNAVAILABLE:
                text = "our own anchors refuse it; is the chain complete?"
                yield Finding("error", subject, f"{text} {error.detail}")
    outside = [] if covers.spcs else list(_outside(signer.numbers, covers))
    if outside:
        more = f" and {len(outside) - 3} more" if len(outside) > 3 else ""  # noqa: PLR2004 - three will do
        yield Finding(
            "error",
            subject,
            f"the certificate does not cover {', '.join(outside[:3])}{more}",
        )
    yield Finding("ok", subject, f"may speak for {covers}")


def _outside(numbers: NumberSet, covers: TNAuthList) -> Iterable[str]:
    """Yield what a certificate does not cover.

    A prefix has no length and so no last number: that one number under it is covered
    is all that can be asked; each meets the certificate when it is signed for.
    """
    for first, last in numbers.blocks():
        if not covers.covers(first, last):
            yield f"+{first}" if first == last else f"+{first}-+{last}"
    ends = [block.ends for block in covers.blocks]
    for prefix in sorted(numbers.prefixes):
        size = len(prefix)
        if not any(a[:size] <= prefix <= b[:size] for a, b in ends if len(a) >= size):
            yield f"+{prefix}*"


def _proof_findings(runtime: Runtime, now: datetime) -> Iterable[Finding]:
    """Look at what was proven before, and for a new certificate under an old URL."""
    config = runtime.config
    path = config.folder / config.sign.proofs
    if not path.parent.is_dir():
        return  # which `folder_findings` tells
    try:
        since = now - QUEUED - timedelta(seconds=config.verify.freshness)
        proofs = recent(ProofFile(path).load(), since)
    except StoreError as error:
        yield Finding("warning", "sign.proofs", str(error))
        return
    for signer in runtime.signers:
        if before(proofs, signer.x5u, signer.chain_digest):
            yield reused(signer)


def reused(signer: Signer) -> Finding:
    """Say that a certificate has the URL of another (RFC 8224 §7.3)."""
    text = (
        f"{signer.x5u} has served another chain: mail signed under that one fails from"
        " now on; give a new certificate a new URL"
    )
    return Finding("warning", f"signer {signer.name}: x5u", text)


def _validity(certificate: x509.Certificate) -> str:
    return (
        f"{certificate.subject.rfc4514_string()} is valid"
        f" {certificate.not_valid_before_utc:%Y-%m-%d %H:%MZ}"
        f" to {certificate.not_valid_after_utc:%Y-%m-%d %H:%MZ}"
    )
