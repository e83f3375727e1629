"""Elementwise operations with numpy's broadcasting, save that two operands never both grow."""

from __future__ import annotations

from collections.abc import Callable

from derive.errors import DeriveError, Place
from derive.expression.build import ZERO
from derive.expression.nodes import Expression, Number
from derive.expression.walk import walk
from derive.parse.scope import Array, Indices, Scope, Shape, scalar
from derive.parse.sizes import is_one, print_shape, same_shape, same_size


def elementwise(
    e: Expression, parts: tuple[Expression, ...], join: Callable[[Indices], Expression], scope: Scope
) -> Array:
    """`join` of the operands' elements, at every index of their common shape."""
    arrays = [scope.array(part) for part in parts]
    shape = broadcast(e, [a.shape for a in arrays])
    if not shape:
        return scalar(join(tuple(a.at(()) for a in arrays)))

    def at(i: Indices) -> Expression:
        scope.budget.spend(e)
        return join(tuple(a.at(_own_indices(a.shape, i)) for a in arrays))

    return Array(shape, at, blocks={axis: pair for a in arrays for axis, pair in a.blocks.items()})


def broadcast(e: Expression, shapes: list[Shape]) -> Shape:
    """The common shape; an outer operation must be written out."""
    rank = max(len(shape) for shape in shapes)
    full = tuple(_common_size(e, shapes, axis) for axis in range(-rank, 0))
    grown = [shape for shape in shapes if shape and not same_shape(shape, full)]
    if grown and not any(same_shape(shape, full) for shape in shapes):
        raise DeriveError(
            f"the shapes {print_shape(grown[0])} and {print_shape(grown[-1])} would silently make {print_shape(full)}",
            e.place or place_in(e),
            "write the outer operation out with indices, or with outer(…)",
        )
    return full


def _common_size(e: Expression, shapes: list[Shape], axis: int) -> Expression:
    """The size of one axis, counted from the last: that of the operands whose own is not 1."""
    having = [shape for shape in shapes if len(shape) >= -axis]
    wide = [shape for shape in having if not is_one(shape[axis])]
    for shape in wide[1:]:
        if not same_size(shape[axis], wide[0][axis]):
            shown = f"{print_shape(wide[0])} and {print_shape(shape)}"
            message = f"the shapes {shown} do not fit: {wide[0][axis]} is not {shape[axis]}"
            hint = "the last axes stand above each other, as in numpy; indices say other sums: W[i, j] + b[i]"
            raise DeriveError(message, e.place or place_in(e), hint if len(wide[0]) != len(shape) else None)
    return (wide or having)[0][axis]


def _own_indices(shape: Shape, indices: Indices) -> Indices:
    """An operand's own indices: its axes are the last ones, and an axis of size 1 stays at 0."""
    if not shape:
        return ()
    return tuple(
        ZERO if is_one(size) and not isinstance(index, Number) else index
        for size, index in zip(shape, indices[len(indices) - len(shape) :], strict=True)
    )


def place_in(e: Expression) -> Place | None:
    """Where an operator stands: from its first operand that has a place to its last."""
    places = [node.place for node in walk(e) if node.place is not None]
    if not places:
        return None
    same = [p for p in places if p.line == places[0].line]
    start, stop = min(p.column for p in same), max(p.column + p.width for p in same)
    return Place(places[0].line, start, stop - start)
