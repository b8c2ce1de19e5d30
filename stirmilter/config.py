"""The configuration file as frozen values: TOML in, `Config` out, or every fault.

What each setting means stands once, in conf/stirmilter.toml; a test holds that file and
these defaults together. Only `runtime` and the commands read these values.
"""

from __future__ import annotations

import difflib
import re
import socket
import tomllib
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainValidator,
    ValidationError,
)
from pydantic_core import ErrorDetails, PydanticCustomError

from stirmilter.errors import ConfigError
from stirmilter.stir import uri
from stirmilter.stir.msgi import ALGORITHMS
from stirmilter.stir.tn import is_country

DEFAULT = Path("/etc/stirmilter/stirmilter.toml")

_YEAR = 31_536_000.0
Seconds = Annotated[float, Field(gt=0, le=_YEAR, allow_inf_nan=False)]
Count = Annotated[int, Field(gt=0)]

_SOCKET = re.compile(r"unix:(?P<path>/.+)|(?P<kind>inet6?):(?P<port>\d+)@(?P<host>.+)")
_TAKEN = frozenset(
    {
        "authentication-results",
        "bcc",
        "cc",
        "content-transfer-encoding",
        "content-type",
        "date",
        "dkim-signature",
        "from",
        "message-id",
        "mime-version",
        "received",
        "reply-to",
        "return-path",
        "sender",
        "subject",
        "to",
    }
)
_FIELD_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,60}", re.ASCII)


def _socket(text: str) -> str:
    match = _SOCKET.fullmatch(text)
    if match is None or (match["port"] and not 0 < int(match["port"]) < 65_536):  # noqa: PLR2004
        raise PydanticCustomError(
            "socket", "expected unix:/path, inet:port@address or inet6:port@address"
        )
    return text


def _field_name(text: str) -> str:
    if _FIELD_NAME.fullmatch(text) is None:
        raise PydanticCustomError("field_name", "expected letters, digits and hyphens")
    if text.lower() in _TAKEN:
        raise PydanticCustomError("field_name", "expected a name that is not taken")
    return text


def _mode(text: str) -> str:
    if re.fullmatch(r"0?[0-7]{3}", text) is None:
        raise PydanticCustomError("mode", 'expected an octal mode such as "0660"')
    return text


def _digest(text: str) -> str:
    if text not in ALGORITHMS:
        raise PydanticCustomError("digest", f"expected one of {', '.join(ALGORITHMS)}")
    return text


def _country(text: str) -> str:
    if text and not is_country(text):
        raise PydanticCustomError("country", 'expected a code such as "US", or ""')
    return text


def _domain(text: str) -> str:
    if uri.from_mail("user", text) != f"mailto:user@{text}":
        raise PydanticCustomError("domain", "expected a host name in lower case")
    return text


def _authserv_id(text: str) -> str:
    # Written as it is, so nothing that would end or split it (RFC 8601 §2.2).
    if re.fullmatch(r"[^\s()\";,\\=]{1,255}", text) is None or not text.isprintable():
        raise PydanticCustomError("authserv_id", "expected a host name")
    return text


def _network(given: object) -> IPv4Network | IPv6Network:
    try:
        return ip_network(str(given))
    except ValueError:
        pass
    try:
        meant = f"{ip_network(str(given), strict=False)}, without host bits"
    except ValueError:
        meant = "a network such as 192.0.2.0/24"
    raise PydanticCustomError("network", "{meant}", {"meant": meant})


def _names(signers: tuple[SignerSection, ...]) -> tuple[SignerSection, ...]:
    names = [signer.name for signer in signers]
    if len(set(names)) < len(names):
        raise PydanticCustomError("names", "expected names that differ")
    return signers


Network = Annotated[IPv4Network | IPv6Network, PlainValidator(_network)]
FieldName = Annotated[str, AfterValidator(_field_name)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=False)


class Milter(_Section):
    """[milter]."""

    sockets: tuple[Annotated[str, AfterValidator(_socket)], ...] = Field(
        default=("unix:/var/spool/postfix/stirmilter/milter.sock",), min_length=1
    )
    socket_mode: Annotated[str, AfterValidator(_mode)] = "0660"
    socket_group: str = "postfix"
    authserv_id: Annotated[str, AfterValidator(_authserv_id)] = Field(
        default_factory=socket.getfqdn
    )
    workers: Annotated[int, Field(ge=0)] = 0
    threads: Count = 16
    message_seconds: Seconds = 120.0
    progress_seconds: Seconds = 10.0
    drain_seconds: Seconds = 30.0
    backlog: Count = 128


class Sign(_Section):
    """[sign]."""

    clients: tuple[Network, ...] = ()
    logins: bool = False
    daemon_names: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    message_types: tuple[str, ...] = ("MM4_forward.REQ",)
    plain_mail: bool = True
    oldest_date: Seconds = 259_200.0
    newest_date: Seconds = 300.0
    digest: Annotated[str, AfterValidator(_digest)] = "sha256"
    header: FieldName = "PASSporT"
    on_failure: Literal["tempfail", "accept"] = "tempfail"
    client_numbers: dict[Network, tuple[str, ...]] = Field(default_factory=dict)
    login_numbers: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    country: Annotated[str, AfterValidator(_country)] = ""
    uris: bool = False
    divert: bool = False


class SignerSection(_Section):
    """[[signer]]."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,60}$")]
    key: Path
    chain: Path
    x5u: str
    numbers: tuple[str, ...] = Field(min_length=1)
    domains: tuple[Annotated[str, AfterValidator(_domain)], ...] = ()


class Verify(_Section):
    """[verify]."""

    anchors: tuple[Path, ...] = ()
    freshness: Seconds = 86_400.0
    skew: Annotated[float, Field(ge=0, le=_YEAR, allow_inf_nan=False)] = 60.0
    strict: bool = False
    spc: Literal["accept", "map", "refuse"] = "accept"
    spc_numbers: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    uris: bool = False
    headers: tuple[FieldName, ...] = Field(default=("PASSporT",), min_length=1)
    method: FieldName = "stir"


class Fetch(_Section):
    """[fetch]."""

    laboratory: bool = False
    ports: tuple[Annotated[int, Field(gt=0, lt=65_536)], ...] = (443, 8443)
    tls_ca: Path | None = None
    seconds: Seconds = 5.0
    octets: Count = 16_384
    concurrency: Count = 8
    cache_seconds: Seconds = 86_400.0
    failure_seconds: Seconds = 30.0
    cache_entries: Count = 2_000


class Replay(_Section):
    """[replay]."""

    store: Annotated[str, Field(pattern=r"^(memory:|sqlite:.+)$")] = (
        "sqlite:/var/lib/stirmilter/replay.sqlite"
    )
    limit: Count = 1_000_000


class Limits(_Section):
    """[limits]."""

    passports: Count = 8
    x5u: Count = 3
    diversions: Annotated[int, Field(ge=0)] = 4
    token: Count = 16_384
    dest: Count = 100
    json_depth: Annotated[int, Field(gt=0, le=64)] = 8
    certificates: Annotated[int, Field(gt=0, le=32)] = 6
    addresses: Count = 1_000
    headers: Count = 1_000
    header_octets: Count = 262_144


class Log(_Section):
    """[log]."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    numbers: Literal["masked", "full"] = "masked"


class Config(_Section):
    """The whole file."""

    milter: Milter = Field(default_factory=Milter)
    sign: Sign = Field(default_factory=Sign)
    signer: Annotated[tuple[SignerSection, ...], AfterValidator(_names)] = ()
    verify: Verify = Field(default_factory=Verify)
    fetch: Fetch = Field(default_factory=Fetch)
    replay: Replay = Field(default_factory=Replay)
    limits: Limits = Field(default_factory=Limits)
    log: Log = Field(default_factory=Log)

    folder: Path = Field(default=Path(), exclude=True)
    """Folder of the file: other files are named relative to it. Not a setting."""

    source: str = Field(default="configuration", exclude=True)
    """Name of the file, for messages. Not a setting."""


def load(path: Path) -> Config:
    """Read a configuration file.

    Raises:
        ConfigError: with every fault that was found, each with its dotted path.
    """
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8"
        raise ConfigError(str(path), f"{reason}; name the file with --config") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(str(path), f"not TOML: {error}") from None
    return parse(table, path)


def parse(table: dict[str, Any], path: Path) -> Config:
    """Check what TOML gave; `path` names it in messages and anchors relative paths."""
    for reserved in ("folder", "source"):
        if reserved in table:
            raise ConfigError(f"{path}: {reserved}", "no such section")
    try:
        return Config.model_validate(
            {**table, "folder": path.absolute().parent, "source": str(path)}
        )
    except ValidationError as error:
        details = error.errors()
        places = [item["loc"] for item in details]
        # A list whose only item is bad is not too short as well.
        faults = [
            _fault(path, item)
            for item in details
            if item["type"] != "too_short"
            or sum(place[: len(item["loc"])] == item["loc"] for place in places) == 1
        ]
        first, *others = faults
        raise ConfigError(*first.faults[0], *others) from None


def _fault(path: Path, details: ErrorDetails) -> ConfigError:
    """Turn one of pydantic's errors into where, what, and what to do."""
    location = details["loc"]
    where = f"{path}: {'.'.join(str(part) for part in location)}"
    if details["type"] == "extra_forbidden":
        names = _names_beside(location)
        near = difflib.get_close_matches(str(location[-1]), names, n=1)
        hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(names)}"
        return ConfigError(where, f"no such setting; {hint}")
    if details["type"] == "missing":
        return ConfigError(where, "missing; it has no default")
    message = details["msg"].removeprefix("Input should be ")
    message = message.removeprefix("expected ").replace("a valid tuple", "an array")
    return ConfigError(where, f"expected {message}, found {details['input']!r}"[:300])


def _names_beside(location: tuple[int | str, ...]) -> list[str]:
    """Return the names that may stand where an unknown one stood."""
    fields = Config.model_fields
    for part in location[:-1]:
        if isinstance(part, str) and part in fields:
            kind = fields[part].annotation
            model = SignerSection if part == "signer" else kind
            if isinstance(model, type) and issubclass(model, BaseModel):
                fields = model.model_fields
    return sorted(set(fields) - {"folder", "source"})
