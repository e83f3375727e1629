"""Products of stacks as products of matrices: axes that lie side by side in memory are as good as one."""

from __future__ import annotations

from derive.expression.build import ONE, mul
from derive.expression.nodes import Call, Expression, MatMul, Ref, Slice, Transpose
from derive.expression.walk import bottom_up
from derive.lower.array_shapes import axis_numbers
from derive.lower.passes.mapping import with_values
from derive.lower.program import Program
from derive.lower.shapes import Shapes, shape_of
from derive.model import Shape


def stacks_as_matrices(program: Program) -> Program:
    """``X @ W`` of a stack X as one product of all its rows; ``tensordot`` over the first or the last axes likewise."""
    shapes = program.shapes

    def change(e: Expression) -> Expression:
        if not isinstance(e, Call) or e.function not in ("matmul", "tensordot"):
            return e
        return (_rows(e, shapes) if e.function == "matmul" else _contraction(e, shapes)) or e

    return with_values(program, lambda value: bottom_up(value, change))


def slices_as_matrices(program: Program) -> Program:
    """``tensordot`` of slices as a product of matrices: numpy would lay them anew, against their order in memory."""
    shapes = program.shapes

    def change(e: Expression) -> Expression:
        if not isinstance(e, Call) or e.function != "tensordot":
            return e
        sliced = any(isinstance(arg, Ref) and any(isinstance(i, Slice) for i in arg.indices) for arg in e.args)
        return (_contraction(e, shapes) if sliced else None) or e

    return with_values(program, lambda value: bottom_up(value, change))


def _rows(e: Call, shapes: Shapes) -> Expression | None:
    """A stack times one matrix or vector."""
    left, right = e.args
    stack, matrix = shape_of(left, shapes), shape_of(right, shapes)
    if stack is None or matrix is None or len(matrix) > 2 or _is_turned(left):
        return None
    return product_of(merged(left, stack, len(stack) - 1), right, stack[:-1], matrix[1:])


def _contraction(e: Call, shapes: Shapes) -> Expression | None:
    """Both arrays as matrices, the axes that meet on the inside."""
    factors: list[Expression] = []
    free: list[Shape] = []
    for arg, (_, places), inside in zip(e.args, e.options, ("columns", "rows"), strict=True):
        shape = shape_of(arg, shapes)
        if shape is None or _is_turned(arg):
            return None
        axes, rank = axis_numbers(places, len(shape)), len(shape)
        first = axes == tuple(range(len(axes)))
        if not first and axes != tuple(range(rank - len(axes), rank)):
            return None
        matrix = merged(arg, shape, len(axes) if first else rank - len(axes))
        turned = len(axes) < rank and first == (inside == "columns")
        factors.append(Transpose(matrix) if turned else matrix)
        free.append(shape[len(axes) :] if first else shape[: rank - len(axes)])
    (a, b), (rows, columns) = factors, free
    return product_of(a, b, rows, columns)


def _is_turned(e: Expression) -> bool:
    return isinstance(e, Call) and e.function == "transpose"


def merged(e: Expression, shape: Shape, first: int) -> Expression:
    """The array as a matrix of its first axes by the others; as a vector where one side has none."""
    sides = [side for side in (shape[:first], shape[first:]) if side]
    if all(len(side) == 1 for side in sides):
        return e
    return Call("reshape", (e, *(size_of(side) for side in sides)))


def product_of(a: Expression, b: Expression, rows: Shape, columns: Shape) -> Expression:
    """``a @ b`` as an array over the axes that its rows and its columns stand for."""
    product = MatMul(a, b)
    return Call("reshape", (product, *rows, *columns)) if max(len(rows), len(columns)) > 1 else product


def size_of(sizes: Shape) -> Expression:
    """How many entries axes of these sizes have."""
    return mul(*(n for n in sizes if n != ONE))
