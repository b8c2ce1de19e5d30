"""The configuration file as frozen values: TOML in, `Config` out, or every fault.

What each setting means stands once, in conf/stirmilter.toml; a test holds that file and
these defaults together. Only `runtime` and the commands read these values.
"""

from __future__ import annotations

import difflib
import tomllib
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

from pydantic import AfterValidator, BaseModel, Field, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from stirmilter.config.checks import Checks, Dkim, Dns, UpstreamSection
from stirmilter.config.policy import (
    MM4,
    Failure,
    PeerSection,
    Policy,
    RuleSection,
    StepSection,
)
from stirmilter.config.sections import (
    Fetch,
    Journal,
    Limits,
    Log,
    Metrics,
    Milter,
    Replay,
    Revocation,
    Section,
    Sign,
    SignerSection,
    SubmitterSection,
    TrustSection,
    Verify,
)
from stirmilter.errors import ConfigError

__all__ = ["DEFAULT", "Config", "Milter", "load", "parse"]

DEFAULT: Final = Path("/etc/stirmilter/stirmilter.toml")


Named = TypeVar(
    "Named", SignerSection, SubmitterSection, TrustSection, PeerSection, RuleSection
)


def _names(blocks: tuple[Named, ...]) -> tuple[Named, ...]:
    names = [block.name for block in blocks]
    if len(set(names)) < len(names):
        raise PydanticCustomError("names", "expected names that differ")
    return blocks


class Config(Section):
    """The whole file."""

    milter: Milter = Field(default_factory=Milter)
    sign: Sign = Field(default_factory=Sign)
    signer: Annotated[tuple[SignerSection, ...], AfterValidator(_names)] = ()
    submitter: Annotated[tuple[SubmitterSection, ...], AfterValidator(_names)] = ()
    verify: Verify = Field(default_factory=Verify)
    trust: Annotated[tuple[TrustSection, ...], AfterValidator(_names)] = ()
    revocation: Revocation = Field(default_factory=Revocation)
    fetch: Fetch = Field(default_factory=Fetch)
    replay: Replay = Field(default_factory=Replay)
    checks: Checks = Field(default_factory=Checks)
    dns: Dns = Field(default_factory=Dns)
    upstream: tuple[UpstreamSection, ...] = ()
    dkim: Dkim = Field(default_factory=Dkim)
    peer: Annotated[tuple[PeerSection, ...], AfterValidator(_names)] = ()
    rule: Annotated[tuple[RuleSection, ...], AfterValidator(_names)] = ()
    shadow_rule: Annotated[tuple[RuleSection, ...], AfterValidator(_names)] = ()
    policy: Policy = Field(default_factory=Policy)
    failure: Failure = Field(default_factory=Failure)
    mm4: MM4 = Field(default_factory=MM4)
    journal: Journal = Field(default_factory=Journal)
    metrics: Metrics = Field(default_factory=Metrics)
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
        if location in _ELSEWHERE:
            return ConfigError(where, f"no such setting; it is {_ELSEWHERE[location]}")
        names = _names_beside(location)
        near = difflib.get_close_matches(str(location[-1]), names, n=1)
        hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(names)}"
        return ConfigError(where, f"no such setting; {hint}")
    if details["type"] == "missing":
        return ConfigError(where, "missing; it has no default")
    message = details["msg"].removeprefix("Input should be ")
    message = message.removeprefix("expected ").replace("a valid tuple", "an array")
    return ConfigError(where, f"expected {message}, found {details['input']!r}"[:300])


_BLOCKS: Final[dict[int | str, type[Section]]] = {
    "signer": SignerSection,
    "submitter": SubmitterSection,
    "trust": TrustSection,
    "upstream": UpstreamSection,
    "peer": PeerSection,
    "ladder": StepSection,
    "rule": RuleSection,
    "shadow_rule": RuleSection,
}

_ELSEWHERE: Final = {
    ("failure", "key"): "sign.on_failure",
    ("sign", "client_numbers"): "networks and numbers of a [[submitter]]",
    ("sign", "login_numbers"): "logins and numbers of a [[submitter]]",
}
"""Settings that one may look for where they are not."""


def _names_beside(location: tuple[int | str, ...]) -> list[str]:
    """Return the names that may stand where an unknown one stood."""
    fields = Config.model_fields
    for part in location[:-1]:
        if isinstance(part, str) and part in fields:
            kind = fields[part].annotation
            model = _BLOCKS.get(part, kind)
            if isinstance(model, type) and issubclass(model, BaseModel):
                fields = model.model_fields
    names = {field.alias or name for name, field in fields.items()}
    return sorted(names - {"folder", "source"})
