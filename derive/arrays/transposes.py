"""Transposes in whole-array notation: ``(A @ B).T`` is ``B.T @ A.T``, and a symmetric matrix needs none.

A matrix is symmetric where pushing its transpose inside gives it back: ``X.T @ X``, ``eye(n) + A @ A.T``, ``inv(S)``.
"""

from __future__ import annotations

from collections.abc import Callable

from derive.arrays.contraction import matrix_product
from derive.arrays.terms import collected, numbers_in_front, without_parentheses
from derive.expression.build import add
from derive.expression.nodes import Add, Call, Div, Expression, MatMul, Mul, Neg, Number, Ref, Transpose
from derive.expression.parts import terms_of
from derive.expression.walk import bottom_up, holds, operations, with_children

IsSymmetric = Callable[[str], bool]  # of a name


def without_transposes(e: Expression, is_symmetric: IsSymmetric) -> Expression:
    """The same without transposes of symmetric matrices, equal terms joined."""

    def change(node: Expression) -> Expression:
        if isinstance(node, Transpose) and turned(node.arg, is_symmetric) == without_parentheses(node.arg):
            return node.arg
        return node

    def joined(node: Expression) -> Expression:
        """``M + M.T`` of a sum M by its terms, where that is shorter."""
        sums = [t.arg for t in node.terms if isinstance(t, Transpose)] if isinstance(node, Add) else []
        if not isinstance(node, Add) or not any(isinstance(m, Add) and m in _operands(node) for m in sums):
            return node
        parts = [turned(t.arg, is_symmetric) if isinstance(t, Transpose) else t for t in node.terms]
        flat = add(*(u for t in parts if t is not None for u in terms_of(t)))
        found = collected(flat) if isinstance(flat, Add) and None not in parts else node
        return found if operations(found) < operations(node) else node

    plain = bottom_up(bottom_up(e, change), joined)
    return e if plain == e else numbers_in_front(bottom_up(plain, lambda n: collected(n) if isinstance(n, Add) else n))


def _operands(e: Add) -> tuple[Expression, ...]:
    return (*e.terms, *_runs(e))


def _runs(e: Add) -> list[Expression]:
    """What a sum without parentheses hides: its terms but those that are transposes."""
    return [add(*(t for t in e.terms if not isinstance(t, Transpose)))]


def turned(e: Expression, is_symmetric: IsSymmetric) -> Expression | None:
    """The transpose of a matrix, without one around it where that can be; None where that is not seen."""
    match e:
        case Ref():
            return e if is_symmetric(e.name) else Transpose(e)
        case Transpose(arg=Ref() as inner):
            return inner
        case Call(function="inv", args=(inner,)):
            arg = turned(inner, is_symmetric)
            return None if arg is None else Call("inv", (arg,))
        case Call(function="eye" | "diag"):
            return e
        case MatMul():
            sides = turned(e.left, is_symmetric), turned(e.right, is_symmetric)
            return None if sides[0] is None or sides[1] is None else matrix_product(sides[1], sides[0])
        case Add():
            terms = [turned(t, is_symmetric) for t in e.terms]
            return None if None in terms else add(*(t for t in terms if t is not None))
        case Neg():
            arg = turned(e.arg, is_symmetric)
            return None if arg is None else Neg(arg)
        case Mul(factors=(Number(), factor)):
            plain = turned(factor, is_symmetric)
            return None if plain is None else with_children(e, (e.factors[0], plain))
        case Div(numerator=top, denominator=Number() as below):
            plain = turned(top, is_symmetric)
            return None if plain is None else Div(plain, below)
    return None



def has_transpose(e: Expression) -> bool:
    return holds(e, Transpose)
