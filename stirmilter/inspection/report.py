"""A report for people: facts in order, what is wrong, and which rule says so."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from stirmilter.stir.result import Unverified, printable

_VALUE_LENGTH: Final = 400

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
        """Note one fact; a stranger's text becomes printable here."""
        self.facts.append((name, printable(str(value), _VALUE_LENGTH)))

    def problem(self, text: str, rule: str = "") -> None:
        """Note what is wrong, once."""
        found = Problem(printable(text, _VALUE_LENGTH), rule)
        if found not in self.problems:
            self.problems.append(found)

    def attempt(self, step: Callable[..., Result], *arguments: object) -> Result | None:
        """Run one step; what it refuses becomes a problem, and the report goes on."""
        try:
            return step(*arguments)
        except Unverified as error:
            self.problem(f"{error.reason.code}: {error.detail}", error.rule)
            return None

    def add(self, other: Report) -> None:
        """Take over what another report says."""
        self.facts += other.facts
        for found in other.problems:
            self.problem(found.text, found.rule)

    def lines(self) -> Iterable[str]:
        """Write the report for people: a word, a tab, what there is to say.

        In ASCII, whatever the terminal.
        """
        yield f"this is\t{self.kind}"
        for name, value in self.facts:
            yield f"{name}\t{value}"
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
