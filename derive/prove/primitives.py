"""The functions of numbers that the prover evaluates: with as many digits as are worked with, or of fractions."""

from __future__ import annotations

import math
from decimal import ROUND_CEILING, ROUND_DOWN, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal
from fractions import Fraction
from functools import partial
from typing import Any

import mpmath

from derive.prove.digits import MOST_EXPONENT, Uncomputed, Undefined, digits_now, many_digits, of_mpmath, to_mpmath

LARGEST = 1e60  # argument of an exponential or a sine, whose digits cost memory
MOST_DIGITS = float("inf")
MOST_DIGITS_SLOW = 500  # of functions that take long with many digits
MOST_DIGITS_SLOWER = 150  # of Y and K, which take seconds: enough for a slope at the first look, not for a closer look
LARGEST_ERROR = 1e6  # argument of exp(u*u)*erfc(u)
LARGEST_BESSELK = 6  # of K, which takes seconds at larger arguments
LARGEST_BESSEL = 60  # argument of a Bessel function or an incomplete integral, which take long
MOST_POWER = 1e30
SLOW = (1e9, MOST_DIGITS_SLOW)  # the gamma function and its kin
INCOMPLETE = (LARGEST_BESSEL, MOST_DIGITS_SLOW)  # the incomplete integrals


MOST_REMEMBERED = 20_000  # values of one function


def _real(value: Any) -> Decimal:
    """A number of mpmath as a decimal, where it is real and finite."""
    if isinstance(value, mpmath.mpc):
        if value.imag != 0:
            raise Undefined
        value = value.real
    if not mpmath.isfinite(value):
        raise Undefined
    return of_mpmath(value)


def _mp(function: Any, largest: float = LARGEST, most_digits: float = MOST_DIGITS) -> Any:
    """A function of mpmath at numbers, where they are not beyond `largest` and the digits not too many.

    Its values are remembered: where one entry of an array is moved, the others stay what they were.
    """
    known: dict[tuple[Any, ...], Decimal] = {}

    def apply(*args: Any) -> Decimal:
        digits = digits_now()
        if digits > most_digits:
            raise Uncomputed
        key = (digits, *args)
        if key not in known:
            if len(known) >= MOST_REMEMBERED:
                known.clear()
            known[key] = computed(args)
        return known[key]

    def computed(args: tuple[Any, ...]) -> Decimal:
        if any(abs(number) > largest for number in args):
            raise Uncomputed
        try:
            return _real(function(*map(to_mpmath, args)))
        except (ValueError, ZeroDivisionError, OverflowError, TypeError, mpmath.libmp.NoConvergence):
            raise Undefined from None

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
    return many_digits(u).sqrt()


def _step(function: Any, rounding: str) -> Any:
    """A function of steps: a whole number, of the kind that its argument is."""
    return lambda u: u.to_integral_value(rounding) if isinstance(u, Decimal) else type(u)(function(u))


def _gammainc(a: Any, x: Any) -> Any:
    if a <= 0 or x < 0:
        raise Undefined
    return mpmath.gammainc(a, 0, x, regularized=True)


def _gammaincc(a: Any, x: Any) -> Any:
    if a <= 0 or x < 0:
        raise Undefined
    return mpmath.gammainc(a, x, regularized=True)


def _betainc(a: Any, b: Any, x: Any) -> Any:
    if min(a, b) <= 0 or not 0 <= x <= 1:
        raise Undefined
    return mpmath.betainc(a, b, 0, x, regularized=True)


def _besselk(k: Any, u: Any) -> Any:
    if u <= 0:
        raise Undefined
    if u > LARGEST_BESSELK:
        raise Uncomputed
    return mpmath.besselk(k, u)


def _bessely(k: Any, u: Any) -> Any:
    if u <= 0:
        raise Undefined
    return mpmath.bessely(k, u)


def _scaled_i(k: Any, u: Any) -> Any:
    return mpmath.besseli(k, u) * mpmath.exp(-abs(u))


def _scaled_k(k: Any, u: Any) -> Any:
    return _besselk(k, u) * mpmath.exp(u)


def _of_each_order(letter: str, bessel: Any, name: str) -> dict[str, Any]:
    """``jv`` and with it ``j0`` and ``j1``; ``ive``, ``i0e``, ``i1e``."""
    orders = {"v": bessel, "0": partial(bessel, 0), "1": partial(bessel, 1)}
    digits = MOST_DIGITS_SLOWER if letter in "yk" else MOST_DIGITS_SLOW
    return {f"{letter}{order}{name}": _mp(function, LARGEST_BESSEL, digits) for order, function in orders.items()}


PRIMITIVES: dict[str, Any] = {
    "exp": _mp(mpmath.exp),
    "log": _mp(_positive(mpmath.log), float("inf")),
    "sqrt": _root,
    "sin": _mp(mpmath.sin),
    "cos": _mp(mpmath.cos),
    "erf": _mp(mpmath.erf),
    "lgamma": _mp(_positive(mpmath.loggamma), *SLOW),
    "gamma": _mp(mpmath.gamma, *SLOW),
    "digamma": _mp(mpmath.digamma, *SLOW),
    "trigamma": _mp(lambda u: mpmath.polygamma(1, u), *SLOW),
    "polygamma": _mp(lambda k, u: mpmath.polygamma(int(k), u), *SLOW),
    "arcsin": _mp(mpmath.asin),
    "arccos": _mp(mpmath.acos),
    "arctan": _mp(mpmath.atan),
    "arcsinh": _mp(mpmath.asinh),
    "arccosh": _mp(mpmath.acosh),
    "arctanh": _mp(mpmath.atanh),
    "arctan2": _mp(mpmath.atan2),
    "cbrt": _mp(lambda u: mpmath.sign(u) * mpmath.cbrt(abs(u))),
    "erfc": _mp(mpmath.erfc),
    "erfcx": _mp(lambda u: mpmath.exp(u * u) * mpmath.erfc(u), LARGEST_ERROR),
    "log_ndtr": _mp(lambda u: mpmath.log(mpmath.ncdf(u)), LARGEST_ERROR),
    "erfinv": _mp(mpmath.erfinv),
    "erfcinv": _mp(lambda u: mpmath.erfinv(1 - u)),
    "ndtri": _mp(lambda u: mpmath.sqrt(2) * mpmath.erfinv(2 * u - 1)),
    "lambertw": _mp(mpmath.lambertw),
    "expi": _mp(mpmath.ei),
    "gammainc": _mp(_gammainc, *INCOMPLETE),
    "gammaincc": _mp(_gammaincc, *INCOMPLETE),
    "betainc": _mp(_betainc, *INCOMPLETE),
    **_of_each_order("j", mpmath.besselj, ""),
    **_of_each_order("y", _bessely, ""),
    **_of_each_order("i", mpmath.besseli, ""),
    **_of_each_order("k", _besselk, ""),
    **_of_each_order("i", _scaled_i, "e"),
    **_of_each_order("k", _scaled_k, "e"),
    "floor": _step(math.floor, ROUND_FLOOR),
    "ceil": _step(math.ceil, ROUND_CEILING),
    "trunc": _step(math.trunc, ROUND_DOWN),
    "round": _step(round, ROUND_HALF_EVEN),
    "abs": lambda u: abs(u),
    "sign": lambda u: (u > 0) - (u < 0),
    "maximum": max,
    "minimum": min,
}


def divide(u: Any, v: Any) -> Any:
    if v == 0:
        raise Undefined
    if isinstance(u, Decimal) or isinstance(v, Decimal):
        return many_digits(u) / many_digits(v)
    return Fraction(u) / v


def power(u: Any, v: Any) -> Any:
    if abs(v) > max(MOST_POWER, 10_000):  # before anything counts its digits
        raise Uncomputed
    whole = v == int(v)
    if u == 0 and v <= 0:
        raise Undefined
    if u < 0 and not whole:
        raise Undefined
    if whole and abs(v) < 10_000:
        return _whole_power(u, int(v))
    return _POWER(u, v)


_POWER = _mp(mpmath.power, float("inf"))


def _whole_power(u: Any, n: int) -> Any:
    if n == 2:
        return u * u
    if isinstance(u, Decimal) and abs(u.adjusted() * n) > MOST_EXPONENT:
        raise Uncomputed
    if n < 0:
        return divide(1, _whole_power(u, -n))
    return (many_digits(u) if isinstance(u, Fraction) and n > 64 else u) ** n
