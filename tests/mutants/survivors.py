"""What `make mutants` left alive in stir/, held against argued.toml.

    python -m tests.mutants.survivors [MODULE]...

mutmut changes one thing in one function, runs the tests that reach that function, and
does so two thousand times. A change that no test notices is a gap in the tests, unless
argued.toml says why it is none. The exit status is 1 if one is left without a word.

An argument is found by its function and the lines that changed, since the numbers of
mutants move with every edit. It counts once: two changes that look alike need two.

What mutmut cannot change, so that only tests of behaviour hold it:

* functions under a decorator other than `staticmethod` or `classmethod` alone: the
  properties, `passport._header` and `tnauthlist._decode` with their caches;
* everything outside functions: constants, expressions, the fields and defaults of
  dataclasses, the ASN.1 of `hazmat`, the rows of `Reason` and its constructor;
* what runs when a module is imported, before a mutant is chosen: `hazmat._known`;
* the text of f-strings, defaults that are no plain number, string or name, the
  arguments of `len` and `isinstance`, and annotations.

These were changed by hand, or by a script, when the table was made.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ARGUED: Final = Path(__file__).with_name("argued.toml")
PACKAGE: Final = "stirmilter.stir."
KILLED: Final = "killed"
_MUTMUT: Final = (sys.executable, "-m", "mutmut")
_CLASS: Final = "\u01c1"  # what mutmut writes between a class and its method


@dataclass(frozen=True, slots=True, order=True)
class Change:
    """One change of one function."""

    function: str
    """``tnauthlist.TNAuthList.build``"""

    was: str
    now: str

    @classmethod
    def of(cls, name: str, diff: str) -> Change:
        """Read what mutmut calls a mutant, and how it shows it."""
        module, _, mangled = name.removeprefix(PACKAGE).rpartition(".")
        plain = mangled.partition("__mutmut_")[0].removeprefix("x_")
        function = plain.removeprefix(f"x{_CLASS}").replace(_CLASS, ".")
        return cls(f"{module}.{function}", _lines(diff, "-"), _lines(diff, "+"))

    def __str__(self) -> str:
        """Show it, in the form in which argued.toml has it."""
        return "\n".join(
            [
                f'[["{self.function}"]]',
                f"was = {_quoted(self.was)}",
                f"now = {_quoted(self.now)}",
            ]
        )


def load(path: Path) -> Counter[Change]:
    """Read the arguments.

    Raises:
        ValueError: one has no sentence, or a member that does not belong there.
    """
    found: Counter[Change] = Counter()
    for function, entries in tomllib.loads(path.read_text("utf-8")).items():
        for entry in entries:
            if entry.keys() != {"was", "now", "why"} or not entry["why"].strip():
                raise ValueError(f"{function}: expected was, now and why")
            now = entry["now"]
            for one in [now] if isinstance(now, str) else now:
                found[Change(function, _bare(entry["was"]), _bare(one))] += 1
    return found


def unlike(
    survivors: Iterable[Change], argued: Counter[Change]
) -> tuple[list[Change], list[Change]]:
    """Return survivors without an argument, and arguments without a survivor."""
    alive = Counter(survivors)
    return sorted((alive - argued).elements()), sorted((argued - alive).elements())


def outcomes(listing: str) -> Iterator[tuple[str, str]]:
    """Read ``mutmut results``: name and status of each mutant."""
    for line in listing.splitlines():
        name, colon, status = line.strip().rpartition(": ")
        if colon and name.startswith(PACKAGE):
            yield name, status


def main(arguments: list[str]) -> int:
    """Say what is left, and whether all of it is argued."""
    parser = argparse.ArgumentParser(prog="tests.mutants.survivors")
    parser.add_argument("modules", nargs="*", metavar="MODULE", help="jws; else all")
    modules = parser.parse_args(arguments).modules

    def asked_for(function: str) -> bool:
        return not modules or function.partition(".")[0] in modules

    found = [
        (name, status)
        for name, status in outcomes(_mutmut("results", "--all", "true"))
        if asked_for(name.removeprefix(PACKAGE))
    ]
    if not found:
        _say("No mutants here: `make mutants` makes them.")
        return 1
    alive = {
        name: (status, Change.of(name, _mutmut("show", name)))
        for name, status in found
        if status != KILLED
    }
    argued = Counter({c: n for c, n in load(ARGUED).items() if asked_for(c.function)})
    missing, gone = unlike((change for _, change in alive.values()), argued)
    for change in gone:
        _say(f"Argued, and found by a test all the same; strike it out:\n{change}\n")
    for change in missing:
        states = ", ".join(
            f"{name}: {status}" for name, (status, c) in alive.items() if c == change
        )
        _say(f"Not argued; {states}\n{change}\n")
    killed = len(found) - len(alive)
    _say(
        f"{len(found)} mutants: {killed} killed, {len(alive) - len(missing)} argued,"
        f" {len(missing)} neither; {len(gone)} arguments too many"
    )
    return 1 if missing else 0


def _mutmut(*arguments: str) -> str:
    return subprocess.run(
        [*_MUTMUT, *arguments], check=True, capture_output=True, text=True
    ).stdout


def _lines(diff: str, sign: str) -> str:
    """Return the lines of one side of a diff, after the two that name the file."""
    body = [line for line in diff.splitlines() if line[:4] not in ("--- ", "+++ ")]
    return _bare("\n".join(line[1:] for line in body if line.startswith(sign)))


def _bare(text: str) -> str:
    """Take the indentation off: it is not what changed."""
    return "\n".join(line.strip() for line in text.strip().splitlines())


def _quoted(text: str) -> str:
    return f"'''{text}'''"


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
