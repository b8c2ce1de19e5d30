"""Rules that can never apply, because of themselves or of those above them.

Each rule is a box: for each condition, the values with which it holds. From a rule's
box the boxes above are cut away; when nothing is left, no message ever gets there.
Verdict, reason, result word and DMARC depend on each other, so together they are one
side of the box. Numbers are only held against each other as sets.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Final

from stirmilter.mail.policy.rules import VALUES, Conditions, Rule
from stirmilter.mail.verdict import combine
from stirmilter.stir.result import Reason
from stirmilter.stir.tn import NumberSet

PIECES: Final = 2_000
"""Default for the boxes that one rule's is cut into at most."""

_JOINT: Final = ("verdict", "stir", "reason", "dmarc")
_OTHER: Final = "\0other"  # a value that no rule names
_OPEN: Final = ("peer", "spc", "differs")

_Side = frozenset[object]


@dataclass(frozen=True, slots=True)
class _Box:
    sides: tuple[_Side, ...]
    when: Conditions
    """Of the rule, for its numbers: those are not cut."""

    @property
    def empty(self) -> bool:
        return not all(self.sides)


def unreachable(
    rules: Sequence[Rule], pieces: int = PIECES
) -> Iterator[tuple[Rule, str]]:
    """Yield each rule that can never apply, and why.

    Args:
        rules: a table, in its order.
        pieces: boxes that a rule's is cut into at most; one that needs more is taken to
            apply to something.
    """
    universe = _universe(rules)
    above: list[_Box] = []
    for rule in rules:
        box = _box(rule.when, universe)
        if box.empty:
            yield rule, "its conditions exclude each other"
            continue
        if _covered(box, above, pieces):
            yield rule, "the rules above it leave no message to it"
        above.append(box)


def _covered(box: _Box, above: Sequence[_Box], pieces: int) -> bool:
    left = [box]
    for other in above:
        if not _holds(other.when, box.when):
            continue
        left = [piece for one in left for piece in _cut(one, other)]
        if len(left) > pieces:
            return False
    return not left


def _cut(box: _Box, other: _Box) -> Iterator[_Box]:
    """Yield what of a box lies outside another."""
    sides = list(box.sides)
    for position, (mine, theirs) in enumerate(zip(sides, other.sides, strict=True)):
        if mine.isdisjoint(theirs):
            yield _Box(tuple(sides), box.when)
            return
        if outside := mine - theirs:
            piece = [*sides[:position], outside, *sides[position + 1 :]]
            yield _Box(tuple(piece), box.when)
        sides[position] = mine & theirs


def _box(when: Conditions, universe: dict[str, _Side]) -> _Box:
    joint = frozenset(
        atom
        for atom in _ATOMS
        if all(
            not wanted or word in wanted
            for word, wanted in zip(
                atom, (getattr(when, name) for name in _JOINT), strict=True
            )
        )
    )
    others = [getattr(when, name) or side for name, side in universe.items()]
    return _Box((joint, *others), when)


def _universe(rules: Sequence[Rule]) -> dict[str, _Side]:
    """Return all values of the conditions that stand for themselves."""
    closed: dict[str, _Side] = {
        name: frozenset(values)
        for name, values in VALUES.items()
        if name not in (*_JOINT, *_OPEN)
    }
    named: dict[str, _Side] = {
        name: frozenset({_OTHER}.union(*(getattr(r.when, name) for r in rules)))
        for name in _OPEN
    }
    return closed | named


def _atoms() -> Iterator[tuple[str, str, str, str]]:
    """Yield what of verdict, result word, reason and DMARC goes together."""
    for reason in Reason:
        for dmarc in VALUES["dmarc"]:
            for covered in (True, False):
                verdict = combine(
                    reason.word,
                    headers_covered=covered,
                    dmarc_pass=dmarc == "pass",
                )
                yield str(verdict), reason.word, reason.code, dmarc


_ATOMS: Final = frozenset(_atoms())


def _holds(outer: Conditions, inner: Conditions) -> bool:
    """Tell whether every message whose number one asks for is surely the other's.

    A set and messages without a number are never all there are: addresses are left.
    """
    if not outer.asks_number:
        return True
    if not inner.asks_number or inner.numberless > outer.numberless:
        return False
    return _holds_set(outer.number or NumberSet(), inner.number or NumberSet())


def _holds_set(outer: NumberSet, inner: NumberSet) -> bool:
    return (
        all(number in outer for number in chain(inner.numbers, inner.listed))
        and all(_holds_prefix(outer, prefix) for prefix in inner.prefixes)
        and all(_holds_range(outer, *ends) for ends in inner.ranges)
    )


def _holds_prefix(outer: NumberSet, prefix: str) -> bool:
    return any(prefix.startswith(wider) for wider in outer.prefixes)


def _holds_range(outer: NumberSet, first: str, last: str) -> bool:
    return any(
        len(first) == len(start) and start <= first and last <= end
        for start, end in outer.ranges
    ) or any(first.startswith(p) and last.startswith(p) for p in outer.prefixes)
