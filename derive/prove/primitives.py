"""The functions of one number that the prover evaluates: as many digits as mpmath is set to, or fractions."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import mpmath

LARGEST = 1e60  # argument of an exponential or a sine, whose digits cost memory
LARGEST_SLOW = 1e9  # argument of the gamma function and its kin, which take long to compute
MOST_DIGITS_SLOW = 2000
MOST_POWER = 1e30


class Undefined(Exception):
    """The expression has no (real, finite) value at this point."""


class Uncomputed(Undefined):
    """There may be a value, but computing it would cost too much: no evidence either way."""


def real(value: Any) -> Any:
    if isinstance(value, Fraction):
        return value
    if isinstance(value, mpmath.mpc):
        if value.imag != 0:
            raise Undefined
        value = value.real
    if not mpmath.isfinite(value):
        raise Undefined
    return value


def _mp(function: Any, largest: float = LARGEST) -> Any:
    """A function of mpmath at numbers; beyond `largest` its value would need more memory than it is worth."""

    def apply(*args: Any) -> Any:
        numbers = [mpmath.mpf(a.numerator) / a.denominator if isinstance(a, Fraction) else a for a in args]
        if any(abs(number) > largest for number in numbers):
            raise Uncomputed
        try:
            return real(function(*numbers))
        except (ValueError, ZeroDivisionError, OverflowError, TypeError, mpmath.libmp.NoConvergence):
            raise Undefined from None

    return apply


def _slow(function: Any) -> Any:
    """The same for a function that takes long with many digits."""
    compute = _mp(function, LARGEST_SLOW)

    def apply(*args: Any) -> Any:
        if mpmath.mp.dps > MOST_DIGITS_SLOW:
            raise Uncomputed
        return compute(*args)

    return apply


def _positive(function: Any) -> Any:
    def apply(u: Any) -> Any:
        if u <= 0:
            raise Undefined
        return function(u)

    return apply


def _root(u: Any) -> Any:
    if u < 0:
        raise Undefined
    return mpmath.sqrt(u)


PRIMITIVES: dict[str, Any] = {
    "exp": _mp(mpmath.exp),
    "log": _mp(_positive(mpmath.log), float("inf")),
    "sqrt": _mp(_root, float("inf")),
    "sin": _mp(mpmath.sin),
    "cos": _mp(mpmath.cos),
    "erf": _mp(mpmath.erf),
    "log_normal_cdf": _slow(lambda u: mpmath.log(mpmath.ncdf(u))),
    "lgamma": _slow(_positive(mpmath.loggamma)),
    "gamma": _slow(mpmath.gamma),
    "digamma": _slow(mpmath.digamma),
    "trigamma": _slow(lambda u: mpmath.polygamma(1, u)),
    "polygamma": _slow(lambda k, u: mpmath.polygamma(int(k), u)),
    "arcsin": _mp(mpmath.asin),
    "arccos": _mp(mpmath.acos),
    "arctan": _mp(mpmath.atan),
    "arcsinh": _mp(mpmath.asinh),
    "arccosh": _mp(mpmath.acosh),
    "arctanh": _mp(mpmath.atanh),
    "arctan2": _mp(mpmath.atan2),
    "cbrt": _mp(lambda u: mpmath.sign(u) * mpmath.cbrt(abs(u))),
    "abs": lambda u: abs(u),
    "sign": lambda u: (u > 0) - (u < 0),
    "maximum": max,
    "minimum": min,
}


def divide(u: Any, v: Any) -> Any:
    if v == 0:
        raise Undefined
    if isinstance(u, Fraction) != isinstance(v, Fraction):
        u, v = (mpmath.mpf(w.numerator) / w.denominator if isinstance(w, Fraction) else w for w in (u, v))
    if isinstance(u, int) and isinstance(v, (int, Fraction)):
        return Fraction(u) / v
    return u / v


def power(u: Any, v: Any) -> Any:
    whole = v.denominator == 1 if isinstance(v, Fraction) else v == int(v) if mpmath.isfinite(v) else False
    if u == 0 and v <= 0:
        raise Undefined
    if u < 0 and not whole:
        raise Undefined
    if whole and abs(v) < 10_000:
        if isinstance(u, Fraction) and abs(v) > 64:
            u = mpmath.mpf(u.numerator) / u.denominator
        return u ** int(v)
    if abs(v) > MOST_POWER:
        raise Uncomputed
    return _mp(mpmath.power, float("inf"))(u, v)
