"""Postfix's configuration as a value, and the command that would change it.

Read with postconf(1) alone: what it prints is what the daemons believe, with defaults
filled in, other parameters expanded and every ``-o`` of master.cf seen. Nothing is
written; a remedy is text that an operator runs.
"""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

PROGRAMS: Final = "/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin:/sbin:/bin"
"""Where programs of a mail server lie; an operator may lack half of it in PATH."""

_PATIENCE: Final = 30.0  # seconds for one postconf, which needs a hundredth of one
_COLUMNS: Final = 8  # of master(5): name, type, four flags, maxproc, command
_TABLE_OCTETS: Final = 1_048_576
_UNITS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_TEXTS: Final = ("pcre:", "regexp:", "texthash:")
"""Tables that are plain text where they lie."""

CHECKS: Final = (
    "body_checks",
    "header_checks",
    "mime_header_checks",
    "nested_header_checks",
    "milter_header_checks",
    *(
        f"{program}_{kind}"
        for program in ("smtp", "lmtp")
        for kind in (
            "body_checks",
            "header_checks",
            "mime_header_checks",
            "nested_header_checks",
        )
    ),
)
"""Parameters that name tables of actions (header_checks(5))."""


class PostfixError(Exception):
    """Postfix's configuration cannot be read; `remedy` says what would help."""

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(problem)
        self.remedy = remedy


@dataclass(frozen=True, slots=True)
class Service:
    """One line of master.cf."""

    name: str
    type: str
    chroot: bool
    program: str
    options: Mapping[str, str] = field(default_factory=dict)
    """What ``-o`` sets for it alone."""

    @property
    def key(self) -> str:
        """Its name as postconf(1) writes it, ``smtp/inet``."""
        return f"{self.name}/{self.type}"


@dataclass(frozen=True, slots=True)
class Postfix:
    """What all daemons of an instance would read, if they started now."""

    parameters: Mapping[str, str]
    """Each with its effective value, defaults included."""

    services: tuple[Service, ...] = ()
    complaints: tuple[str, ...] = ()
    """What postconf(1) warns of."""

    tables: Mapping[str, str] = field(default_factory=dict)
    """Text of the tables of `CHECKS`, by how they are named, where it can be read."""

    folder: Path | None = None
    """That of ``-c``; None is where Postfix looks by itself."""

    @property
    def queue(self) -> Path:
        """Where its daemons work, and the root of those in a chroot."""
        return Path(self.value("queue_directory") or "/var/spool/postfix")

    def value(self, name: str, service: Service | None = None) -> str:
        """Return what a parameter is, for a service if that has its own."""
        if service is not None and name in service.options:
            return service.options[name]
        return self.parameters.get(name, "")

    def words(self, name: str, service: Service | None = None) -> list[str]:
        """Return the words of a list."""
        return self.value(name, service).replace(",", " ").split()

    def flag(self, name: str, service: Service | None = None) -> bool:
        """Tell whether a parameter says yes."""
        return self.value(name, service).lower() == "yes"

    def running(self, program: str) -> Iterable[Service]:
        """Return the services that are a program of Postfix."""
        return (one for one in self.services if one.program == program)

    def subject(self, name: str, service: Service | None = None) -> str:
        """Name a parameter where it is set, as a finding's subject."""
        if service is not None and name in service.options:
            return f"postfix: {service.key}/{name}"
        return f"postfix: {name}"

    def set(self, name: str, value: str, service: Service | None = None) -> str:
        """Return the command that changes a parameter where it is set now."""
        if service is not None and name in service.options:
            return self.override(name, value, service)
        return self._command("-e", f"{name}={value}")

    def override(self, name: str, value: str, service: Service) -> str:
        """Return the command that changes a parameter for one service."""
        return self._command("-P", f"{service.key}/{name}={value}")

    def free(self, service: Service) -> str:
        """Return the command that takes a service out of its chroot."""
        return self._command("-F", f"{service.key}/chroot=n")

    def unset(self, name: str) -> str:
        """Return the command that takes a parameter out of main.cf."""
        return self._command("-X", name)

    def _command(self, *words: str) -> str:
        where = ["-c", str(self.folder)] if self.folder else []
        return shlex.join(["postconf", *where, *words])


def seconds(text: str) -> float | None:
    """Read a time of postconf(5), such as ``300s``; None if it is none."""
    match = re.fullmatch(r"\s*(\d{1,9})\s*([smhdw]?)\s*", text)
    return int(match[1]) * _UNITS[match[2] or "s"] if match else None


def read(folder: Path | None = None) -> Postfix:
    """Read the configuration of this machine's Postfix, or of the one in a folder.

    Raises:
        PostfixError: there is none, or Postfix itself cannot read it.
    """
    program = shutil.which("postconf", path=PROGRAMS)
    if program is None:
        raise PostfixError("postconf is not installed", "apt-get install postfix")
    command = [program, *(["-c", str(folder)] if folder else [])]
    # -n alone complains of names that nobody uses.
    _, complaints = _postconf([*command, "-n"])
    parameters = dict(map(_assignment, _postconf([*command, "-x"])[0]))
    options: dict[str, dict[str, str]] = {}
    for line in _postconf([*command, "-x", "-P"])[0]:
        path, value = _assignment(line)
        key, _, name = path.rpartition("/")
        options.setdefault(key, {})[name] = value
    lines = _postconf([*command, "-M"])[0]
    modern = parameters.get("compatibility_level", "0").partition(".")[0] != "0"
    services = tuple(_services(lines, options, chroot=not modern))
    values = [*parameters.values(), *(v for o in options.values() for v in o.values())]
    return Postfix(
        parameters, services, tuple(complaints), dict(_tables(values)), folder
    )


def _postconf(command: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return what it printed, and what it complained of."""
    try:
        done = subprocess.run(  # noqa: S603 - our own words
            command,
            capture_output=True,
            check=False,
            timeout=_PATIENCE,
            encoding="utf-8",
            errors="backslashreplace",
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PostfixError(
            f"{command[0]}: {error}", "apt-get install postfix"
        ) from None
    said = [line.partition(": ")[2] for line in done.stderr.splitlines()]
    if done.returncode:
        problem = said[-1] if said else f"status {done.returncode}"
        raise PostfixError(
            problem,
            f"{shlex.join(command)}  # mend what it says, or name --postfix-config",
        )
    return done.stdout.splitlines(), [
        one.removeprefix("warning: ") for one in said if one.startswith("warning: ")
    ]


def _assignment(line: str) -> tuple[str, str]:
    name, _, value = line.partition("=")
    return name.strip(), value.strip()


def _services(
    lines: Iterable[str], options: Mapping[str, Mapping[str, str]], *, chroot: bool
) -> Iterable[Service]:
    for line in lines:
        columns = line.split(None, _COLUMNS - 1)
        if len(columns) < _COLUMNS:
            continue
        name, kind, _, _, jailed, _, _, command = columns
        yield Service(
            name=name,
            type=kind,
            chroot=jailed == "y" or (jailed == "-" and chroot),
            program=command.split()[0].rpartition("/")[2],
            options=options.get(f"{name}/{kind}", {}),
        )


def _tables(values: Iterable[str]) -> Iterable[tuple[str, str]]:
    """Read the tables whose text lies where they are named."""
    for word in {word for value in values for word in re.split(r"[,\s]+", value)}:
        if word.startswith(_TEXTS):
            path = Path(word.partition(":")[2])
            try:
                with path.open("r", encoding="utf-8", errors="replace") as file:
                    yield word, file.read(_TABLE_OCTETS)
            except OSError:
                continue
