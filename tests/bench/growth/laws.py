"""How a cost grows, told from a few points: flat, logarithmic, linear, or worse.

Each law has as many constants as a person would draw it with, and is fitted to relative
errors, as a cost is noisy in proportion. The plainest one that fits is what was found:
a power x^p is only asked for its exponent where it fits much better than a line.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, NamedTuple

FLAT_RATIO: Final = 1.25
"""The last of a flat curve, of its first."""

HUMP: Final = 1.5
"""The highest of a flat curve, of its first."""

FIT: Final = 0.04
"""Root mean square of relative errors of what fits; or, where a series is noisy, so
many times that of the best power:"""

WORSE: Final = 1.5
SLOW: Final = 0.5
"""An exponent that may pass for a logarithm, if not much comes of it:"""

PER_DECADE: Final = 0.5
STEEP: Final = 1.3
"""An exponent that a line does not have."""

_EXPONENTS: Final = [n / 50 for n in range(1, 176)]
_ENOUGH: Final = 3  # points that can tell a line from a curve


class Law(IntEnum):
    """From the best to the worst."""

    FLAT = 0
    LOGARITHMIC = 1
    LINEAR = 2
    STEEPER = 3

    def __str__(self) -> str:
        return "steeper than linear" if self is Law.STEEPER else self.name.lower()


class Point(NamedTuple):
    """One measurement."""

    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Found:
    """What a series does."""

    law: Law
    ratio: float
    """The highest of its first."""

    exponent: float
    """Of the power that fits best."""

    slope: float
    """Of the line through the ends."""

    residual: float
    """Greatest distance from that line, as a part of it."""


def judge(points: Sequence[Point]) -> Found:
    """Tell the law of two points or more, in the order of x, all above zero."""
    first, last = points[0], points[-1]
    slope = (last.y - first.y) / (last.x - first.x)
    residual = max(
        abs(y / (first.y + slope * (x - first.x)) - 1) if y else 0.0 for x, y in points
    )
    ratio = max(point.y for point in points) / first.y
    exponent, best = _power(points)
    return Found(
        law=_law(points, ratio, exponent, best),
        ratio=ratio,
        exponent=exponent,
        slope=slope,
        residual=residual,
    )


def _law(points: Sequence[Point], ratio: float, exponent: float, best: float) -> Law:
    if points[-1].y / points[0].y <= FLAT_RATIO and ratio <= HUMP:
        return Law.FLAT
    if len(points) < _ENOUGH:
        return Law.LINEAR
    enough = max(FIT, WORSE * best)
    decades = math.log10(points[-1].x / points[0].x)
    line, curve = _error(points, float), _error(points, math.log10)
    slow = curve <= min(enough, line) or exponent <= SLOW
    if slow and ratio <= 1 + PER_DECADE * decades:
        return Law.LOGARITHMIC
    if line <= enough or exponent <= STEEP:
        return Law.LINEAR
    return Law.STEEPER


def _power(points: Sequence[Point]) -> tuple[float, float]:
    """Return the exponent of the power that fits best, and how far off that is."""
    if len(points) < _ENOUGH:
        return 1.0, 0.0

    def error(exponent: float) -> float:
        return _error(points, lambda x: x**exponent)

    # Several may fit as well as can be: then the one that is closest to a line.
    errors = {one: error(one) for one in _EXPONENTS}
    least = min(errors.values())
    good = [one for one, its in errors.items() if its <= least * 1.02 + 1e-4]
    exponent = min(good, key=lambda one: abs(one - 1))
    return exponent, least


def _error(points: Sequence[Point], of: Callable[[float], float]) -> float:
    """Fit y = start + slope * of(x), and return how far off it is, as a part of y."""
    total = uu = u1 = uy = oney = 0.0
    for x, y in points:
        weight, u = 1 / (y * y), of(x)
        total += weight
        u1 += weight * u
        uu += weight * u * u
        oney += weight * y
        uy += weight * u * y
    determinant = total * uu - u1 * u1
    slope = (total * uy - u1 * oney) / determinant if determinant else 0.0
    start = (oney - slope * u1) / total
    squares = [(1 - (start + slope * of(x)) / y) ** 2 for x, y in points]
    return math.sqrt(sum(squares) / len(points))
