"""What the operator decided, as the values that filter and services take."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta

from stirmilter.config import Config
from stirmilter.errors import ConfigError, StoreError
from stirmilter.events import RemovedLimits
from stirmilter.mail.mailpolicy import MailPolicy, Submitter, Survival
from stirmilter.mail.mm4 import Reading
from stirmilter.mail.survival import PartLimits
from stirmilter.runtime import actions
from stirmilter.runtime.files import TABLE, number_set
from stirmilter.services import VerificationPolicy
from stirmilter.stir import passport
from stirmilter.stir.msgi import FORMS
from stirmilter.stir.tn import NumberSet
from stirmilter.stores.numbers import NumberTable


def mail_policy(config: Config) -> MailPolicy:
    """Say what becomes of mail."""
    sign, verify = config.sign, config.verify
    types = {name.lower() for name in sign.message_types}
    return MailPolicy(
        authserv_id=config.milter.authserv_id,
        networks=sign.clients,
        logins=sign.logins,
        daemon_names=frozenset(sign.daemon_names),
        tls_names=frozenset(name.lower() for name in sign.tls_names),
        message_types=frozenset(types | ({""} if sign.plain_mail else set())),
        oldest=timedelta(seconds=sign.oldest_date),
        newest=timedelta(seconds=sign.newest_date),
        signing_failure=sign.on_failure,
        method=verify.method,
        header=sign.header,
        headers=frozenset(verify.headers),
        ours=_reading(config, Reading(country=sign.country, uris=sign.uris)),
        theirs=_reading(config, Reading(uris=verify.uris)),
        divert=sign.divert,
        submitters=tuple(_submitters(config)),
        unlisted=sign.unlisted == "any",
        refused=sign.refused,
        signatures=config.checks.signatures,
        result_length=config.checks.result_value,
        removed=removed_limits(config),
        actions=actions.policy(config),
        mm4=actions.mm4_answers(config),
        survival=Survival(
            hazards=sign.hazards,
            harmless=frozenset(sign.next_hop),
            each=config.limits.diagnosis_octets,
            total=config.limits.diagnosis_memory,
            effort=config.limits.diagnosis_effort,
            parts=PartLimits(
                parts=config.limits.parts,
                header_octets=config.limits.part_header_octets,
                boundaries=config.limits.boundaries,
            ),
        ),
    )


def _reading(config: Config, reading: Reading) -> Reading:
    """Say how many addresses are read, and how long ones."""
    limits = config.limits
    return replace(reading, entries=limits.addresses, lexemes=limits.address_words)


def removed_limits(config: Config) -> RemovedLimits:
    """Say what is kept as evidence of fields that are taken out."""
    section = config.journal
    return RemovedLimits(
        fields=section.removed_fields, characters=section.removed_characters
    )


def _submitters(config: Config) -> Iterable[Submitter]:
    """Read who may use which numbers."""
    for index, block in enumerate(config.submitter):
        where = f"{config.source}: submitter.{index} ({block.name}).numbers"
        asked = [text for text in block.numbers if text.startswith(TABLE)]
        given = [text for text in block.numbers if not text.startswith(TABLE)]
        yield Submitter(
            name=block.name,
            networks=block.networks,
            logins=frozenset(block.logins),
            tls_names=frozenset(name.lower() for name in block.tls_names),
            daemon_names=frozenset(block.daemon_names),
            refused=block.refused,
            numbers=(
                number_set(config, given, where),
                *(_table(config, source, where) for source in asked),
            ),
        )


def _table(config: Config, source: str, where: str) -> NumberTable:
    try:
        return NumberTable.parse(source, config.folder, config.sign.numbers_seconds)
    except (ValueError, StoreError) as error:
        raise ConfigError(where, str(error)) from None


def verification_policy(config: Config) -> VerificationPolicy:
    """Say what is believed."""
    verify, limits = config.verify, config.limits
    return VerificationPolicy(
        freshness=timedelta(seconds=verify.freshness),
        skew=timedelta(seconds=verify.skew),
        forms=("exact",) if verify.strict else FORMS,
        protected=verify.strict,
        accept_spc=verify.spc != "refuse",
        spc_numbers=_carriers(config) if verify.spc == "map" else None,
        passports=limits.passports,
        x5u=limits.x5u,
        diversions=limits.diversions,
        replay_failure=config.replay.on_failure,
        uris=verify.uris,
        paths=config.fetch.cache_entries,
        reference_lifetime=timedelta(seconds=config.fetch.reference_seconds),
        references=config.fetch.references,
        list_seconds=config.revocation.seconds,
        certificates=limits.certificates,
        limits=passport_limits(config),
    )


def _carriers(config: Config) -> dict[str, NumberSet]:
    """Read whose numbers are whose, for ``spc = "map"``."""
    where = f"{config.source}: verify.spc_numbers"
    table = config.verify.spc_numbers
    if not table:
        raise ConfigError(where, 'missing: the numbers of each SPC, as spc is "map"')
    return {
        spc: number_set(config, patterns, f"{where}.{spc}")
        for spc, patterns in table.items()
    }


def passport_limits(config: Config) -> passport.Limits:
    """Say how large a token may be."""
    limits = config.limits
    return passport.Limits(
        token=limits.token, depth=limits.json_depth, dest=limits.dest
    )
