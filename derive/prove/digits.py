"""Numbers of as many digits as wanted: decimals for the four operations, mpmath's numbers for functions.

Python's decimals add and multiply some ten times as fast as mpmath's numbers, and mpmath knows the functions.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal, DivisionByZero, InvalidOperation, Overflow, localcontext
from fractions import Fraction
from functools import lru_cache
from typing import Any

import mpmath
from mpmath.libmp import from_man_exp

SPARE = 3  # digits beyond those that are asked for
MOST_EXPONENT = 10**15  # of two: numbers beyond its power are not computed with
MOST_SHIFTED = 10_000  # decimal places that whole numbers are moved by


class Undefined(Exception):
    """The expression has no (real, finite) value at this point."""


class Uncomputed(Undefined):
    """There may be a value, but computing it would cost too much: no evidence either way."""


@contextmanager
def working_digits(count: int) -> Iterator[None]:
    """Both kinds of numbers are computed with so many digits."""
    traps = [DivisionByZero, InvalidOperation, Overflow]
    context = Context(prec=count + SPARE, Emax=MAX_EMAX, Emin=MIN_EMIN, traps=traps)
    with localcontext(context), mpmath.workdps(count):
        yield


def digits_now() -> int:
    return int(mpmath.mp.dps)


def many_digits(value: Any) -> Decimal:
    """A whole number, a fraction or a number of mpmath as a decimal, with the digits there are now."""
    if isinstance(value, Fraction):
        return Decimal(value.numerator) / value.denominator
    return of_mpmath(value) if isinstance(value, mpmath.mpf) else Decimal(value)


def to_mpmath(value: Any) -> Any:
    """A number as one of mpmath."""
    if isinstance(value, Fraction):
        return mpmath.mpf(value.numerator) / value.denominator
    if not isinstance(value, Decimal):
        return mpmath.mpf(value)
    places = digits_now() + 2 * SPARE - value.adjusted()
    if abs(places) > MOST_SHIFTED:
        with mpmath.workdps(digits_now() + 4 * SPARE):
            size = value.adjusted()
            found = to_mpmath(value.scaleb(-size)) * mpmath.mpf(10) ** size
        return +found
    whole = int(value.scaleb(places))
    if places <= 0:
        return mpmath.mpf(whole * 10**-places)
    bits = mpmath.mp.prec + 4 * SPARE + max(0, whole.bit_length() - mpmath.mp.prec) + _bits_of(places)
    return mpmath.mp.make_mpf(from_man_exp((whole << bits) // _ten_to(places), -bits, mpmath.mp.prec, "n"))


def of_mpmath(value: Any) -> Decimal:
    """A finite number of mpmath as a decimal; Uncomputed where its exponent is beyond all use."""
    sign, mantissa, exponent, bits = value._mpf_
    if abs(exponent + bits) > MOST_EXPONENT:
        raise Uncomputed
    return Decimal(-mantissa if sign else mantissa) * _two_to(exponent, digits_now())


@lru_cache(maxsize=4096)
def _two_to(exponent: int, digits: int) -> Decimal:
    with working_digits(digits + 2 * SPARE):
        return Decimal(2) ** exponent


@lru_cache(maxsize=4096)
def _ten_to(places: int) -> int:
    return int(10**places)


def _bits_of(places: int) -> int:
    """Bits by which dividing by a power of ten makes a number shorter."""
    return places * 10 // 3 + 1
