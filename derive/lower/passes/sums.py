"""Sums over axes as products with ones: BLAS adds up several times faster than a reduction does."""

from __future__ import annotations

from derive.expression.nodes import Call, Expression
from derive.expression.walk import bottom_up
from derive.lower.array_shapes import axis_numbers
from derive.lower.passes.mapping import with_values
from derive.lower.passes.stacks import merged, product_of, size_of
from derive.lower.program import Program
from derive.lower.shapes import shape_of
from derive.model import Shape


def sums_as_products(program: Program) -> Program:
    """``sum(X, axis=0)`` of a matrix as ``ones @ X``, ``sum(X, axis=1)`` as ``X @ ones``; of a stack likewise."""
    shapes = program.shapes

    def change(e: Expression) -> Expression:
        if not isinstance(e, Call) or e.function != "sum":
            return e
        shape = shape_of(e.args[0], shapes)
        return e if not shape else _product(e, shape) or e

    return with_values(program, lambda value: bottom_up(value, change))


def _product(e: Call, shape: Shape) -> Expression | None:
    """The sum as a product, if the axes are the first ones or the last ones, and not all those of a matrix."""
    rank = len(shape)
    axes = axis_numbers(e.options[0][1], rank) if e.options else tuple(range(rank))
    (summand,) = e.args
    if rank == 2 and len(axes) == 2:
        return None
    ones = Call("ones", (size_of(tuple(shape[k] for k in axes)),))
    if axes == tuple(range(len(axes))):
        return product_of(ones, merged(summand, shape, len(axes)), (), shape[len(axes) :])
    first = rank - len(axes)
    if axes == tuple(range(first, rank)):
        return product_of(merged(summand, shape, first), ones, shape[:first], ())
    return None
