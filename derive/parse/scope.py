"""What an expression is elaborated in: shapes, arguments, indices in use; and what elaborating gives, an `Array`.

An `Array` is a shape, and a function that gives the core expression of the element at any indices.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from derive.errors import DeriveError
from derive.expression.build import add, mul
from derive.expression.nodes import Expression, Index, Ref
from derive.expression.walk import fresh, names
from derive.parse import limits
from derive.parse.numbers import constant_value
from derive.parse.sizes import check_entries, polynomial
from derive.parse.whole import Whole

Indices = tuple[Expression, ...]
Shape = tuple[Expression, ...]


@dataclass(frozen=True)
class Array:
    """A shape, and the core expression of the element at given indices; `weight` is how large that is, about.

    `blocks` tells of an axis, by its number counted from the last, that it is made of m blocks of n entries: (m, n).
    """

    shape: Shape
    at: Callable[[Indices], Expression]
    weight: int = 1
    blocks: Mapping[int, tuple[Expression, Expression]] = field(default_factory=dict)

    @property
    def rank(self) -> int:
        return len(self.shape)


def scalar(e: Expression) -> Array:
    return Array((), lambda _: e)


@dataclass(frozen=True)
class Body:
    """A function of the author: parameters, local lines, and what it returns."""

    parameters: tuple[str, ...]
    lines: tuple[tuple[str, Expression], ...]
    result: Expression

    @property
    def expressions(self) -> tuple[Expression, ...]:
        return (*(e for _, e in self.lines), self.result)


class Budget:
    """Bounds the size of one equation, the author's functions written out."""

    def __init__(self) -> None:
        self.left = limits.NODES
        self.weights: list[int] = []

    def spend(self, e: Expression) -> None:
        self.left -= 1
        if self.left < 0:
            raise _too_large(e)

    def enter(self, e: Expression) -> None:
        self.spend(e)
        self.weights.append(1)

    def leave(self, e: Expression, more: int) -> int:
        """How large the expression entered last is; it counts towards the one around it."""
        weight = self.weights.pop() + more
        if weight > limits.NODES:
            raise _too_large(e)
        if self.weights:
            self.weights[-1] += weight
        return weight


def _too_large(e: Expression) -> DeriveError:
    message = "the equation is too large when its functions are written out"
    return DeriveError(message, e.place, "give parts of it names of their own")


@dataclass(frozen=True)
class Steps:
    """What is known of the steps of recurrences: the first entry of arrays that have none at 0, indices with a range.

    `ranges`: of declared indices, from the first value to before the stop.
    """

    begins: Mapping[str, int] = field(default_factory=dict)
    ranges: Mapping[str, tuple[int, Expression]] = field(default_factory=dict)


@dataclass(frozen=True)
class Scope:
    """Where an expression of one equation stands.

    `meaning` elaborates one node, `local` holds the arguments of the author's function that is being written out,
    `whole` the names that are whole numbers, where that is known.
    `taken` and `bound` (the size of each bound index) grow while the equation is read: indices are unique within it.
    """

    meaning: Callable[[Expression, Scope], Array]
    shapes: Mapping[str, Shape]
    bodies: Mapping[str, Body]
    taken: set[str]
    whole: Whole | None = None
    steps: Steps = field(default_factory=Steps)
    bound: dict[str, Expression] = field(default_factory=dict)
    written: dict[str, str] = field(default_factory=dict)  # indices that were renamed, as the author calls them
    budget: Budget = field(default_factory=Budget)
    local: Mapping[str, Array] = field(default_factory=dict)
    depth: int = 0

    def array(self, e: Expression) -> Array:
        """The meaning of an expression."""
        self.budget.enter(e)
        found = self.meaning(e, self)
        check_entries(found.shape, e.place)
        argument = self.local.get(e.name) if isinstance(e, Ref) else None
        weight = self.budget.leave(e, argument.weight if argument else 0)
        return replace(found, weight=weight)

    def element(self, e: Expression) -> Expression:
        """The core form of what must be a scalar, such as a subscript or a condition."""
        return self.array(e).at(())

    def size(self, e: Expression, least: int) -> Expression:
        """An argument that is a size: a whole number from `least` on, or made of sizes."""
        size = self.element(e)
        value = constant_value(size)
        real = [name for name in names(size) if self.whole is not None and self.whole.get(name) != (Ref(name),) * 2]
        if polynomial(size) is None or real or (value is not None and (value < least or value.denominator != 1)):
            raise DeriveError(f"this is a whole number from {least} on, or made of sizes", e.place)
        return size

    def inside(self, local: Mapping[str, Array]) -> Scope:
        """The scope of a function's body, where its arguments are known."""
        return replace(self, local=local, depth=self.depth + 1)

    def new_index(self, preferred: str = "j") -> str:
        name = fresh(self.taken, preferred)
        while name in self.shapes:
            self.taken.add(name)
            name = fresh(self.taken, preferred)
        self.taken.add(name)
        return name

    def bind(self, size: Expression, preferred: str = "j") -> Index:
        """A new index that runs over a size."""
        name = self.new_index(preferred)
        self.bound[name] = size
        return Index(name)

    def bind_axis(self, array: Array, axis: int) -> tuple[Expression, tuple[str, ...]]:
        """A new index over an axis, and its letter; over one of blocks two, that of the block and the one within."""
        if axis - array.rank not in array.blocks:
            index = self.bind(array.shape[axis])
            return index, (index.name,)
        count, size = array.blocks[axis - array.rank]
        block, within = self.bind(count), self.bind(size)
        return add(mul(size, block), within), (block.name, within.name)
