"""Regular expressions step by step: what `re` does, counted.

`re` matches in C, where nobody sees how often it goes back. This matcher runs the same
parse tree with the same backtracking, on a stack of its own, and counts: a step for
each instruction, and one for each character that a run of characters takes. It is held
to the result of `re` at every use, so the two cannot drift apart unseen.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, Final

# Private parts of the standard library, for tests alone: the parse tree has no other
# door. Should they change, every use fails, loudly.
_PARSER: Final[Any] = importlib.import_module("re._parser")
_COMPILER: Final[Any] = importlib.import_module("re._compiler")
_SINGLE: Final = frozenset({"LITERAL", "NOT_LITERAL", "ANY", "IN", "CATEGORY"})
_ENDLESS: Final = _PARSER.MAXREPEAT

Stack = list[tuple[int, int, int]]
"""Where to go on instead: an instruction, the least and the next place to try it at."""

Code = Callable[["Run", int, Stack], tuple[int, int] | None]
"""An instruction: from a place to the next instruction and place, or nowhere."""


Accepts = Callable[[Any], bool]
"""Tells whether a pattern's item is about a character."""


class Run:
    """One text, and the steps that patterns took on it."""

    def __init__(self, text: Any) -> None:  # noqa: ANN401 - str or bytes
        self.text = text
        self.steps = 0

    def match(
        self, codes: tuple[Code, ...], place: int, *, whole: bool = False
    ) -> int | None:
        """Return where a program that starts at `place` ends, or None."""
        stack: Stack = []
        code = 0
        while True:
            self.steps += 1
            if code < len(codes):
                onward = codes[code](self, place, stack)
            elif not whole or place == len(self.text):
                return place
            else:
                onward = None
            if onward is not None:
                code, place = onward
            elif stack:
                code, least, place = stack.pop()
                if place > least:
                    stack.append((code, least, place - 1))
            else:
                return None


def match(pattern: re.Pattern[Any], how: str, text: Any, start: int = 0) -> int:  # noqa: ANN401
    """Count the steps of ``match`` or ``fullmatch``."""
    run = Run(text)
    end = run.match(program(pattern), start, whole=how == "fullmatch")
    real = getattr(pattern, how)(text, start)
    assert end == (real.end() if real else None), (pattern, text, start)
    return run.steps


def scan(
    pattern: re.Pattern[Any],
    text: Any,  # noqa: ANN401
    start: int = 0,
) -> Iterator[tuple[int, re.Match[Any] | None]]:
    """Count the steps to each match of ``finditer``, and those after the last."""
    codes = program(pattern)
    run = Run(text)
    taken = start
    for real in pattern.finditer(text, start):
        for place in range(taken, real.start()):
            assert run.match(codes, place) is None, (pattern, text, place)
        assert run.match(codes, real.start()) == real.end(), (pattern, text)
        yield run.steps, real
        run.steps, taken = 0, real.end()
        assert real.end() > real.start(), f"{pattern} scans and matches nothing"
    for place in range(taken, len(text) + 1):
        assert run.match(codes, place) is None, (pattern, text, place)
    yield run.steps, None


@cache
def program(pattern: re.Pattern[Any]) -> tuple[Code, ...]:
    """Translate a pattern.

    Raises:
        NotImplementedError: it has a part that no pattern of ours had so far.
    """
    tree = _PARSER.parse(pattern.pattern, pattern.flags & ~re.DEBUG)
    return _Compiler(tree.state, pattern.flags).sequence(tree)


class _Compiler:
    def __init__(self, state: Any, flags: int) -> None:  # noqa: ANN401
        self.state, self.flags = state, flags

    def sequence(self, tree: Any) -> tuple[Code, ...]:  # noqa: ANN401
        """Translate a tree that is matched on its own, alternatives forgotten after."""
        codes: list[Code] = []
        self.emit(codes, tree)
        return tuple(codes)

    def emit(self, codes: list[Code], tree: Any) -> None:  # noqa: ANN401
        for op, argument in tree:
            match str(op), argument:
                case name, _ if name in _SINGLE:
                    codes.append(_span(self.accepts(op, argument), 1, 1, len(codes)))
                case "SUBPATTERN", (_, 0, 0, inner):
                    self.emit(codes, inner)
                case "BRANCH", (None, branches):
                    self.branch(codes, branches)
                case "MAX_REPEAT" | "POSSESSIVE_REPEAT", (least, most, inner):
                    self.repeat(codes, str(op)[0] == "P", least, most, inner)
                case "ATOMIC_GROUP", inner:
                    codes.append(_atomic(self.sequence(inner), 1, 1, len(codes)))
                case "ASSERT" | "ASSERT_NOT", (direction, inner):
                    wanted = str(op) == "ASSERT"
                    back = inner.getwidth()[1] if direction < 0 else 0
                    codes.append(_look(self.sequence(inner), back, wanted, len(codes)))
                case "AT", _:
                    codes.append(_at(self.single(op, argument), len(codes)))
                case name, _:
                    raise NotImplementedError(f"{name} in a regular expression")

    def branch(self, codes: list[Code], branches: list[Any]) -> None:
        choice = self.reserve(codes)
        starts, ends = [], []
        for branch in branches:
            starts.append((len(codes), self.first(branch)))
            self.emit(codes, branch)
            ends.append(self.reserve(codes))
        codes[choice] = _choice(starts)
        for end in ends:
            codes[end] = _jump(len(codes))

    def repeat(
        self,
        codes: list[Code],
        possessive: bool,
        least: int,
        most: int,
        inner: Any,  # noqa: ANN401
    ) -> None:
        [*others] = inner
        if (
            len(others) == 1
            and inner.getwidth() == (1, 1)
            and str(others[0][0]) in _SINGLE
        ):
            accepts = self.accepts(*others[0])
            codes.append(_span(accepts, least, most, len(codes), possessive=possessive))
        elif possessive:
            codes.append(_atomic(self.sequence(inner), least, most, len(codes)))
        elif most is not _ENDLESS:
            for _ in range(least):
                self.emit(codes, inner)
            forks = []
            for _ in range(most - least):
                forks.append(self.reserve(codes))
                self.emit(codes, inner)
            for fork in forks:
                codes[fork] = _fork(fork + 1, len(codes))
        elif inner.getwidth()[0] == 0:
            raise NotImplementedError("an endless repetition of nothing")
        else:
            for _ in range(least):
                self.emit(codes, inner)
            fork = self.reserve(codes)
            self.emit(codes, inner)
            codes.append(_jump(fork))
            codes[fork] = _fork(fork + 1, len(codes))

    @staticmethod
    def reserve(codes: list[Code]) -> int:
        """Leave room for an instruction whose target is not known yet."""
        codes.append(_jump(0))
        return len(codes) - 1

    def first(self, tree: Any) -> Accepts | None:  # noqa: ANN401
        """Return what the first character must be, if there must be one."""
        [*items] = tree
        match items and (str(items[0][0]), items[0][1]):
            case name, argument if name in _SINGLE:
                return self.accepts(items[0][0], argument)
            case "SUBPATTERN", (_, 0, 0, inner):
                return self.first(inner)
            case "MAX_REPEAT" | "POSSESSIVE_REPEAT", (least, _, inner) if least:
                return self.first(inner)
            case _:
                return None

    def single(self, op: Any, argument: Any) -> re.Pattern[Any]:  # noqa: ANN401
        """Let `re` itself judge a single item, so that all flags mean the same."""
        tree = _PARSER.SubPattern(self.state, [(op, argument)])
        pattern: re.Pattern[Any] = _COMPILER.compile(tree, self.flags)
        return pattern

    def accepts(self, op: Any, argument: Any) -> Accepts:  # noqa: ANN401
        single = self.single(op, argument)
        return cache(lambda character: single.match(character) is not None)


def _span(
    accepts: Accepts,
    least: int,
    most: int,
    here: int,
    *,
    possessive: bool = False,
) -> Code:
    """Take a run of characters; without `possessive`, give them back one by one."""

    def code(run: Run, place: int, stack: Stack) -> tuple[int, int] | None:
        text, end = run.text, place
        limit = len(text) if most is _ENDLESS else min(len(text), place + most)
        while end < limit and accepts(text[end : end + 1]):
            end += 1
        run.steps += end - place
        if end < place + least:
            return None
        if end > place + least and not possessive:
            stack.append((here + 1, place + least, end - 1))
        return here + 1, end

    return code


def _atomic(codes: tuple[Code, ...], least: int, most: int, here: int) -> Code:
    """Match a part as often as it goes, and never go back into it."""

    def code(run: Run, place: int, _stack: Stack) -> tuple[int, int] | None:
        count = 0
        while most is _ENDLESS or count < most:
            end = run.match(codes, place)
            if end is None or end == place:
                break
            place, count = end, count + 1
        return (here + 1, place) if count >= least else None

    return code


def _look(codes: tuple[Code, ...], back: int, wanted: bool, here: int) -> Code:
    """Look ahead, or back by a fixed number of characters."""

    def code(run: Run, place: int, _stack: Stack) -> tuple[int, int] | None:
        found = place >= back and run.match(codes, place - back) is not None
        return (here + 1, place) if found == wanted else None

    return code


def _at(pattern: re.Pattern[Any], here: int) -> Code:
    def code(run: Run, place: int, _stack: Stack) -> tuple[int, int] | None:
        return (here + 1, place) if pattern.match(run.text, place) else None

    return code


def _fork(first: int, second: int) -> Code:
    def code(_run: Run, place: int, stack: Stack) -> tuple[int, int] | None:
        stack.append((second, place, place))
        return first, place

    return code


def _choice(branches: list[tuple[int, Accepts | None]]) -> Code:
    """Try one branch after the other, as `re` does: by its first character at once."""

    def code(run: Run, place: int, stack: Stack) -> tuple[int, int] | None:
        character = run.text[place : place + 1]
        run.steps += len(branches)
        good = [
            start
            for start, accepts in branches
            if accepts is None or (character and accepts(character))
        ]
        stack += [(start, place, place) for start in reversed(good)]
        return (stack.pop()[0], place) if good else None

    return code


def _jump(target: int) -> Code:
    return lambda _run, place, _stack: (target, place)
