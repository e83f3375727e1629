"""Numbered layers: ``for l in range(1, 5):`` repeats its body, and ``W[l]`` stands for W1, W2, …

A name is a family of layers where its first subscripts on the left are numbers or indices of loops.  Then ``a[4]`` and
``a4`` are the same name everywhere.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from derive.errors import DeriveError, Place
from derive.parse import limits
from derive.parse.source import Source


@dataclass(frozen=True)
class Layers:
    """What is numbered: for each family how many of its subscripts are numbers, and where the loops stand.

    `values` are those of the loop indices around the statement that is read.
    """

    families: Mapping[str, int] = field(default_factory=dict)
    loops: Mapping[str, Place] = field(default_factory=dict)
    values: Mapping[str, int] = field(default_factory=dict)

    def inside(self, index: str, value: int) -> Layers:
        return replace(self, values={**self.values, index: value})

    def name(self, family: str, subscripts: list[ast.expr], source: Source) -> str:
        """``W[l]`` → W1, ``W[l, h]`` → W1_2."""
        depth = self.families[family]
        if len(subscripts) < depth:
            raise DeriveError(f"'{family}' is numbered by {depth} numbers", source.place(subscripts[0]))
        return numbered(family, [self.number(part, source) for part in subscripts[:depth]])

    def number(self, node: ast.expr, source: Source) -> int:
        """The number of a layer."""
        value = whole_number(node, self.values)
        place = source.place(node)
        if value is None:
            raise DeriveError("the number of a layer is a whole number", place, self._outside(node))
        if value < 0:
            raise DeriveError(f"the number of a layer is not negative, this is {value}", place)
        return value

    def _outside(self, node: ast.expr) -> str | None:
        for part in ast.walk(node):
            if isinstance(part, ast.Name) and part.id in self.loops:
                return f"'{part.id}' is known inside of the loop on line {self.loops[part.id].line} alone"
        return None

    def hint(self, name: str) -> str | None:
        """What to do about a name that is missing and seems to be of a family."""
        if name in self.families:
            return f"'{name}' is numbered: write {name}[1], or another of its layers"
        family = next((f for f in self.families if name[len(f) :].strip("_").isdigit() and name.startswith(f)), None)
        number = name[len(family or "") :].strip("_")
        return f"`{family}[{number}] = …` would define it" if family else None


def numbered(family: str, numbers: list[int]) -> str:
    """The name of one layer; a family that ends in a digit keeps its own number apart.

    >>> numbered("W", [12]), numbered("W", [1, 2]), numbered("W1", [2])
    ('W12', 'W1_2', 'W1_2')
    """
    return family + ("_" if family[-1].isdigit() else "") + "_".join(map(str, numbers))


_ARITHMETIC: dict[type[ast.operator], Callable[[int, int], int]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
}


def whole_number(node: ast.expr, values: Mapping[str, int]) -> int | None:
    """The value of sums and products of whole numbers and loop indices, else None."""
    match node:
        case ast.Constant(value=int(value)) if not isinstance(value, bool) and value < 10**9:
            return value
        case ast.Name() if node.id in values:
            return values[node.id]
        case ast.UnaryOp(op=ast.USub()):
            inner = whole_number(node.operand, values)
            return None if inner is None else -inner
        case ast.BinOp() if type(node.op) in _ARITHMETIC:
            left, right = whole_number(node.left, values), whole_number(node.right, values)
            if left is None or right is None or max(abs(left), abs(right)) > 10**9:
                return None
            return _ARITHMETIC[type(node.op)](left, right)
    return None


def find_layers(body: list[ast.stmt], roles: tuple[str, ...], source: Source) -> Layers:
    """The families and loops of a model's text."""
    families: dict[str, int] = {}
    loops: dict[str, Place] = {}
    for statement, around in _statements(body, ()):
        if isinstance(statement, ast.For):
            loops.setdefault(_index(statement, source), source.place(statement.target) or Place(1, 1))
            continue
        target = _numbered_target(statement, around, roles)
        if target is None:
            continue
        family, depth = target.value.id, _depth(target, around)  # type: ignore[attr-defined]
        if depth and families.setdefault(family, depth) != depth:
            message = f"'{family}' is numbered by {families[family]} numbers before, and by {depth} here"
            raise DeriveError(message, source.place(target))
    return Layers(families, loops)


def _statements(body: list[ast.stmt], around: tuple[str, ...]) -> Iterator[tuple[ast.stmt, tuple[str, ...]]]:
    """Every statement, with the indices of the loops around it."""
    if len(around) > limits.LOOPS:
        return  # refused when the loop is read
    for statement in body:
        yield statement, around
        if isinstance(statement, ast.For) and isinstance(statement.target, ast.Name):
            yield from _statements(statement.body, (*around, statement.target.id))


def _numbered_target(statement: ast.stmt, around: tuple[str, ...], roles: tuple[str, ...]) -> ast.Subscript | None:
    """The left side of a statement in a loop, or of ``m[0]: size``; other entries are no layers."""
    target: ast.expr | None = None
    if isinstance(statement, ast.AnnAssign):
        words = (node.id for node in ast.walk(statement.annotation) if isinstance(node, ast.Name))
        target = statement.target if around or next(words, None) in roles else None
    elif isinstance(statement, ast.Assign) and around:
        target = statement.targets[0]
    return target if isinstance(target, ast.Subscript) and isinstance(target.value, ast.Name) else None


def subscripts_of(node: ast.Subscript) -> list[ast.expr]:
    return node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]


def _depth(target: ast.Subscript, around: tuple[str, ...]) -> int:
    """How many of the first subscripts are numbers."""
    values = dict.fromkeys(around, 1)
    depth = 0
    for part in subscripts_of(target):
        if whole_number(part, values) is None:
            break
        depth += 1
    return depth


def _index(node: ast.For, source: Source) -> str:
    if not isinstance(node.target, ast.Name):
        raise DeriveError("the index of a loop is one name", source.place(node.target))
    return node.target.id


def loop(node: ast.For, layers: Layers, source: Source) -> tuple[str, range]:
    """The index of a loop and the numbers that it runs over."""
    index = _index(node, source)
    if index in layers.values:
        raise DeriveError(f"the loops around have the index '{index}' already", source.place(node.target))
    if len(layers.values) >= limits.LOOPS:
        raise DeriveError(f"at most {limits.LOOPS} loops stand in each other", source.place(node.target))
    if node.orelse:
        raise DeriveError("`else` is not part of the model language", source.place(node.orelse[0]))
    numbers = _range(node.iter, layers, source)
    if len(numbers) > limits.LAYERS:
        raise DeriveError(f"a loop has at most {limits.LAYERS:,} layers", source.place(node.iter))
    if not numbers:
        raise DeriveError("the loop is empty", source.place(node.iter), "range(1, 5) are the numbers 1 to 4")
    return index, numbers


def _range(node: ast.expr, layers: Layers, source: Source) -> range:
    place, hint = source.place(node), "for example `for l in range(1, 5):`"
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "range"):
        raise DeriveError("a loop runs over a range", place, hint)
    if node.keywords or not 1 <= len(node.args) <= 2:
        raise DeriveError("a range has one or two bounds here", place, hint)
    bounds = [whole_number(arg, layers.values) for arg in node.args]
    known = [bound for bound in bounds if bound is not None]
    if len(known) < len(bounds):
        unknown = node.args[bounds.index(None)]
        if any(isinstance(part, ast.Name) for part in ast.walk(unknown)):
            hint = "layers are numbered; steps of any number are a recurrence: h[0] = …, h[t] = … h[t - 1] …"
        raise DeriveError("the bounds of a loop are whole numbers", source.place(unknown), hint)
    if known[0] < 0:
        raise DeriveError("the layers of a loop are numbered from 0 on", place)
    return range(*known)
