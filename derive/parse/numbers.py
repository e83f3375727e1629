"""Exact numbers of a text: spellings, and the value of expressions made of numbers alone, under the limits."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

from derive.expression.nodes import Add, Call, Constant, Div, Expression, Mul, Neg, Number, Pow
from derive.expression.walk import children
from derive.parse import limits


def constant_value(e: Expression) -> Fraction | None:
    """The value of an expression made of small numbers alone, else None."""
    match e:
        case Number():
            return e.value
        case Neg():
            inner = constant_value(e.arg)
            return None if inner is None else -inner
        case Add() | Mul() | Div() | Pow():
            values = [constant_value(c) for c in children(e)]
            known = [v for v in values if v is not None]
            if len(known) < len(values):
                return None
            match e:
                case Add():
                    return sum(known, Fraction(0))
                case Mul():
                    return math.prod(known, start=Fraction(1))
                case Div():
                    return known[0] / known[1] if known[1] else None
            return power_of_numbers(*known)
    return None


_FUNCTIONS: dict[str, Callable[[float], float]] = {"sqrt": math.sqrt, "exp": math.exp, "log": math.log}


def number_value(e: Expression) -> float | None:
    """The value of an expression of numbers, pi and a few functions of them; None where it has none."""
    try:
        value = _float(e)
    except (ArithmeticError, ValueError, TypeError):
        return None
    return value if math.isfinite(value) else None


def _float(e: Expression) -> float:
    match e:
        case Number():
            return float(e.value)
        case Constant(name="pi"):
            return math.pi
        case Neg():
            return -_float(e.arg)
        case Add():
            return sum(map(_float, e.terms))
        case Mul():
            return math.prod(map(_float, e.factors))
        case Div():
            return _float(e.numerator) / _float(e.denominator)
        case Pow():
            return math.pow(_float(e.base), _float(e.exponent))
        case Call() if e.function in _FUNCTIONS:
            return _FUNCTIONS[e.function](*map(_float, e.args))
    raise TypeError(f"{e} is not made of numbers")


def power_of_numbers(base: Fraction, exponent: Fraction) -> Fraction | None:
    """The power where it is exact and has no more digits than a number may have."""
    if exponent.denominator != 1 or abs(exponent) > limits.EXPONENT or (not base and exponent < 0):
        return None
    digits = max(len(str(abs(base.numerator))), len(str(base.denominator)))
    return Fraction(base ** int(exponent)) if digits * abs(exponent) <= 2 * limits.DIGITS else None


def exact_number(spelling: str) -> Fraction | None:
    text = spelling.replace("_", "").lower()
    if len(text) > limits.DIGITS or not text or text[0] not in "0123456789.":
        return None
    mantissa, _, exponent = text.partition("e")
    if exponent and (not exponent.lstrip("+-").isdigit() or abs(int(exponent)) > limits.DIGITS):
        return None
    if not mantissa.replace(".", "", 1).isdigit():
        return None
    return Fraction(text)
