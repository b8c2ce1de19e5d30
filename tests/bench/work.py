"""Work instead of time: what a parser does, counted operation by operation.

`load` imports a module anew with the parsers below it rewritten: every call, loop,
slice, comparison and concatenation in them reports itself. One unit is one operation,
or one octet, character or entry that an operation in C may have to look at: the lengths
of a call's receiver, arguments and result. Regular expressions are counted step by step
by `matcher`, since their work is not bounded by the length of what they read.

What this cannot see: what goes on inside C and Rust, that is json's scanner, base64,
hashes, cryptography's DER and X.509, and inside the standard library's own Python. They
are taken to be linear in what they are given; `core` times them. A sort counts as one
pass.
"""

from __future__ import annotations

import ast
import importlib
import operator
import re
import sys
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any, Final

from tests.bench import matcher

METERED: Final = ("stirmilter.stir", "stirmilter.mail")
_OF_RE: Final = {"match", "fullmatch", "search", "finditer", "findall", "sub", "split"}
_FRESH: Final = (
    *("stirmilter", "tests.hostile", "tests.bench.grow"),
    *("tests.laboratory", "tests.stir"),
)
_SIZED: Final = frozenset({str, bytes, bytearray, list, tuple, dict, set, frozenset})
_OF_SETS: Final = (ast.BitAnd, ast.BitOr, ast.BitXor, ast.Sub)
_HASHED: Final = (dict, set, frozenset)
_CONSTANT: Final = frozenset(
    {
        *(len, isinstance, iter, next, enumerate, zip, map, filter, range, reversed),
        *(type, getattr, hasattr, id, ord, chr, callable, issubclass),
    }
)
_BISECTIONS: Final = frozenset({bisect_left, bisect_right})
_CONSTANT_METHODS: Final = frozenset(
    {
        *((list, name) for name in ("append", "extend", "pop", "clear")),
        *((dict, name) for name in ("get", "pop", "setdefault", "keys", "items")),
        *((dict, name) for name in ("values", "update")),
        *((set, name) for name in ("add", "update", "discard", "pop")),
        *((str, name) for name in ("startswith", "endswith")),
        *((bytes, name) for name in ("startswith", "endswith")),
    }
)
"""Methods that do not look at all of their receiver, unless their argument is 0, as in
``list.pop(0)``."""

_LOOKED_UP: Final = frozenset((dict, name) for name in ("get", "pop", "setdefault"))
"""Methods that return what was there before, and make nothing."""


class Meter:
    """Units of work since the last `reset`."""

    def __init__(self) -> None:
        self.units = 0

    def reset(self) -> int:
        """Return the units so far, and begin again."""
        units, self.units = self.units, 0
        return units

    def sized(self, value: Any) -> Any:  # noqa: ANN401
        """Count what was made, and pass it on."""
        self.units += 1 + _size(value)
        return value

    def each(self, values: Iterable[Any]) -> Iterator[Any]:
        """Count the rounds of a loop."""
        for value in values:
            self.units += 1
            yield value

    def plus(self, left: Any, right: Any) -> Any:  # noqa: ANN401
        """Do ``left += right``; a list grows in place, a text is copied."""
        self.units += 1 + _size(right if isinstance(left, list) else left)
        left += right
        return left

    def compare(self, name: str, left: Any, right: Any) -> Any:  # noqa: ANN401
        """Do one comparison; a membership test may look at all of a list."""
        if name in {"In", "NotIn"}:
            self.units += 1 + _size(left if isinstance(right, _HASHED) else right)
        else:
            self.units += 1 + min(_size(left), _size(right))
        return _COMPARISONS[name](left, right)

    def call(self, function: Any, *args: Any, **named: Any) -> Any:  # noqa: ANN401
        """Call, and count what the callee may have to look at."""
        self.units += 1
        if function in _CONSTANT or _metered(function):
            return function(*args, **named)
        receiver = getattr(function, "__self__", None)
        name = getattr(function, "__name__", "")
        if isinstance(receiver, re.Pattern):
            return self._pattern(receiver, name, args, named)
        if name in _OF_RE and function is getattr(re, name):
            pattern = re.compile(args[0], named.pop("flags", 0))
            return self._pattern(pattern, name, args[1:], named)
        if function in _BISECTIONS:
            self.units += len(args[0]).bit_length()
            return function(*args, **named)
        if (type(receiver), name) not in _CONSTANT_METHODS or args == (0,):
            self.units += _size(receiver)
        self.units += sum(map(_size, args)) + sum(map(_size, named.values()))
        result = function(*args, **named)
        if (type(receiver), name) not in _LOOKED_UP:
            self.units += _size(result)
        return result

    def _pattern(
        self,
        pattern: re.Pattern[Any],
        name: str,
        args: tuple[Any, ...],
        named: dict[str, Any],
    ) -> Any:  # noqa: ANN401
        if name in {"match", "fullmatch"}:
            self.units += matcher.match(pattern, name, *args)
        elif name == "finditer":
            return self._finditer(pattern, *args)
        else:
            text = args[1] if name in {"sub", "subn"} else args[0]
            for steps, found in matcher.scan(pattern, text):
                self.units += steps
                if found and name == "search":
                    break
        return self.sized(getattr(pattern, name)(*args, **named))

    def _finditer(self, pattern: re.Pattern[Any], *args: Any) -> Iterator[Any]:  # noqa: ANN401
        # Lazily: who stops early has not read the rest.
        for steps, found in matcher.scan(pattern, *args):
            self.units += steps
            if found is not None:
                yield found


_COMPARISONS: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "Eq": operator.eq,
    "NotEq": operator.ne,
    "Lt": operator.lt,
    "LtE": operator.le,
    "Gt": operator.gt,
    "GtE": operator.ge,
    "In": lambda left, right: left in right,
    "NotIn": lambda left, right: left not in right,
}


def load(name: str) -> tuple[ModuleType, Meter]:
    """Import a module beside the one that is imported already, its parsers metered."""
    meter = Meter()
    kept = _take_out()
    finder = _Finder(meter)
    sys.meta_path.insert(0, finder)
    try:
        return importlib.import_module(name), meter
    finally:
        sys.meta_path.remove(finder)
        _take_out()
        sys.modules.update(kept)
        for known, module in kept.items():
            # A package that stayed has the copy as its attribute.
            package, _, child = known.rpartition(".")
            if package:
                setattr(sys.modules[package], child, module)


def _take_out() -> dict[str, ModuleType]:
    names = [name for name in sys.modules if _below(name, _FRESH)]
    return {name: sys.modules.pop(name) for name in names}


def rewrite(source: str, name: str) -> ast.Module:
    """Parse a module and let its operations report to ``__work__``."""
    tree: ast.Module = _Rewriter().visit(ast.parse(source, name))
    return ast.fix_missing_locations(tree)


class _Finder(MetaPathFinder):
    def __init__(self, meter: Meter) -> None:
        self.meter = meter

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        _target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        if not _below(fullname, METERED):
            return None
        spec = PathFinder.find_spec(fullname, path)
        if spec is not None and spec.origin is not None:
            spec.loader = _Loader(fullname, spec.origin, self.meter)
        return spec


class _Loader(SourceFileLoader):
    def __init__(self, name: str, path: str, meter: Meter) -> None:
        super().__init__(name, path)
        self.meter = meter

    def get_code(self, fullname: str) -> CodeType:
        """Compile afresh: rewritten code must not end up in a cache."""
        path = self.get_filename(fullname)
        source = Path(path).read_text(encoding="utf-8")
        return compile(rewrite(source, path), path, "exec", dont_inherit=True)

    def exec_module(self, module: ModuleType) -> None:
        vars(module)["__work__"] = self.meter
        super().exec_module(module)


class _Rewriter(ast.NodeTransformer):
    """Annotations stay as they are: they are no work."""

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        if node.value is not None:
            node.value = self.visit(node.value)
        return node

    def visit_arg(self, node: ast.arg) -> ast.AST:
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.func, ast.Name) and node.func.id == "super":
            return node  # finds its class by where it is called from
        return _report("call", node.func, *node.args, keywords=node.keywords)

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        self.generic_visit(node)
        if len(node.ops) > 1:
            node.comparators = [_report("sized", one) for one in node.comparators]
            return node
        [kind], [right] = node.ops, node.comparators
        sides = [right] if isinstance(kind, ast.In | ast.NotIn) else [node.left, right]
        if isinstance(kind, ast.Is | ast.IsNot) or any(map(_short, sides)):
            return node
        name = ast.Constant(type(kind).__name__)
        return _report("compare", name, node.left, right)

    def visit_For(self, node: ast.For) -> ast.AST:
        self.generic_visit(node)
        node.iter = _report("each", node.iter)
        return node

    def visit_comprehension(self, node: ast.comprehension) -> ast.AST:
        self.generic_visit(node)
        node.iter = _report("each", node.iter)
        return node

    def visit_YieldFrom(self, node: ast.YieldFrom) -> ast.AST:
        self.generic_visit(node)
        node.value = _report("each", node.value)
        return node

    def visit_While(self, node: ast.While) -> ast.AST:
        self.generic_visit(node)
        node.body.insert(0, ast.Expr(_report("sized", ast.Constant(None))))
        return node

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.target, ast.Name) and isinstance(node.op, ast.Add):
            before = ast.Name(node.target.id, ast.Load())
            return ast.Assign([node.target], _report("plus", before, node.value))
        node.value = _report("sized", node.value)
        return node

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        self.generic_visit(node)
        sliced = isinstance(node.slice, ast.Slice) and isinstance(node.ctx, ast.Load)
        return _report("sized", node) if sliced else node

    def visit_FormattedValue(self, node: ast.FormattedValue) -> ast.AST:
        node.value = self.visit(node.value)
        return node  # its format is a JoinedStr that must stay one

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.op, _OF_SETS):  # the result may be smaller than the work
            node.left = _report("sized", node.left)
            node.right = _report("sized", node.right)
        return _report("sized", node)

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.AST:
        self.generic_visit(node)
        return _report("sized", node)

    def visit_List(self, node: ast.List) -> ast.AST:
        self.generic_visit(node)
        return _copied(node, node.elts, node.ctx)

    def visit_Tuple(self, node: ast.Tuple) -> ast.AST:
        self.generic_visit(node)
        return _copied(node, node.elts, node.ctx)

    def visit_Set(self, node: ast.Set) -> ast.AST:
        self.generic_visit(node)
        return _copied(node, node.elts, ast.Load())


def _short(node: ast.expr) -> bool:
    """Tell whether a comparison with this ends soon, whatever stands opposite."""
    return isinstance(node, ast.Constant)


def _copied(
    node: ast.expr, members: list[ast.expr], context: ast.expr_context
) -> ast.AST:
    """Count a list that takes in others, ``[first, *rest]``."""
    spread = any(isinstance(member, ast.Starred) for member in members)
    made = spread and isinstance(context, ast.Load)
    return _report("sized", node) if made else node


def _report(
    method: str, *args: ast.expr, keywords: Sequence[ast.keyword] = ()
) -> ast.Call:
    work = ast.Attribute(ast.Name("__work__", ast.Load()), method, ast.Load())
    return ast.Call(work, list(args), list(keywords))


def _size(value: Any) -> int:  # noqa: ANN401
    kind = type(value)
    if kind in _SIZED:
        return len(value)
    return int(value.bit_length()) // 64 if kind is int else 0


def _metered(function: object) -> bool:
    """Tell whether a callee is rewritten, and counts for itself."""
    kind = type(function)
    if kind is FunctionType or kind is MethodType or isinstance(function, type):
        return _parser(str(function.__module__))
    return False


@cache
def _parser(name: str) -> bool:
    return _below(name, METERED)


def _below(name: str, packages: Iterable[str]) -> bool:
    return any(name == one or name.startswith(f"{one}.") for one in packages)
