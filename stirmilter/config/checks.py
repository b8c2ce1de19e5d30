"""The sections about SPF, DKIM, ARC and DMARC, what they ask, and our own DKIM.

What a setting means stands in conf/stirmilter.toml.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from stirmilter.config.kinds import (
    AuthservId,
    Count,
    Domain,
    Flag,
    Lapse,
    Network,
    Seconds,
    Selector,
    Server,
    Whole,
)
from stirmilter.config.sections import Section

Method = Literal["spf", "dkim", "arc", "dmarc"]
_METHODS: tuple[Method, ...] = ("spf", "dkim", "arc", "dmarc")


class Checks(Section):
    """[checks]."""

    mode: Literal["evaluate", "trust", "both"] = "evaluate"
    methods: tuple[Method, ...] = _METHODS
    protecting: Literal["any", "known"] = "any"
    signatures: Count = 10
    signature_octets: Count = 8_192
    shortest_key: Annotated[Whole, Field(ge=1024)] = 1024
    longest_key: Annotated[Whole, Field(ge=4096)] = 8_192
    signature_skew: Lapse = 300.0
    arc_sets: Annotated[Whole, Field(gt=0, le=50)] = 10
    key_records: Count = 4
    spf_lookups: Count = 10
    spf_void_lookups: Annotated[Whole, Field(ge=0)] = 2
    spf_names: Count = 10
    spf_record_octets: Count = 8_192
    spf_term_octets: Count = 512
    spf_local_part: Count = 512
    spf_macros: Count = 100
    authors: Count = 32
    identifiers: Count = 10
    dmarc_record_octets: Count = 8_192
    result_octets: Count = 16_384
    results: Count = 64
    result_properties: Count = 32
    result_comments: Count = 16
    result_value: Annotated[Whole, Field(ge=16)] = 255


class Dns(Section):
    """[dns]."""

    servers: tuple[Server, ...] = ()
    question_seconds: Seconds = 3.0
    server_seconds: Seconds = 1.0
    message_seconds: Seconds = 10.0
    questions: Count = 100
    dmarc_seconds: Seconds = 3.0
    dmarc_questions: Count = 30
    unanswered: Count = 2
    records: Count = 100
    octets: Count = 32_768
    entries: Count = 10_000
    memory_octets: Count = 16_777_216
    found_seconds: Lapse = 3_600.0
    absent_seconds: Lapse = 300.0
    failed_seconds: Lapse = 10.0


class UpstreamSection(Section):
    """[[upstream]]."""

    authserv_ids: tuple[AuthservId, ...] = Field(min_length=1)
    clients: tuple[Network, ...] = ()
    daemon_names: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    methods: tuple[Method, ...] = _METHODS
    strips: Flag = False

    @model_validator(mode="after")
    def _trusted_way(self) -> Self:
        if not (self.clients or self.daemon_names):
            raise PydanticCustomError(
                "upstream", "missing: clients or daemon_names, the way that is trusted"
            )
        return self


class Dkim(Section):
    """[dkim]."""

    domain: Domain | Literal[""] = ""
    selector: Selector = ""
    key: str = ""
    fields: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    header_form: Literal["relaxed", "simple"] = "relaxed"
    body_form: Literal["relaxed", "simple"] = "relaxed"
    lifetime: Lapse = 0.0
    names_octets: Annotated[Whole, Field(ge=256)] = 4_096
