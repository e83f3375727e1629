"""Exact numbers of a text: spellings, and the value of expressions made of numbers alone, under the limits."""

from __future__ import annotations

import math
from fractions import Fraction

from derive.expression.nodes import Add, Div, Expression, Mul, Neg, Number, Pow
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
