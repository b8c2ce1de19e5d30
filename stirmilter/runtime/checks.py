"""SPF, DKIM, ARC and DMARC as the configuration has them, and our own DKIM."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from stirmilter.config import Config
from stirmilter.errors import ConfigError
from stirmilter.mail.authres import Limits
from stirmilter.mail.beside import Checks, NoChecks
from stirmilter.mail.checks.verification import DkimLimits
from stirmilter.mail.dkimsign import NAMES, DkimSigner, read_key
from stirmilter.mail.policy import peers
from stirmilter.mail.policy.policy import Policy
from stirmilter.mail.upstream import Upstream
from stirmilter.runtime import keys

if TYPE_CHECKING:
    from stirmilter.stores.dns import Dns


def checks(config: Config, policy: Policy, dns: Dns | None = None) -> Checks:
    """Make what evaluates; pyspf and dnspython are only loaded where they are used.

    Args:
        config: as loaded.
        policy: whose peers have domains.
        dns: whom to ask, if not servers of its own.

    Raises:
        ConfigError: an upstream is ourselves, or strict mode lacks what it rests on.
    """
    section = config.checks
    _check_strict(config)
    if not section.methods:
        return NoChecks()
    from stirmilter.mail.checks.dmarc import DmarcLimits  # noqa: PLC0415
    from stirmilter.mail.checks.spf import SpfLimits  # noqa: PLC0415 - see above
    from stirmilter.mail.methods import Methods, MethodsPolicy  # noqa: PLC0415

    dns = dns or name_servers(config)
    bound = peers.bindings(policy.peers).values()
    known = frozenset(domain for domains in bound for domain in domains)
    return Methods(
        MethodsPolicy(
            methods=frozenset(section.methods),
            mode=section.mode,
            upstreams=_upstreams(config),
            headers=frozenset(config.verify.headers),
            protecting=None if section.protecting == "any" else known,
            dkim=dkim_limits(config),
            spf=SpfLimits(
                lookups=section.spf_lookups,
                void_lookups=section.spf_void_lookups,
                names=section.spf_names,
                record_octets=section.spf_record_octets,
                term_octets=section.spf_term_octets,
                local_part=section.spf_local_part,
                macros=section.spf_macros,
            ),
            dmarc=DmarcLimits(
                authors=section.authors,
                lexemes=config.limits.address_words,
                identifiers=section.identifiers,
                record_octets=section.dmarc_record_octets,
                seconds=config.dns.dmarc_seconds,
                questions=config.dns.dmarc_questions,
            ),
            signatures=section.signatures,
            results=Limits(
                length=section.result_octets,
                depth=section.result_comments,
                resinfos=section.results,
                properties=section.result_properties,
            ),
            result_length=section.result_value,
        ),
        dns.for_message,
    )


def name_servers(config: Config) -> Dns:
    """Make what asks the DNS for messages, and remembers."""
    from stirmilter.stores.dns import Dns, DnsLimits  # noqa: PLC0415 - see `checks`

    section = config.dns
    limits = DnsLimits(
        question_seconds=section.question_seconds,
        server_seconds=section.server_seconds,
        message_seconds=section.message_seconds,
        questions=section.questions,
        unanswered=section.unanswered,
        records=section.records,
        octets=section.octets,
        entries=section.entries,
        memory_octets=section.memory_octets,
        found_seconds=section.found_seconds,
        absent_seconds=section.absent_seconds,
        failed_seconds=section.failed_seconds,
    )
    return Dns(section.servers, limits)


def dkim_limits(config: Config) -> DkimLimits:
    """Say what verifying a signature may cost."""
    section = config.checks
    return DkimLimits(
        signatures=section.signatures,
        field_size=section.signature_octets,
        shortest_key=section.shortest_key,
        longest_key=section.longest_key,
        skew=timedelta(seconds=section.signature_skew),
        arc_sets=section.arc_sets,
        key_records=section.key_records,
    )


def dkim_signer(config: Config) -> DkimSigner | None:
    """Load our own DKIM key, if there is one.

    Raises:
        ConfigError: half of it is missing, or it is no key that others believe.
    """
    section = config.dkim
    where = f"{config.source}: dkim"
    given = {name: getattr(section, name) for name in ("domain", "selector", "key")}
    if not any(given.values()):
        return None
    for name, value in given.items():
        if not value:
            raise ConfigError(f"{where}.{name}", "missing: all three are needed")
    octets = keys.secret(config, section.key, f"{where}.key")
    try:
        key = read_key(octets)
    except ValueError as error:
        raise ConfigError(f"{where}.key", f"{section.key}: {error}") from None
    try:
        return DkimSigner(
            domain=section.domain,
            selector=section.selector,
            key=key,
            names=section.fields or NAMES,
            header_form=section.header_form,
            body_form=section.body_form,
            lifetime=timedelta(seconds=section.lifetime) if section.lifetime else None,
            names_octets=section.names_octets,
        )
    except ValueError as error:
        raise ConfigError(where, str(error)) from None


def _upstreams(config: Config) -> tuple[Upstream, ...]:
    found = []
    for index, block in enumerate(config.upstream):
        where = f"{config.source}: upstream.{index}"
        ours = config.milter.authserv_id.lower()
        if ours in map(str.lower, block.authserv_ids):
            problem = f"{ours} is ours: what claims it is removed from a message"
            raise ConfigError(f"{where}.authserv_ids", problem)
        found.append(
            Upstream(
                authserv_ids=block.authserv_ids,
                networks=block.clients,
                daemon_names=frozenset(block.daemon_names),
                methods=frozenset(block.methods),
                strips=block.strips,
            )
        )
    if config.checks.mode != "evaluate" and not found:
        problem = f'mode is "{config.checks.mode}" and there is no [[upstream]]'
        raise ConfigError(f"{config.source}: checks.mode", problem)
    return tuple(found)


def _check_strict(config: Config) -> None:
    """Refuse a strict mode that lets nothing pass."""
    strict = config.verify.strict or any(peer.strict for peer in config.peer)
    if strict and (
        "dkim" not in config.checks.methods or config.checks.mode == "trust"
    ):
        problem = 'strict needs DKIM signatures that we verify: "dkim" in methods'
        raise ConfigError(f"{config.source}: checks.methods", problem)
