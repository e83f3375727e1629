"""Steps between polynomials, by pieces if need be, which whole numbers decide: their differences need no small step.

A step holds wherever it holds for values of the nodes that nothing ties to their equations, which is more than is
asked.  So where both sides, and what is differentiated in them, are polynomials of low degree, they are compared at
random whole numbers first; Python's are some fifty times as fast as numbers of 60 digits, and exact.  Entries lie
further apart than the differences' steps reach, so that rectifiers and maxima of entries are linear within them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from derive.expression.nodes import (
    Add,
    Both,
    Call,
    Compare,
    D,
    Div,
    Expression,
    Index,
    MatMul,
    Mul,
    Neg,
    Number,
    Pow,
    Reduce,
    Ref,
    Transpose,
    Where,
)
from derive.expression.walk import children, holds, names, nodes_of, walk
from derive.prove.setting import Setting

HIGHEST = 4  # degree up to which the five-point formula with a step of 1 is exact
APART = 8  # what entries are multiples of; the formula moves them by 2 at most

_PARTS = (Add, Mul, Neg, Number, Ref, Index, Div, Pow, Reduce, Call, Where, Compare, Both, D, MatMul, Transpose)
_EXTREMA = ("max", "min", "argmax", "argmin")


def with_free_nodes(before: Expression, after: Expression, setting: Setting) -> Setting | None:
    """The setting in which nothing is known of the names; None where the step is not one of polynomials.

    Of the equations those are left that something is differentiated in; of the assumptions none.
    """
    if setting.structures or not setting.shapes:
        return None
    differentiated = _differentiated((before, after, *(expr for _, expr in setting.adjoints.values())), setting)
    sides = (before, after, *(expr for _, expr in setting.adjoints.values()), *(e for e, _ in differentiated))
    if not all(map(_is_polynomial, sides)) or any(degree(e, name) > HIGHEST for e, name in differentiated):
        return None
    bodies = [e for e, _ in differentiated]
    return replace(setting, assumptions=(), equations=tuple(pair for pair in setting.equations if pair[1] in bodies))


def apart(drawn: Any) -> Any:
    """Whole numbers, none of them 0, as others with the same signs, no two of which are close to each other."""
    if not isinstance(drawn, np.ndarray):
        return APART * drawn
    return APART * (drawn.size * drawn + np.arange(drawn.size).reshape(drawn.shape))


def _differentiated(sides: tuple[Expression, ...], setting: Setting) -> list[tuple[Expression, str]]:
    """What is differentiated in these expressions, and by which name."""
    found: list[tuple[Expression, str]] = []
    bodies = {element.name: body for element, body in setting.equations}
    for node in (node for e in sides for node in nodes_of(e, D)):
        name = node.wrt.name
        if not isinstance(node.body, Ref) or node.body.name == name:
            found.append((node.body, name))
        elif node.body.name == setting.loss:
            of = setting.consumers if name == setting.node else ()
            found += [(bodies[consumer], name) for consumer in of]
        else:
            found.append((bodies.get(node.body.name, node.body), name))
    return found


def _is_polynomial(e: Expression) -> bool:
    return all(isinstance(node, _PARTS) and _stays_whole(node) for node in walk(e))


def _stays_whole(e: Expression) -> bool:
    match e:
        case Call(function="relu"):
            return isinstance(e.args[0], Ref)
        case Call(function="sum" | "outer"):
            return True
        case Call():
            return e.function == "delta" and not names(e)
        case Reduce():
            of_entries = e.op in _EXTREMA and isinstance(e.body, Ref)
            return (e.op == "sum" or of_entries) and len(e.ranges) == len(e.indices)
        case Compare():
            return _compares_places(e) or (e.op not in ("==", "!=") and all(map(_is_entry, (e.left, e.right))))
        case Pow():
            return isinstance(e.exponent, Number) and e.exponent.value.denominator == 1
        case Div():
            return not holds(e.denominator, D, Index)
        case Ref():
            return not any(names(i) for i in e.indices)
    return True


def _compares_places(e: Compare) -> bool:
    """Whether indices, sizes and positions of extrema are compared, whole numbers that no step changes."""
    sides = (e.left, e.right)
    positions = [side for side in sides if isinstance(side, Reduce) and side.op in ("argmax", "argmin")]
    return not any(holds(side, Ref, D) for side in sides if side not in positions)


def _is_entry(e: Expression) -> bool:
    return isinstance(e, (Ref, Number))


def degree(e: Expression, name: str) -> int:
    """The degree of a polynomial in the entries of a name."""
    match e:
        case Ref():
            return int(e.name == name)
        case Mul() | MatMul() | Call(function="outer"):
            return sum(degree(part, name) for part in children(e))
        case Pow(exponent=Number() as exponent):
            return int(exponent.value) * degree(e.base, name)
        case Where():
            return max(degree(e.then, name), degree(e.otherwise, name))
        case Div():
            return HIGHEST + 1 if degree(e.denominator, name) else degree(e.numerator, name)
    return max((degree(part, name) for part in children(e)), default=0)
