"""Arithmetic with zeros, ones, signs and numbers, as one pass from the leaves up."""

from __future__ import annotations

from fractions import Fraction

from derive.expression.build import ONE, ZERO, add, decimal, div, mul, neg, number, power
from derive.expression.nodes import (
    RELATIONS,
    Add,
    Call,
    Compare,
    Div,
    Expression,
    Mul,
    Neg,
    Number,
    Pow,
    Reduce,
    Where,
)
from derive.expression.walk import Pass
from derive.rules.rule import Rule, leaves_up

LARGEST = Fraction(10) ** 40  # numbers beyond this are left as powers


def exact(e: Expression) -> Fraction | None:
    """The value of ``3``, ``-3``, ``1/3``."""
    match e:
        case Number():
            return e.value
        case Neg():
            inner = exact(e.arg)
            return None if inner is None else -inner
        case Div(numerator=Number() as top, denominator=Number() as bottom) if bottom.value:
            return top.value / bottom.value
    return None


def is_decimal(e: Expression) -> bool:
    """Whether a number was written as a decimal."""
    return isinstance(e, Number) and e.value.denominator != 1


def _sum(e: Add) -> Expression:
    flat: list[Expression] = []
    for term in e.terms:
        if isinstance(term, Add):
            flat.extend(term.terms)
        elif isinstance(term, Neg) and isinstance(term.arg, Add):
            flat.extend(_negated(t) for t in term.arg.terms)
        else:
            flat.append(term)
    values = [exact(t) for t in flat]
    numbers = [v for v in values if v is not None]
    total = sum(numbers, Fraction(0))
    if len(numbers) == 1 and total:
        return add(*flat)
    kept: list[Expression] = []
    placed = False
    for term, value in zip(flat, values, strict=True):
        if value is None:
            kept.append(term)
        elif not placed:
            placed = True
            if total:
                kept.append(decimal(total) if any(map(is_decimal, flat)) else number(total))
    return add(*kept)


def _negated(e: Expression) -> Expression:
    return e.arg if isinstance(e, Neg) else neg(e)


def _product(e: Mul) -> Expression:
    sign = False
    coefficient = Fraction(1)
    spelled: list[Number] = []
    rest: list[Expression] = []
    factors = list(e.factors)
    while factors:
        f = factors.pop(0)
        while isinstance(f, Neg):
            sign, f = not sign, f.arg
        if isinstance(f, Mul):
            factors = [*f.factors, *factors]
            continue
        value = exact(f)
        if value is None:
            rest.append(f)
            continue
        if isinstance(f, Number):
            spelled.append(f)
        coefficient *= value
    if coefficient == 0:
        return ZERO
    if (coefficient != 1 and coefficient.denominator == 1) or not rest:
        same = len(spelled) == 1 and spelled[0].value == coefficient
        rest.insert(0, spelled[0] if same else number(coefficient))
        result = mul(*rest)
    elif coefficient != 1:
        if len(spelled) == 1 and spelled[0].value == coefficient:  # a decimal keeps the author's spelling
            result = mul(spelled[0], *rest)
        elif any(map(is_decimal, spelled)):
            result = mul(decimal(coefficient), *rest)
        else:
            top = rest if coefficient.numerator == 1 else [number(coefficient.numerator), *rest]
            result = div(mul(*top), number(coefficient.denominator))
    else:
        result = mul(*rest)
    return neg(result) if sign else result


def _quotient(e: Div) -> Expression:
    top, bottom = e.numerator, e.denominator
    if isinstance(bottom, Neg):
        return _neg(Neg(_quotient_or_self(div(top, bottom.arg))))
    above, below = exact(top), exact(bottom)
    if above == 0:
        return ZERO
    if below == 1:
        return top
    if above is not None and below:
        return (
            (decimal if is_decimal(top) or is_decimal(bottom) else number)(above / below)
            if not (isinstance(top, Number) and isinstance(bottom, Number) and _reduced(top, bottom))
            else e
        )
    return e


def _quotient_or_self(e: Expression) -> Expression:
    return _quotient(e) if isinstance(e, Div) else e


def _reduced(top: Number, bottom: Number) -> bool:
    return (
        top.value.denominator == bottom.value.denominator == 1
        and Fraction(top.value / bottom.value).denominator == bottom.value
    )


def _power(e: Pow) -> Expression:
    base, exponent = exact(e.base), exact(e.exponent)
    if exponent == 1:
        return e.base
    if exponent == 0 or base == 1:
        return ONE
    if base == 0 and exponent is not None and exponent > 0:
        return ZERO
    if base is not None and exponent is not None and exponent.denominator == 1 and abs(exponent) <= 64 and base:
        value = base ** int(exponent)
        if max(abs(value.numerator), value.denominator) < LARGEST:
            return number(value)
    if exponent == Fraction(1, 2):
        return Call("sqrt", (e.base,))
    if exponent == Fraction(-1, 2):
        return div(ONE, Call("sqrt", (e.base,)))
    if exponent is not None and exponent < 0:
        return div(ONE, e.base if exponent == -1 else power(e.base, number(-exponent)))
    return e


def _neg(e: Neg) -> Expression:
    if isinstance(e.arg, Neg):
        return e.arg.arg
    return ZERO if exact(e.arg) == 0 else e


def _one_node(e: Expression) -> Expression:
    match e:
        case Add():
            return _sum(e)
        case Mul():
            return _product(e)
        case Div():
            return _quotient(e)
        case Neg():
            return _neg(e)
        case Pow():
            return _power(e)
        case Where() if e.then == e.otherwise:
            return e.then
        case Where(condition=Compare() as test) if (known := _decided(test)) is not None:
            return e.then if known else e.otherwise
        case Reduce(op="sum") if exact(e.body) == 0:
            return ZERO
        case Call(function="delta") if e.args[0] == e.args[1]:
            return ONE
        case Call(function="delta") if _differ(e.args[0], e.args[1]):
            return ZERO
    return e


def _decided(test: Compare) -> bool | None:
    """Whether a comparison of two numbers holds."""
    left, right = exact(test.left), exact(test.right)
    return None if left is None or right is None else bool(RELATIONS[test.op](left, right))


def _differ(a: Expression, b: Expression) -> bool:
    left, right = exact(a), exact(b)
    return left is not None and right is not None and left != right


tidy = Pass(_one_node)  # the expression after arithmetic, itself where there is nothing to do


ARITHMETIC = Rule(
    "arithmetic", "0 + u = u, 0*u = 0, 1*u = u, -(-u) = u, u**1 = u, and numbers combined", leaves_up(tidy)
)
