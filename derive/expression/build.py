"""Constructors that keep the structural invariants of `nodes`, and nothing more: they do not simplify."""

from __future__ import annotations

from fractions import Fraction

from derive.expression.nodes import Add, Div, Expression, MatMul, Mul, Neg, Number, Pow

ZERO = Number(Fraction(0))
ONE = Number(Fraction(1))
TWO = Number(Fraction(2))


def number(value: int | Fraction) -> Expression:
    """An exact number as the language spells it: ``3``, ``1/2``, ``-1/2``."""
    value = Fraction(value)
    if value < 0:
        return Neg(number(-value))
    if value.denominator == 1:
        return Number(value)
    return Div(Number(Fraction(value.numerator)), Number(Fraction(value.denominator)))


def decimal(value: Fraction) -> Expression:
    """A number that came from a decimal, as a decimal where it ends: ``0.02``."""
    size, rest = abs(value), abs(value).denominator
    for prime in (2, 5):
        while rest % prime == 0:
            rest //= prime
    if rest != 1 or size.denominator > 10**12:
        return number(value)
    return Neg(Number(size)) if value < 0 else Number(size)


def add(*terms: Expression) -> Expression:
    """The sum of the terms in their order; no term is 0, one term is itself."""
    if not terms:
        return ZERO
    if isinstance(terms[0], Add):
        terms = terms[0].terms + terms[1:]
    return terms[0] if len(terms) == 1 else Add(terms)


def mul(*factors: Expression) -> Expression:
    """The product of the factors in their order; a sign in front of the first goes in front of the product."""
    if not factors:
        return ONE
    first = factors[0]
    if isinstance(first, Neg) and len(factors) > 1:
        return Neg(mul(first.arg, *factors[1:]))
    if isinstance(first, Mul):
        factors = first.factors + factors[1:]
    return factors[0] if len(factors) == 1 else Mul(factors)


def neg(arg: Expression) -> Expression:
    return Neg(arg)


def sub(left: Expression, right: Expression) -> Expression:
    return add(left, Neg(right))


def div(numerator: Expression, denominator: Expression) -> Expression:
    if isinstance(numerator, Neg):
        return Neg(div(numerator.arg, denominator))
    return Div(numerator, denominator)


def matmul(left: Expression, right: Expression) -> Expression:
    if isinstance(left, Neg):
        return Neg(matmul(left.arg, right))
    return MatMul(left, right)


def power(base: Expression, exponent: Expression | int) -> Expression:
    return Pow(base, number(exponent) if isinstance(exponent, int) else exponent)
