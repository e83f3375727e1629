"""The shape that numpy gives a whole-array expression, in symbolic sizes; None where it is not known."""

from __future__ import annotations

from collections.abc import Mapping

from derive.expression.build import ONE, add, neg, number
from derive.expression.nodes import (
    Add,
    Both,
    Call,
    Compare,
    Constant,
    Div,
    Expression,
    Index,
    Item,
    MatMul,
    Mul,
    Neg,
    Number,
    Pow,
    Ref,
    Slice,
    Transpose,
    Where,
)
from derive.expression.walk import children
from derive.functions import FUNCTIONS
from derive.model import Shape
from derive.parse.sizes import plus, same_size

Shapes = Mapping[str, Shape | None]

ELEMENTWISE = (Add, Mul, Neg, Div, Pow, Compare, Both, Where)
REDUCING = frozenset({"sum", "prod", "max", "min", "mean", "logsumexp"})
KEEPING = frozenset({"softmax", "log_softmax"})


def shape_of(e: Expression, shapes: Shapes) -> Shape | None:
    match e:
        case Number() | Constant(name="pi" | "inf"):
            return ()
        case Ref():
            whole = shapes.get(e.name)
            return whole if whole is None or not e.indices else _subscripted(whole, e.indices, shapes)
        case Item():
            whole = shape_of(e.arg, shapes)
            return None if whole is None else _subscripted(whole, e.indices, shapes)
        case Transpose():
            whole = shape_of(e.arg, shapes)
            return None if whole is None else whole[::-1]
        case MatMul():
            return _product(shape_of(e.left, shapes), shape_of(e.right, shapes))
        case Call() if e.function not in FUNCTIONS:
            return _of_call(e, shapes)
    if isinstance(e, (*ELEMENTWISE, Call)):
        return _together([shape_of(part, shapes) for part in children(e)])
    return None


def is_elementwise(e: Expression) -> bool:
    return isinstance(e, ELEMENTWISE) or (isinstance(e, Call) and e.function in FUNCTIONS)


def _together(parts: list[Shape | None]) -> Shape | None:
    """What the shapes give by broadcasting."""
    found: Shape = ()
    for shape in parts:
        if shape is None:
            return None
        longer, shorter = (shape, found) if len(shape) > len(found) else (found, shape)
        head = len(longer) - len(shorter)
        sizes: list[Expression] = []
        for m, n in zip(longer[head:], shorter, strict=True):
            if not (same_size(m, n) or ONE in (m, n)):
                return None
            sizes.append(n if m == ONE else m)
        found = (*longer[:head], *sizes)
    return found


def _subscripted(shape: Shape, subscripts: tuple[Expression, ...], shapes: Shapes) -> Shape | None:
    """Numbers, slices, new axes; an array of whole numbers as the only and first subscript."""
    if len(subscripts) == 1 and shape_of(subscripts[0], shapes) not in (None, ()):
        return (*(shape_of(subscripts[0], shapes) or ()), *shape[1:])
    found: list[Expression] = []
    left = list(shape)
    for subscript in subscripts:
        if subscript == Constant("None"):
            found.append(ONE)
        elif not left:
            return None
        elif isinstance(subscript, Slice):
            size = left.pop(0)
            stop = size if subscript.stop is None else subscript.stop
            found.append(stop if subscript.start is None else plus(add(stop, neg(subscript.start)), 0))
        elif isinstance(subscript, Index) or shape_of(subscript, shapes) != ():
            return None
        else:
            left.pop(0)
    return (*found, *left)


def _product(left: Shape | None, right: Shape | None) -> Shape | None:
    if not left or not right or len(left) > 2 or len(right) > 2:
        return None
    return (*left[:-1], *(right[1:] if len(right) == 2 else ()))


def _of_call(e: Call, shapes: Shapes) -> Shape | None:
    """Of a function of whole arrays."""
    match e.function:
        case "ones" | "zeros" | "arange":
            return e.args
        case "gathered":
            return (number(len(e.args)),)
        case "rows":
            shapes_of_rows = [shape_of(arg, shapes) for arg in e.args]
            return (number(len(e.args)), *(max((s for s in shapes_of_rows if s), key=len, default=())))
        case "windows":
            whole, axis = shape_of(e.args[0], shapes), _whole(e.args[1])
            return None if whole is None else (*whole[:axis], *e.args[2:4], *whole[axis + 1 :])
        case "overlapped":
            whole, axis = shape_of(e.args[0], shapes), _whole(e.args[1])
            return None if whole is None else (*whole[:axis], e.args[2], *whole[axis + 2 :])
        case "padded":
            whole = shape_of(e.args[0], shapes)
            added = map(add, e.args[1::2], e.args[2::2])
            return None if whole is None else tuple(plus(add(n, m), 0) for n, m in zip(whole, added, strict=True))
        case "eye":
            return (e.args[0], e.args[0])
        case "broadcast_to":
            return e.args[1:]
        case "outer":
            left, right = (shape_of(arg, shapes) for arg in e.args)
            return None if left is None or right is None else (*left, *right)
    if e.function in KEEPING:
        return shape_of(e.args[0], shapes)
    if e.function in REDUCING:
        return _reduced(shape_of(e.args[0], shapes), e.options)
    return None


def _whole(e: Expression) -> int:
    return int(e.value) if isinstance(e, Number) else 0


def _reduced(shape: Shape | None, options: tuple[tuple[str, Expression], ...]) -> Shape | None:
    if not options or shape is None:
        return () if shape is not None else None
    axis = axis_number(options[0][1], len(shape))
    return None if axis is None else (*shape[:axis], *shape[axis + 1 :])


def axis_number(axis: Expression, rank: int) -> int | None:
    """Which axis an option names, counted from the first; None of several."""
    match axis:
        case Number():
            return int(axis.value)
        case Neg(arg=Number() as back):
            return rank - int(back.value)
    return None
