"""Row and column sums as products with ones: BLAS adds up several times faster than a reduction does."""

from __future__ import annotations

from derive.expression.nodes import Call, Expression, MatMul
from derive.expression.walk import bottom_up
from derive.lower.passes.mapping import with_values
from derive.lower.program import Program
from derive.lower.shapes import axis_number, shape_of


def sums_as_products(program: Program) -> Program:
    """``sum(X, axis=0)`` of a matrix as ``ones @ X``, ``sum(X, axis=1)`` as ``X @ ones``, ``sum(v)`` likewise."""
    shapes = program.shapes

    def change(e: Expression) -> Expression:
        if not isinstance(e, Call) or e.function != "sum":
            return e
        (summand,) = e.args
        shape = shape_of(summand, shapes)
        if shape is None or len(shape) > 2:
            return e
        axis = axis_number(e.options[0][1], len(shape)) if e.options else 0
        if axis is None or (len(shape) == 2 and not e.options) or not shape:
            return e
        ones = Call("ones", (shape[axis],))
        return MatMul(summand, ones) if axis == 1 else MatMul(ones, summand)

    return with_values(program, lambda value: bottom_up(value, change))
