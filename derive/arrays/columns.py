"""Columns: vectors of shape (n, 1), which numpy's broadcasting sets against every column of a matrix.

``sum(A*B, axis=1, keepdims=True)`` is the column of the vector ``sum(A*B, axis=1)``; a name of shape (n, 1) is one.
"""

from __future__ import annotations

from collections.abc import Mapping

from derive.expression.build import mul, number
from derive.expression.nodes import Add, Call, Constant, Div, Expression, MatMul, Mul, Neg, Number, Pow, Ref, Transpose
from derive.expression.walk import children, with_children
from derive.functions import AXIS_FUNCTIONS, FUNCTIONS, REDUCTIONS

ONE_LONG = "1"  # the name of an axis of length one, which no index has

Shapes = Mapping[str, tuple[Expression, ...]]
_AXES = {number(0): 0, number(1): 1}
_ELEMENTWISE = (Add, Mul, Div, Neg, Pow)


def column(e: Expression, shapes: Shapes) -> Expression | None:
    """A vector made of sums over the rows of matrices as a column; None where it is none of such sums alone."""
    if is_scalar(e, shapes):
        return e
    if isinstance(e, Call) and _reduces(e) and len(e.options) == 1 and e.options[0][0] == "axis":
        axis = _AXES.get(e.options[0][1])
        matrix = {0: Transpose(e.args[0]), 1: e.args[0]}.get(axis) if axis is not None else None
        options = (("axis", number(1)), ("keepdims", Constant("True")))
        return None if matrix is None or isinstance(matrix, Transpose) else Call(e.function, (matrix,), options)
    if isinstance(e, MatMul):  # of a matrix and a vector
        options = (("axis", number(1)), ("keepdims", Constant("True")))
        return Call("sum", (mul(e.left, e.right),), options)
    if isinstance(e, _ELEMENTWISE) or (isinstance(e, Call) and e.function in FUNCTIONS):
        parts = [column(part, shapes) for part in children(e)]
        return None if None in parts else with_children(e, tuple(part for part in parts if part is not None))
    return None


def is_scalar(e: Expression, shapes: Shapes) -> bool:
    """Whether that is seen at once."""
    match e:
        case Number() | Constant():
            return True
        case Ref():
            return e.name in shapes and len(shapes[e.name]) == len(e.indices)
        case Call() if _reduces(e):
            return not e.options
        case Call():
            return e.function in FUNCTIONS and all(is_scalar(arg, shapes) for arg in e.args)
        case MatMul(left=Ref() as left, right=Ref() as right):
            return all(len(shapes.get(v.name, ())) - len(v.indices) == 1 for v in (left, right))
    return isinstance(e, _ELEMENTWISE) and all(is_scalar(part, shapes) for part in children(e))


def _reduces(e: Call) -> bool:
    if e.function in AXIS_FUNCTIONS:
        return not AXIS_FUNCTIONS[e.function].keeps_axis
    return e.function in REDUCTIONS and len(e.args) == 1
