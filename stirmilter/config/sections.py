"""The sections of the configuration file, each a frozen value with its defaults.

What a setting means stands in conf/stirmilter.toml.
"""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from stirmilter.config.kinds import (
    AuthservId,
    BlockName,
    Count,
    Country,
    Digest,
    Domain,
    FieldName,
    Flag,
    HostEntry,
    Lapse,
    MetricsAddress,
    Mode,
    Network,
    Oid,
    PathText,
    Port,
    Prefix,
    Real,
    Seconds,
    SharedStore,
    Skew,
    SocketAddress,
    Whole,
)
from stirmilter.mail.survival import Hazard


class Section(BaseModel):
    """What all sections share: unknown names are refused, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Milter(Section):
    """[milter]."""

    sockets: tuple[SocketAddress, ...] = Field(
        default=("unix:/var/spool/postfix/stirmilter/milter.sock",), min_length=1
    )
    socket_mode: Mode = "0660"
    socket_owner: str = ""
    socket_group: str = "postfix"
    authserv_id: AuthservId = Field(default_factory=socket.getfqdn)
    workers: Annotated[Whole, Field(ge=0)] = 0
    threads: Count = 16
    message_seconds: Seconds = 120.0
    progress_seconds: Seconds = 5.0
    drain_seconds: Seconds = 30.0
    leave_seconds: Seconds = 5.0
    stuck_seconds: Seconds = 60.0
    backlog: Count = 128
    transport: Literal["native", "libmilter"] = "native"
    connections: Count = 800
    frame_octets: Annotated[Whole, Field(ge=65_536, le=1 << 24)] = 131_072
    idle_seconds: Seconds = 7_210.0


Refusal = Literal["unsigned", "tempfail", "reject"]


class Sign(Section):
    """[sign]."""

    clients: tuple[Network, ...] = ()
    logins: Flag = False
    daemon_names: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    tls_names: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    message_types: tuple[str, ...] = ("MM4_forward.REQ",)
    plain_mail: Flag = True
    oldest_date: Seconds = 259_200.0
    newest_date: Seconds = 300.0
    digest: Digest = "sha256"
    header: FieldName = "PASSporT"
    on_failure: Literal["tempfail", "accept"] = "tempfail"
    unlisted: Literal["none", "any"] = "none"
    refused: Refusal = "unsigned"
    numbers_seconds: Seconds = 1.0
    hazards: Literal["sign", "warn", "tempfail"] = "warn"
    next_hop: tuple[Hazard, ...] = ()
    country: Country = ""
    uris: Flag = False
    divert: Flag = False
    prove: Flag = True
    proofs: Path = Path("/var/lib/stirmilter/proofs.json")
    watch_seconds: Seconds = 10.0
    retry_seconds: Seconds = 30.0
    expiry_days: tuple[Annotated[Whole, Field(gt=0, le=365)], ...] = (14, 7, 1)
    token_seconds: Seconds = 5.0


class SignerSection(Section):
    """[[signer]]."""

    name: BlockName
    key: Annotated[str, Field(min_length=1)]
    chain: Path
    x5u: str
    numbers: tuple[str, ...] = Field(min_length=1)
    domains: tuple[Domain, ...] = ()


class SubmitterSection(Section):
    """[[submitter]]."""

    name: BlockName
    networks: tuple[Network, ...] = ()
    logins: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    tls_names: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    daemon_names: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    numbers: tuple[str, ...]
    refused: Refusal | None = None

    @model_validator(mode="after")
    def _somebody(self) -> Self:
        if not (self.networks or self.logins or self.tls_names or self.daemon_names):
            raise PydanticCustomError(
                "submitter",
                "missing: networks, logins, tls_names or daemon_names to know it by",
            )
        return self


class Verify(Section):
    """[verify]."""

    anchors: tuple[Path, ...] = ()
    freshness: Seconds = 86_400.0
    skew: Skew = 60.0
    strict: Flag = False
    spc: Literal["accept", "map", "refuse"] = "accept"
    spc_numbers: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    uris: Flag = False
    headers: tuple[FieldName, ...] = Field(default=("PASSporT",), min_length=1)
    method: FieldName = "stir"


class TrustSection(Section):
    """[[trust]]."""

    name: BlockName
    anchors: tuple[Path, ...] = Field(min_length=1)
    numbers: tuple[str, ...] = ()
    policies: tuple[Oid, ...] = ()
    peers_only: Flag = False
    crl_issuers: tuple[Path, ...] = ()
    crls: tuple[str, ...] = ()


class Revocation(Section):
    """[revocation]."""

    mode: Literal["off", "soft", "hard"] = "soft"
    crl_issuers: tuple[Path, ...] = ()
    crls: tuple[str, ...] = ()
    refresh_seconds: Seconds = 3_600.0
    places: Count = 4
    seconds: Seconds = 5.0
    waiting: Count = 4
    short_lived_seconds: Skew = 0.0
    octets: Count = 4_194_304
    lists: Count = 64
    entries: Count = 1_000_000


class Fetch(Section):
    """[fetch]."""

    laboratory: Flag = False
    ports: tuple[Port, ...] = (443, 8443)
    allow: tuple[HostEntry, ...] = ()
    deny: tuple[HostEntry, ...] = ()
    tls_ca: Path | None = None
    seconds: Seconds = 5.0
    octets: Count = 16_384
    header_octets: Count = 16_384
    interim: Annotated[Whole, Field(ge=0)] = 16
    addresses: Count = 4
    name_addresses: Count = 32
    host_concurrency: Count = 2
    address_concurrency: Count = 4
    host_wait_seconds: Skew = 1.0
    host_failures: Count = 3
    host_rest_seconds: Seconds = 30.0
    hosts: Count = 1_000
    concurrency: Count = 16
    waiting: Count = 1_000
    store: SharedStore = "sqlite:/var/lib/stirmilter/certificates.sqlite"
    store_seconds: Seconds = 0.5
    store_rest_seconds: Skew = 1.0
    floor_seconds: Lapse = 3_600.0
    cache_seconds: Seconds = 86_400.0
    ceiling_seconds: Seconds = 604_800.0
    stale_seconds: Lapse = 86_400.0
    failure_seconds: Seconds = 30.0
    again_seconds: Lapse = 60.0
    again_waiting: Count = 4
    cache_entries: Count = 2_000
    cache_octets: Count = 67_108_864
    reference_seconds: Seconds = 3_600.0
    reference_octets: Count = 1_048_576
    references: Count = 8


class Replay(Section):
    """[replay]."""

    store: SharedStore = "sqlite:/var/lib/stirmilter/replay.sqlite"
    limit: Count = 1_000_000
    prefix: Prefix = "stirmilter:replay:"
    seconds: Seconds = 1.0
    rest_seconds: Skew = 1.0
    on_failure: Literal["unknown", "pass"] = "unknown"


class Journal(Section):
    """[journal]."""

    path: PathText = "/var/lib/stirmilter/journal.sqlite"
    days: Annotated[Real, Field(gt=0, le=36_500)] = 90.0
    megabytes: Annotated[Whole, Field(ge=4, le=1_048_576)] = 512
    queue: Count = 10_000
    flush_seconds: Seconds = 1.0
    lock_seconds: Seconds = 2.0
    removed_fields: Annotated[Whole, Field(ge=0)] = 32
    removed_characters: Annotated[Whole, Field(ge=16)] = 500
    numbers: Literal["masked", "full"] = "masked"


class Metrics(Section):
    """[metrics]."""

    listen: MetricsAddress = ""
    counters: Path = Path("/run/stirmilter/metrics")
    series: Count = 500
    request_seconds: Seconds = 5.0
    request_octets: Annotated[Whole, Field(ge=64)] = 8_192
    connections: Count = 8


class Limits(Section):
    """[limits]."""

    passports: Count = 8
    x5u: Count = 3
    diversions: Annotated[Whole, Field(ge=0)] = 4
    token: Count = 16_384
    dest: Count = 100
    json_depth: Annotated[Whole, Field(gt=0, le=64)] = 8
    certificates: Annotated[Whole, Field(gt=0, le=32)] = 6
    addresses: Count = 1_000
    address_words: Annotated[Whole, Field(ge=5)] = 20
    headers: Count = 1_000
    header_octets: Count = 262_144
    recipients: Count = 1_000
    held_octets: Count = 67_108_864
    trust_list_octets: Count = 4_194_304
    trust_list_entries: Count = 1_000
    diagnosis_octets: Annotated[Whole, Field(ge=0)] = 1_048_576
    diagnosis_memory: Annotated[Whole, Field(ge=0)] = 16_777_216
    diagnosis_effort: Annotated[Whole, Field(ge=0)] = 33_554_432
    parts: Count = 200
    part_header_octets: Annotated[Whole, Field(ge=256)] = 8_192
    boundaries: Count = 20


class Log(Section):
    """[log]."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["text", "json"] = "text"
    priorities: Flag = True
    repeat_seconds: Lapse = 60.0
    queue_octets: Annotated[Whole, Field(ge=65_536, le=1 << 30)] = 1_048_576
    flush_seconds: Annotated[Real, Field(ge=0, le=60)] = 1.0
    repeats: Count = 500
    trace_exceptions: Count = 8
    trace_frames: Count = 40
    numbers: Literal["masked", "full"] = "masked"
