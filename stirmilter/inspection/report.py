"""A report for people: facts in order, what is wrong, and which rule says so."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import groupby
from typing import Any, Final, TypeVar

from stirmilter.stir.result import Unverified, printable

# How a report looks that somebody asked for by hand: nothing else depends on it.
_LONGEST: Final = 100_000  # characters of one fact; certificates may name much
_LINE: Final = 400  # characters of one fact in a line for people
_MANY: Final = 8  # facts of one name in a row that people are shown in full
_FEW: Final = 3  # of more than that

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong."""

    text: str
    rule: str = ""
    """Where it stands that this is wrong: ``RFC 8225 §9``."""


@dataclass(slots=True)
class Report:
    """What was found, in order, and what is wrong."""

    kind: str
    facts: list[tuple[str, str]] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def fact(self, name: str, value: object) -> None:
        """Note one fact; a stranger's text becomes printable here.

        A list is one fact for each entry: people are shown the first ones, programs
        are given all.
        """
        self.facts.append((printable(name), printable(str(value), _LONGEST)))

    def problem(self, text: str, rule: str = "") -> None:
        """Note what is wrong, once."""
        found = Problem(printable(text, _LINE), rule)
        if found not in self.problems:
            self.problems.append(found)

    def attempt(self, step: Callable[..., Result], *arguments: object) -> Result | None:
        """Run one step; what it refuses becomes a problem, and the report goes on."""
        try:
            return step(*arguments)
        except Unverified as error:
            self.problem(f"{error.reason.code}: {error.detail}", error.rule)
            return None

    def add(self, other: Report, of: str = "") -> None:
        """Take over what another report says, about one `of` several things."""
        self.facts += other.facts
        for found in other.problems:
            self.problem(f"{of}: {found.text}" if of else found.text, found.rule)

    def lines(self) -> Iterable[str]:
        """Write the report for people: a word, a tab, what there is to say.

        In ASCII, whatever the terminal.
        """
        yield f"this is\t{self.kind}"
        for name, facts in groupby(self.facts, key=lambda fact: fact[0]):
            values = [value for _, value in facts]
            shown = values if len(values) <= _MANY else values[:_FEW]
            for value in shown:
                yield f"{name}\t{printable(value, _LINE)}"
            if len(shown) < len(values):
                more = len(values) - len(shown)
                yield f"{name}\tand {more} more, {len(values)} in all: see --json"
        for found in self.problems:
            rule = found.rule.replace("§", "section ")
            yield f"problem\t{found.text}" + (f"\t{rule}" if rule else "")

    def as_json(self) -> dict[str, Any]:
        """Write the report for programs; names may repeat, so facts are pairs."""
        return {
            "kind": self.kind,
            "facts": [list(fact) for fact in self.facts],
            "problems": [
                {"text": found.text, "rule": found.rule} for found in self.problems
            ],
        }


def stamp(at: datetime) -> str:
    """Write a time in UTC."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%SZ}"


def span(seconds: float) -> str:
    """Write how long something takes, in the unit that people think in."""
    for unit, length in (("days", 86_400), ("h", 3_600), ("min", 60)):
        if abs(seconds) >= 2 * length:
            return f"{int(abs(seconds) // length)} {unit}"
    return f"{int(abs(seconds))} s"
