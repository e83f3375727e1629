"""Whole arrays → index form: what an equation says, element by element.

In: an expression as the author wrote it, and the shapes of the names it uses.  Out: its core form, its indices and its
shape.  This definition by elements is the meaning of whole-array notation; shapes are checked here and a mismatch names
both.  What each kind of node means stands in a module of its own; `_MEANINGS` is the list.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from derive.errors import DeriveError, Place
from derive.expression.build import add, div, mul
from derive.expression.nodes import (
    Add,
    Both,
    Call,
    Compare,
    ComponentTensor,
    Constant,
    D,
    Div,
    Expression,
    Index,
    Item,
    MatMul,
    Mul,
    Neg,
    Number,
    Pow,
    Reduce,
    Ref,
    Stack,
    Transpose,
    Where,
)
from derive.expression.walk import contains, index_names
from derive.functions import AXIS_FUNCTIONS, FUNCTIONS, REDUCTIONS
from derive.parse import limits
from derive.parse.array_functions import array_function
from derive.parse.broadcasting import elementwise
from derive.parse.products import matmul, transpose
from derive.parse.ranges import check_below_zero, ranges_of, within
from derive.parse.reductions import component_tensor, over_axes, over_indices
from derive.parse.scope import Array, Body, Scope, Shape, Steps, scalar
from derive.parse.sizes import check_entries, same_size
from derive.parse.stacks import stack
from derive.parse.subscripts import adjoint, item, name
from derive.parse.whole import Whole


def in_index_form(
    e: Expression,
    shapes: Mapping[str, Shape],
    bodies: Mapping[str, Body],
    indices: tuple[str, ...],
    place: Place | None,
    whole: Whole | None = None,
    steps: Steps | None = None,
) -> tuple[Expression, tuple[str, ...], Shape]:
    """The core form of a right-hand side: body, free indices (given ones first, then one for each axis left), shape.

    With `whole`, the names that are whole numbers, a subscript that is none is refused.
    """
    found = Elaborated.of(e, shapes, bodies, indices, place, whole, steps)
    shape = (*(found.range(index) for index in indices), *found.shape)
    check_entries(shape, place)
    check_below_zero(found.body, place)
    if len(shape) > limits.RANK:
        raise DeriveError(f"an array has at most {limits.RANK} axes", place)
    return found.body, (*indices, *found.axes), shape


@dataclass(frozen=True)
class Elaborated:
    """An expression by its entries: over the given indices, and over `axes`, which have the `shape`."""

    body: Expression
    axes: tuple[str, ...]
    shape: Shape
    ranges: Mapping[str, Expression]  # of the given indices, where subscripts fix them
    scope: Scope
    place: Place | None

    @classmethod
    def of(
        cls,
        e: Expression,
        shapes: Mapping[str, Shape],
        bodies: Mapping[str, Body],
        indices: tuple[str, ...],
        place: Place | None,
        whole: Whole | None = None,
        steps: Steps | None = None,
    ) -> Elaborated:
        taken = set(index_names(e)) | set(indices)
        scope = Scope(_meaning, shapes, bodies, taken, whole, steps or Steps())
        array = scope.array(e)
        axes = tuple(scope.new_index("i") for _ in array.shape)
        body = array.at(tuple(Index(axis) for axis in axes))
        if contains(body, lambda node: isinstance(node, Index) and node.name.startswith("axis ")):
            raise DeriveError("this equation cannot be brought into index form", place)
        return cls(body, axes, array.shape, ranges_of(body, shapes, indices), scope, place)

    def reach(self, index: str) -> Expression | None:
        """How far a free index runs: as its subscripts say, as ``cumsum(x[i], i)`` does, as it is declared."""
        inside, found = self.scope.bound.get(index), self.ranges.get(index, self.scope.bound.get(index))
        if inside is not None and found is not None and not same_size(inside, found):
            message = f"the index '{index}' runs over a size {inside} and over a size {found}"
            raise DeriveError(message, self.place)
        if index in self.scope.steps.ranges:
            return within(index, self.scope.steps.ranges[index][1], found, self.place)
        return found

    def range(self, index: str) -> Expression:
        found = self.reach(index)
        if found is None:
            message = f"nothing fixes the range of the index '{index}'"
            raise DeriveError(message, self.place, "it must stand as a subscript on the right")
        return found


def _meaning(e: Expression, scope: Scope) -> Array:
    meaning = _MEANINGS.get(type(e))
    if meaning is None or (isinstance(e, D) and not isinstance(e.body, Ref)):
        raise DeriveError("this cannot stand in an equation", e.place)
    return meaning(e, scope)


def _call(e: Call, scope: Scope) -> Array:
    if e.function in scope.bodies:
        return _own_function(e, scope)
    if e.function in FUNCTIONS:
        return elementwise(e, e.args, lambda c: Call(e.function, c, place=e.place), scope)
    if e.function in AXIS_FUNCTIONS or e.function in REDUCTIONS:
        return over_axes(e, scope)
    return array_function(e, scope)


def _own_function(e: Call, scope: Scope) -> Array:
    """A function of the author, written out."""
    body = scope.bodies[e.function]
    if scope.depth >= limits.DEPTH:
        raise DeriveError(f"'{e.function}' is nested too deeply, or calls itself", e.place)
    local = {parameter: scope.array(arg) for parameter, arg in zip(body.parameters, e.args, strict=True)}
    for line, value in body.lines:
        local[line] = scope.inside(local).array(value)
    return scope.inside(local).array(body.result)


_MEANINGS: dict[type[Expression], Callable[[Any, Scope], Array]] = {
    Number: lambda e, _: scalar(e),
    Constant: lambda e, _: scalar(e),
    Index: lambda e, _: scalar(e),
    Ref: name,
    Add: lambda e, scope: elementwise(e, e.terms, lambda c: add(*c), scope),
    Mul: lambda e, scope: elementwise(e, e.factors, lambda c: mul(*c), scope),
    Neg: lambda e, scope: elementwise(e, (e.arg,), lambda c: Neg(*c), scope),
    Div: lambda e, scope: elementwise(e, (e.numerator, e.denominator), lambda c: div(*c), scope),
    Pow: lambda e, scope: elementwise(e, (e.base, e.exponent), lambda c: Pow(*c), scope),
    Where: lambda e, scope: elementwise(e, (e.condition, e.then, e.otherwise), lambda c: Where(*c), scope),
    Compare: lambda e, scope: elementwise(e, (e.left, e.right), lambda c: Compare(e.op, *c), scope),
    Both: lambda e, scope: elementwise(e, e.conditions, Both, scope),
    Reduce: over_indices,
    ComponentTensor: component_tensor,
    MatMul: matmul,
    Transpose: transpose,
    Item: item,
    Stack: stack,
    Call: _call,
    D: adjoint,
}
