"""How many axes an expression has: what tells a vector from a matrix, and ⊙ from a plain product, in print.

In: an expression and the shapes of the names.  Out: its rank; names without a known shape are scalars.
"""

from __future__ import annotations

from derive.expression.nodes import (
    Call,
    ComponentTensor,
    D,
    Expression,
    Item,
    MatMul,
    Reduce,
    Ref,
    Slice,
    Stack,
    Transpose,
)
from derive.expression.walk import children
from derive.functions import AXIS_FUNCTIONS, FUNCTIONS, REDUCTIONS
from derive.render.math_style import Shapes

_FIXED = {"outer": 2, "eye": 2, "dot": 0, "trace": 0, "delta": 0, "inv": 2, "det": 0, "logdet": 0}


def rank(e: Expression, shapes: Shapes) -> int:
    """The number of axes.

    >>> from derive.expression.nodes import Number
    >>> from fractions import Fraction
    >>> three = Number(Fraction(3))
    >>> rank(MatMul(Ref("W"), Ref("x")), {"W": (three, three), "x": (three,)})
    1
    """
    match e:
        case Ref():
            return max(0, len(shapes.get(e.name, ())) - _taken(e.indices))
        case MatMul():
            left, right = rank(e.left, shapes), rank(e.right, shapes)
            return max(0, left - 1) + max(0, right - 1)
        case Transpose():
            return rank(e.arg, shapes)
        case Item():
            return max(0, rank(e.arg, shapes) - _taken(e.indices))
        case Stack():
            return 1
        case ComponentTensor():
            return len(e.indices)
        case D():
            return rank(e.body, shapes) + rank(e.wrt, shapes)
        case Reduce():
            return rank(e.body, shapes)
        case Call():
            return _of_call(e, shapes)
    return max((rank(part, shapes) for part in children(e)), default=0)


def _taken(indices: tuple[Expression, ...]) -> int:
    return sum(not isinstance(index, Slice) for index in indices)


def _of_call(e: Call, shapes: Shapes) -> int:
    if e.function in _FIXED:
        return _FIXED[e.function]
    if e.function == "concatenate":
        return max(1, *(rank(piece, shapes) for piece in children(e.args[0])))
    if e.function in ("zeros", "ones"):
        return len(e.args)
    widest = max((rank(arg, shapes) for arg in e.args), default=0)
    if e.function == "diag":
        return 3 - widest if widest in (1, 2) else widest
    reduces = e.function in REDUCTIONS or (e.function in AXIS_FUNCTIONS and not AXIS_FUNCTIONS[e.function].keeps_axis)
    if reduces and e.function not in FUNCTIONS:
        return max(0, widest - 1) if e.options else 0
    return widest
