"""The configuration file as frozen values: TOML in, `Config` out, or every fault.

What each setting means stands once, in conf/stirmilter.toml; a test holds that file and
these defaults together. Only `runtime` and the commands read these values.
"""

from __future__ import annotations

import difflib
import json
import re
import tomllib
from datetime import date
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

__all__ = ["DEFAULT", "Config", "Milter", "load", "parse", "place"]

DEFAULT: Final = Path("/etc/stirmilter/stirmilter.toml")
_NAME: Final = 60  # characters of a block's name that are shown; no good one has more


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


def place(section: str, index: int, name: str) -> str:
    """Return how all messages call one of several blocks: ``rule.2 (name)``."""
    return f"{section}.{index} ({name})"


def load(path: Path) -> Config:
    """Read a configuration file.

    Raises:
        ConfigError: with every fault that was found, each with its dotted path.
    """
    try:
        table = tomllib.loads(path.read_text("utf-8-sig"))
    except PermissionError as error:
        hint = "it is for root and the daemon's user"
        raise ConfigError(str(path), f"{error.strerror}; {hint}") from None
    except OSError as error:
        hint = "name the file with --config"
        raise ConfigError(str(path), f"{error.strerror}; {hint}") from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise ConfigError(str(path), f"not UTF-8 (at line {line})") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(str(path), _not_toml(str(error))) from None
    return parse(table, path)


def _not_toml(said: str) -> str:
    """Say in TOML's words, not in Python's, what operators do most easily."""
    place = said[said.rfind(" (at ") :]
    twice = re.match(r"Cannot declare \((.*)\) twice", said)
    if twice:
        name = ".".join(re.findall(r"'([^']*)'", twice[1]))
        said = f"[{name}] was begun before{place}: all of its settings stand there"
    elif said.startswith("Cannot overwrite a value"):
        said = f"a name that was given before{place}"
    elif said.startswith("Invalid value"):
        said = f"no value{place}: text stands in quotes"
    return f"not TOML: {said}"


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
            _fault(path, item, table)
            for item in details
            if item["type"] != "too_short"
            or sum(place[: len(item["loc"])] == item["loc"] for place in places) == 1
        ]
        first, *others = faults
        raise ConfigError(*first.faults[0], *others) from None


def _fault(path: Path, details: ErrorDetails, table: dict[str, Any]) -> ConfigError:
    """Turn one of pydantic's errors into where, what, and what to do."""
    location = details["loc"]
    where = f"{path}: {_place(location, table)}"
    if details["type"] == "extra_forbidden":
        if location in _ELSEWHERE:
            return ConfigError(where, f"no such setting; it is {_ELSEWHERE[location]}")
        names = _names_beside(location)
        near = difflib.get_close_matches(str(location[-1]), names, n=1)
        hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(names)}"
        return ConfigError(where, f"no such setting; {hint}")
    if details["type"] == "missing":
        return ConfigError(where, "missing; it has no default")
    found = details["input"]
    if (brackets := _brackets(location, found)) is not None:
        return ConfigError(where, brackets)
    if details["msg"].startswith("missing: "):  # in a block, which was found whole
        return ConfigError(where, details["msg"])
    message = details["msg"].removeprefix("Input should be ").removeprefix("expected ")
    message = message.replace("greater than", "a number greater than")
    message = message.replace("less than", "a number less than")
    message = _WORDS.get(details["type"], message)
    return ConfigError(where, f"expected {message}, found {_shown(found)}"[:300])


_WORDS: Final = {
    "bool_type": "true or false, without quotes",
    "dict_type": "a table",
    "float_type": "a number, without quotes",
    "int_from_float": "a whole number",
    "int_type": "a whole number, without quotes",
    "model_type": "a table",
    "string_too_short": "at least one character",
    "string_type": "text in quotes",
    "too_short": "at least one",
    "tuple_type": "an array",
}
"""What pydantic says in words of its own, or of Python's."""


def _place(location: tuple[int | str, ...], table: dict[str, Any]) -> str:
    """Return the dotted path; of a block with its name, as one counts badly from 0."""
    parts: list[str] = []
    here: Any = table
    for part in location:
        try:
            here = here[part]
        except (KeyError, IndexError, TypeError):  # what is missing, say
            here = None
        name = here.get("name") if isinstance(here, dict) else None
        if isinstance(part, int) and isinstance(name, str) and name.isprintable():
            parts[-1] = place(parts[-1], part, name[:_NAME])
        else:
            parts.append(str(part))
    return ".".join(parts)


def _brackets(location: tuple[int | str, ...], found: object) -> str | None:
    """Tell ``[signer]`` and ``[[milter]]`` from what they were to be."""
    name = ".".join(part for part in location if isinstance(part, str))
    if location[-1] in _BLOCKS and isinstance(found, dict):
        return f"there may be several: write [[{name}]], with two brackets"
    section = len(location) == 1 and location[-1] not in _BLOCKS
    if section and isinstance(found, list) and found and isinstance(found[0], dict):
        return f"there is only one: write [{name}], with one bracket"
    return None


def _shown(value: object) -> str:
    """Return a value as the file has it."""
    if isinstance(value, bool):
        return json.dumps(value)
    return value.isoformat() if isinstance(value, date) else repr(value)


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
