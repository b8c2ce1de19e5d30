"""The sections about what becomes of mail that was judged: peers, rules, failures.

What a setting means stands in conf/stirmilter.toml.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from stirmilter.config.kinds import (
    Count,
    Day,
    Domain,
    MailAddress,
    Network,
    Relay,
    RuleName,
    Seconds,
    Skew,
    Spc,
    TagName,
)
from stirmilter.config.sections import Section

Words = Annotated[tuple[str, ...], Field(min_length=1)] | None
"""Values of a condition; a rule that gives none does not ask."""

Action = Literal["accept", "tag", "quarantine", "tempfail", "reject"]


class RuleSection(Section):
    """[[rule]] and [[shadow_rule]]."""

    name: RuleName
    verdict: Words = None
    stir: Words = None
    reason: Words = None
    spf: Words = None
    dkim: Words = None
    dmarc: Words = None
    arc: Words = None
    peer: Words = None
    spc: Words = None
    number: Words = None
    message_type: Words = None
    binding: Words = None
    differs: Words = None
    action: Action
    code: str | None = None
    enhanced: str | None = None
    text: str | None = None
    header: TagName | None = None
    value: str | None = None


class StepSection(Section):
    """One step of a peer's ladder."""

    begins: Day = Field(alias="from")
    action: Literal["none", "tag", "quarantine", "reject"]


class PeerSection(Section):
    """[[peer]]."""

    name: RuleName
    networks: tuple[Network, ...] = ()
    tls_names: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    helo: tuple[Domain, ...] = ()
    domains: tuple[Domain, ...] = ()
    spcs: tuple[Spc, ...] = ()
    trust: tuple[str, ...] = ()
    freshness: Seconds | None = None
    skew: Skew | None = None
    strict: bool | None = None
    dkim: dict[Spc, Annotated[tuple[Domain, ...], Field(min_length=1)]] = Field(
        default_factory=dict
    )
    must_sign: tuple[str, ...] = ()
    ladder: tuple[StepSection, ...] = ()


class Policy(Section):
    """[policy]."""

    header: TagName = "X-Stirmilter"
    value: str = "{verdict}; reason={reason}; rule={rule}"
    rule_pieces: Annotated[int, Field(ge=0)] = 2_000


class Failure(Section):
    """[failure]."""

    internal: Literal["tempfail", "accept"] = "tempfail"
    dns: Action = "accept"
    fetch: Action = "accept"
    store: Action = "accept"


class MM4(Section):
    """[mm4]."""

    reply: bool = False
    strangers: bool = False
    relay: Relay = "127.0.0.1:25"
    system: MailAddress = ""
    seconds: Seconds = 10.0
    queue: Count = 100
