"""Terms of whole-array sums joined, and their numbers in front: ``2*(A @ X) + 2*(B @ X)`` is ``2*((A + B) @ X)``."""

from __future__ import annotations

import math
from fractions import Fraction

from derive.arrays.contraction import matrix_product
from derive.expression.build import ONE, add, div, mul, number
from derive.expression.nodes import Add, Call, Div, Expression, MatMul, Mul, Neg, Number, Transpose
from derive.expression.walk import bottom_up, holds


def collected(e: Add) -> Expression:
    """``A @ u + B @ u`` as ``(A + B) @ u``, and so for what stands on the left, and for outer products."""
    terms = _like_terms(e.terms)
    for side in (1, 0):
        terms = _collected(terms, side)
    scales, rests = zip(*map(_scaled, terms), strict=True)
    if len(terms) > 1 and abs(scales[0]) != 1 and len({abs(scale) for scale in scales}) == 1:
        scale = abs(scales[0])  # 2*A - 2*B is 2*(A - B)
        terms = [_times(own / scale, rest) for own, rest in zip(scales, rests, strict=True)]
        return _times(scale, _one_transpose(terms))
    return _one_transpose(terms)


def _one_transpose(terms: list[Expression]) -> Expression:
    """``A.T - B.T`` as ``(A - B).T``."""
    scales, rests = zip(*map(_scaled, terms), strict=True)
    args = [rest.arg for rest in rests if isinstance(rest, Transpose)]
    if len(terms) < 2 or len(args) < len(terms):
        return add(*terms)
    return Transpose(add(*(_times(scale, arg) for scale, arg in zip(scales, args, strict=True))))


def _like_terms(terms: tuple[Expression, ...]) -> list[Expression]:
    """``2*M + M`` as ``3*M``, where whole-array notation brings equal terms to light."""
    totals: dict[Expression, tuple[Fraction, Expression]] = {}
    for term in terms:
        scale, rest = _scaled(term)
        before, first = totals.get(without_parentheses(rest), (Fraction(0), rest))
        totals[without_parentheses(rest)] = before + scale, first
    if len(totals) == len(terms) or any(scale == 0 for scale, _ in totals.values()):
        return list(terms)
    return [_times(scale, rest) for scale, rest in totals.values()]


def without_parentheses(e: Expression) -> Expression:
    """Products of matrices as they stand without parentheses."""
    if not holds(e, MatMul):
        return e
    return bottom_up(e, lambda n: matrix_product(n.left, n.right) if isinstance(n, MatMul) else n)


def _scaled(term: Expression) -> tuple[Fraction, Expression]:
    match term:
        case Neg():
            scale, rest = _scaled(term.arg)
            return -scale, rest
        case Mul(factors=(Number() as first, *rest)):
            scale, inner = _scaled(mul(*rest))
            return first.value * scale, inner
    return Fraction(1), term


def _times(scale: Fraction, rest: Expression) -> Expression:
    whole = rest if abs(scale) == 1 else mul(number(abs(scale)), rest)
    return Neg(whole) if scale < 0 else whole


def _collected(terms: list[Expression], side: int) -> list[Expression]:
    """Terms with the same factor on one side joined into one."""
    groups: dict[Expression, list[Expression]] = {}
    for term in terms:
        sides = _sides(term)
        key: Expression = term if sides is None else _key(term, sides[side])
        groups.setdefault(key, []).append(term)
    return [_joined(group, side) if len(group) > 1 else group[0] for group in groups.values()]


def _key(term: Expression, factor: Expression) -> Expression:
    """Matrix products and outer products are not joined with each other."""
    return Call("outer" if isinstance(_scaled(term)[1], Call) else "matmul", (factor,))


def _sides(term: Expression) -> tuple[Expression, Expression] | None:
    match _scaled(term)[1]:
        case MatMul(left=left, right=right):
            return left, right
        case Call(function="outer", args=(left, right)):
            return left, right
    return None


def _joined(group: list[Expression], side: int) -> Expression:
    """``c*(A @ X) - c*(B @ X)`` as ``c*((A - B) @ X)``; the number that all have stands in front."""
    scales = [_scaled(term)[0] for term in group]
    sides = [_sides(term) or (ONE, ONE) for term in group]
    common = abs(scales[0]) if len({abs(scale) for scale in scales}) == 1 else Fraction(1)
    parts = [_times(scale / common, pair[1 - side]) for scale, pair in zip(scales, sides, strict=True)]
    count, inner = _scaled(_one_transpose(_like_terms(tuple(parts))))
    pair = (inner, sides[0][side]) if side else (sides[0][side], inner)
    whole = Call("outer", pair) if isinstance(_scaled(group[0])[1], Call) else MatMul(*pair)
    return _times(common * count, whole)


def numbers_in_front(e: Expression) -> Expression:
    """Whole numbers out of matrix products and outer products, multiplied with each other and cancelled."""
    return bottom_up(e, _in_front)


def _in_front(e: Expression) -> Expression:
    match e:
        case MatMul(left=left, right=right) | Call(function="outer", args=(left, right)):
            (first, a), (second, b) = _whole(left), _whole(right)
            plain = MatMul(a, b) if isinstance(e, MatMul) else Call("outer", (a, b))
            return e if first * second == 1 else _times(first * second, plain)
        case Mul():
            scales, rests = zip(*map(_whole, e.factors), strict=True)
            if all(scale == 1 for scale in scales[1:]):
                return e
            return _times(Fraction(math.prod(scales)), mul(*(rest for rest in rests if rest != ONE)))
        case Div():
            (above, top), (below, bottom) = _whole(e.numerator), _whole(e.denominator)
            ratio = above / below
            if ratio.denominator == below:
                return e
            return _over(_times(Fraction(ratio.numerator), top), _times(Fraction(ratio.denominator), bottom))
    return e


def _whole(e: Expression) -> tuple[Fraction, Expression]:
    """The whole number in front of a product, without its sign, and the rest."""
    match e:
        case Mul(factors=(Number() as first, *rest)) if first.value.denominator == 1 and first.value:
            return first.value, mul(*rest)
        case Number() if e.value.denominator == 1 and e.value:
            return e.value, ONE
    return Fraction(1), e


def _over(top: Expression, bottom: Expression) -> Expression:
    return top if bottom == ONE else div(top, bottom)
