"""The shape that numpy gives a whole-array expression, in symbolic sizes; None where it is not known."""

from __future__ import annotations

from collections.abc import Mapping

from derive.expression.build import ONE, add, neg
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
    Stack,
    Transpose,
    Where,
)
from derive.expression.walk import children
from derive.functions import FUNCTIONS
from derive.lower.array_shapes import shape_of_call
from derive.model import Shape
from derive.parse.sizes import collected, plus, same_size

Shapes = Mapping[str, Shape | None]

ELEMENTWISE = (Add, Mul, Neg, Div, Pow, Compare, Both, Where)


def shape_of(e: Expression, shapes: Shapes) -> Shape | None:
    match e:
        case Number() | Constant(name="pi" | "inf"):
            return ()
        case Index():  # of the steps of a loop
            return shapes.get(e.name)
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
        case Call(function="concatenate", args=(Stack(items=pieces),)):
            return _end_to_end([shape_of(piece, shapes) for piece in pieces], dict(e.options).get("axis"))
        case Call() if e.function not in FUNCTIONS:
            return shape_of_call(e, [shape_of(arg, shapes) for arg in e.args])
    if isinstance(e, (*ELEMENTWISE, Call)):
        return _together([shape_of(part, shapes) for part in children(e)])
    return None


def _end_to_end(pieces: list[Shape | None], axis: Expression | None) -> Shape | None:
    known = [shape for shape in pieces if shape]
    along = int(axis.value) if isinstance(axis, Number) else 0
    if len(known) < len(pieces):
        return None
    whole = collected(add(*(shape[along] for shape in known)))
    return (*known[0][:along], whole, *known[0][along + 1 :])


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
    """Numbers, slices, new axes; one array of whole numbers, whose axes stand in place of that which it reads."""
    found: list[Expression] = []
    left = list(shape)
    arrays = 0
    for subscript in subscripts:
        if subscript == Constant("None"):
            found.append(ONE)
        elif not left:
            return None
        elif isinstance(subscript, Slice):
            size = left.pop(0)
            stop = size if subscript.stop is None else subscript.stop
            found.append(stop if subscript.start is None else plus(add(stop, neg(subscript.start)), 0))
        elif (own := shape_of(subscript, shapes)) is None:
            return None
        else:
            arrays += own != ()
            found += own
            left.pop(0)
    if arrays > 1 or (arrays and any(shape_of(i, shapes) == () for i in subscripts)):
        return None
    return (*found, *left)


def _product(left: Shape | None, right: Shape | None) -> Shape | None:
    if not left or not right or len(left) > 2 or len(right) > 2:
        return None
    return (*left[:-1], *(right[1:] if len(right) == 2 else ()))
