"""The terms of a sum and the factors of a product, also of what is neither; a sign turned round."""

from __future__ import annotations

from typing import TypeGuard

from derive.expression.build import ONE, ZERO, neg
from derive.expression.nodes import Add, Expression, Mul, Neg, Where

Parts = tuple[Expression, ...]


def terms_of(e: Expression) -> Parts:
    return e.terms if isinstance(e, Add) else (e,)


def factors_of(e: Expression) -> Parts:
    return e.factors if isinstance(e, Mul) else (e,)


def flat_factors(e: Expression) -> list[Expression]:
    """The factors, those of products among them instead of these."""
    return [g for f in e.factors for g in flat_factors(f)] if isinstance(e, Mul) else [e]


def minus(e: Expression) -> Expression:
    """The opposite: of -u it is u."""
    return e.arg if isinstance(e, Neg) else neg(e)


def unsigned(e: Expression) -> Expression:
    """What stands behind a sign, if there is one."""
    return e.arg if isinstance(e, Neg) else e


def is_indicator(e: Expression) -> TypeGuard[Where]:
    """1 where the condition holds, else 0."""
    return isinstance(e, Where) and (e.then, e.otherwise) == (ONE, ZERO)
