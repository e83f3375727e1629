"""Whole numbers: what may stand as a subscript, and from where to where it runs.

In: a core expression, and for each name that is a whole number its bounds.  Out: the bounds of the expression.
"""

from __future__ import annotations

from collections.abc import Mapping

from derive.expression.build import ZERO, add, mul
from derive.expression.nodes import Add, Expression, Index, Mul, Neg, Number, Ref
from derive.parse.numbers import constant_value
from derive.parse.sizes import plus

Bounds = tuple[Expression, Expression] | None  # least and greatest value; None where they are not known
Whole = Mapping[str, Bounds]  # the names that are whole numbers


def real_name(e: Expression, whole: Whole) -> Ref | None:
    """What makes an expression a real number: the first name that is none of the whole ones."""
    match e:
        case Ref():
            return None if e.name in whole else e
        case Add() | Mul() | Neg():
            parts = e.terms if isinstance(e, Add) else e.factors if isinstance(e, Mul) else (e.arg,)
            return next((found for part in parts if (found := real_name(part, whole)) is not None), None)
    return None


def is_whole(e: Expression, whole: Whole) -> bool:
    """Whether sums and products of whole numbers make the expression."""
    match e:
        case Index():
            return True
        case Number():
            return e.value.denominator == 1
        case Ref():
            return e.name in whole
        case Neg():
            return is_whole(e.arg, whole)
        case Add():
            return all(is_whole(term, whole) for term in e.terms)
        case Mul():
            return all(is_whole(factor, whole) for factor in e.factors)
    return False


def bounds(e: Expression, whole: Whole) -> Bounds:
    """The least and the greatest value of a whole number; None where that is not known."""
    value = constant_value(e)
    if value is not None:
        return e, e
    match e:
        case Ref():
            return whole.get(e.name)
        case Neg():
            inner = bounds(e.arg, whole)
            return None if inner is None else (Neg(inner[1]), Neg(inner[0]))
        case Add():
            return _sum([bounds(term, whole) for term in e.terms])
        case Mul() if all((constant_value(f) or 0) >= 0 for f in e.factors[:-1]):
            inner = bounds(e.factors[-1], whole)
            scale = mul(*e.factors[:-1])
            known = constant_value(scale) is not None
            return None if inner is None or not known else (mul(scale, inner[0]), mul(scale, inner[1]))
    return None


def _sum(parts: list[Bounds]) -> Bounds:
    known = [part for part in parts if part is not None]
    if len(known) < len(parts):
        return None
    return plus(add(*(low for low, _ in known)), 0), plus(add(*(high for _, high in known)), 0)


def up_to(size: Expression) -> Bounds:
    """0, …, size − 1."""
    return ZERO, plus(size, -1)
