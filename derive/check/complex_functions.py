"""The functions of the table at complex numbers x + i·h with h tiny, for the complex step.

What is not analytic follows the model, not numpy: `abs`, `sign`, `maximum` and the like look at the real part.
Outside of the real domain a value is NaN.  Functions for which numpy has no complex form (erf, the gamma family) carry
the imaginary part along by a central difference of sixth order.  Nothing here knows a derivative of a function.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import mpmath
import numpy as np
from numpy.typing import NDArray

from derive.functions import FUNCTIONS

Array = NDArray[Any]


def _within(function: Callable[[Array], Array], domain: Callable[[Array], Array]) -> Callable[[Array], Array]:

    def apply(u: Array) -> Array:
        inside = domain(u.real)
        return np.where(inside, function(np.where(inside, u, 1)), np.nan + 0j)

    return apply


def complex_power(base: Array, exponent: Array) -> Array:
    """Whole exponents by repeated multiplication, others for bases that are not negative."""
    base, exponent = np.broadcast_arrays(base, exponent)
    whole = (exponent.imag == 0) & (exponent.real == np.rint(exponent.real)) & (np.abs(exponent.real) <= 1000)
    result = np.where(base.real > 0, np.exp(exponent * np.log(np.where(base.real > 0, base, 1))), np.nan + 0j)
    result = np.where((base == 0) & (exponent.real > 0) & (exponent.imag == 0), 0, result)
    for n in np.unique(exponent.real[whole]):
        result = np.where(whole & (exponent.real == n), _whole_power(base, int(n)), result)
    return np.asarray(result)


def _whole_power(base: Array, n: int) -> Array:
    if n < 0:
        return 1 / _whole_power(base, -n)
    result, square = np.ones_like(base), base
    while n:
        if n & 1:
            result = result * square
        square = square * square
        n >>= 1
    return result


def _abs(u: Array) -> Array:
    return np.where(u.real < 0, -u, np.where(u.real > 0, u, 0))


def _pick(first_wins: Callable[[Array, Array], Array]) -> Callable[[Array, Array], Array]:
    """The winner of two by the real part; at a tie each counts one half."""
    return lambda u, v: np.where(first_wins(u.real, v.real), u, np.where(u.real == v.real, (u + v) / 2, v))


def _cbrt(u: Array) -> Array:
    size = np.where(u.real < 0, -u, u)
    root = np.exp(np.log(np.where(size == 0, 1, size)) / 3)
    return np.where(size == 0, 0, np.where(u.real < 0, -root, root))


def _arctan2(v: Array, u: Array) -> Array:
    """The angle of (u, v); the imaginary part of log(u + iv) in a form that takes complex u and v."""
    angle = np.arctan2(v.real, u.real)
    steep = np.abs(v.real) > np.abs(u.real)
    ratio = np.where(steep, u, v) / np.where(steep, v, np.where(u == 0, 1, u))
    turn = np.arctan(ratio).imag
    return np.asarray(angle + 1j * np.where(steep, -turn, turn))


def _erf(u: Array) -> Array:
    """The integral of 2/√π exp(-t²) from 0 to u: its slope is what is integrated, with all digits however small."""
    value = np.asarray(np.frompyfunc(math.erf, 1, 1)(u.real), dtype=float)
    return np.asarray(value + 2j / math.sqrt(math.pi) * np.exp(-(u.real**2)) * u.imag)


def _continued(function: Callable[..., float]) -> Callable[..., Array]:
    """A real function of its last argument, whose slope carries the imaginary part: a central difference of order 6.

    The distance is a small part of that to the nearest pole (the whole numbers up to 0), so that the error stays
    near 1e-11.
    """

    def one(*args: complex) -> complex:
        *first, z = (complex(a) for a in args)
        x, known = z.real, [a.real for a in first]
        distance = 0.003 * min(1.0, x if x > 0 else abs(x - round(x)))
        try:
            here = function(*known, x)
            if z.imag == 0:
                return complex(here, 0)
            sides = [function(*known, x + k * distance) - function(*known, x - k * distance) for k in (1, 2, 3)]
        except (ValueError, OverflowError, ZeroDivisionError):
            return complex(math.nan, 0)
        slope = (45 * sides[0] - 9 * sides[1] + sides[2]) / (60 * distance)
        return complex(here, slope * z.imag)

    vectorised = np.frompyfunc(one, function.__code__.co_argcount if hasattr(function, "__code__") else 1, 1)

    def apply(*args: Array) -> Array:
        return np.asarray(vectorised(*args), dtype=complex)

    return apply


_BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510, 43867 / 798)


def _polygamma(k: float, x: float) -> float:
    """ψ⁽ᵏ⁾(x): raised to x ≥ 20 by the recurrence, then the asymptotic series (DLMF 5.15.8, 5.11.2)."""
    n = round(k)
    total = 0.0
    sign = -1.0 if n % 2 == 0 else 1.0
    while x < 20:
        if x == 0 or (x < 0 and x == round(x)):
            raise ValueError("a pole")
        total += sign * math.factorial(n) * x ** -(n + 1)
        x += 1
    if n == 0:
        series = math.log(x) - 1 / (2 * x) - sum(b / (2 * j * x ** (2 * j)) for j, b in enumerate(_BERNOULLI, 1))
        return total + series
    series = math.factorial(n - 1) / x**n + math.factorial(n) / (2 * x ** (n + 1))
    series += sum(
        b * math.factorial(2 * j + n - 1) / (math.factorial(2 * j) * x ** (2 * j + n))
        for j, b in enumerate(_BERNOULLI, 1)
    )
    return total + sign * series


def _lgamma(x: float) -> float:
    """ln Γ where Γ is positive or its absolute value's logarithm is meant: for x > 0."""
    if x <= 0:
        raise ValueError("outside of the domain")
    return math.lgamma(x)


def _of_steps(function: Callable[[Array], Array]) -> Callable[[Array], Array]:
    return lambda u: function(u.real).astype(complex)


def _by_mpmath(name: str, parameters: int = 1) -> Callable[..., Array]:
    """A function of mpmath whose last argument carries the imaginary part, by a central difference with 40 digits."""

    def one(*args: complex) -> complex:
        *known, x = (mpmath.mpf(complex(a).real) for a in args)
        step = mpmath.mpf(10) ** -12
        try:
            with mpmath.workdps(40):
                function = _OF_MPMATH[name]
                value = function(*known, x)
                if complex(args[-1]).imag == 0:
                    return complex(_real(value), 0)
                slope = (function(*known, x + step) - function(*known, x - step)) / (2 * step)
                return complex(_real(value), _real(slope) * complex(args[-1]).imag)
        except (ValueError, OverflowError, ZeroDivisionError, mpmath.libmp.NoConvergence):
            return complex(math.nan, 0)

    vectorised = np.frompyfunc(one, parameters, 1)
    return lambda *args: np.asarray(vectorised(*args), dtype=complex)


def _real(value: Any) -> float:
    """NaN for what is not real."""
    return float(value.real) if value.imag == 0 else math.nan


def _scaled(bessel: Callable[..., Any], sign: int) -> Callable[..., Any]:
    """exp(-|u|) or exp(u) times a modified Bessel function."""
    return lambda k, u: bessel(k, u) * mpmath.exp(u if sign > 0 else -abs(u))


_OF_MPMATH: dict[str, Callable[..., Any]] = {
    "erfc": mpmath.erfc,
    "erfcx": lambda u: mpmath.exp(u * u) * mpmath.erfc(u),
    "log_ndtr": lambda u: mpmath.log(mpmath.erfc(-u / mpmath.sqrt(2)) / 2),
    "erfinv": mpmath.erfinv,
    "erfcinv": lambda u: mpmath.erfinv(1 - u),
    "ndtri": lambda u: mpmath.sqrt(2) * mpmath.erfinv(2 * u - 1),
    "lambertw": mpmath.lambertw,
    "expi": mpmath.ei,
    "gammainc": lambda a, x: mpmath.gammainc(a, 0, x, regularized=True),
    "gammaincc": lambda a, x: mpmath.gammainc(a, x, regularized=True),
    "betainc": lambda a, b, x: mpmath.betainc(a, b, 0, x, regularized=True),
    "jv": mpmath.besselj,
    "yv": mpmath.bessely,
    "iv": mpmath.besseli,
    "kv": mpmath.besselk,
    "ive": _scaled(mpmath.besseli, -1),
    "kve": _scaled(mpmath.besselk, 1),
}
for _order in (0, 1):
    for _letter in "jyik":
        _OF_MPMATH[f"{_letter}{_order}"] = partial(_OF_MPMATH[f"{_letter}v"], _order)
    for _letter in "ik":
        _OF_MPMATH[f"{_letter}{_order}e"] = partial(_OF_MPMATH[f"{_letter}ve"], _order)

COMPLEX_FUNCTIONS: dict[str, Callable[..., Array]] = {
    "exp": np.exp,
    "tanh": np.tanh,
    "sinh": np.sinh,
    "cosh": np.cosh,
    "sin": np.sin,
    "cos": np.cos,
    "log": _within(np.log, lambda x: x > 0),
    "sqrt": _within(np.sqrt, lambda x: x >= 0),
    "cbrt": _cbrt,
    "arcsin": _within(np.arcsin, lambda x: np.abs(x) <= 1),
    "arccos": _within(np.arccos, lambda x: np.abs(x) <= 1),
    "arctan": np.arctan,
    "arcsinh": np.arcsinh,
    "arccosh": _within(np.arccosh, lambda x: x >= 1),
    "arctanh": _within(np.arctanh, lambda x: np.abs(x) < 1),
    "arctan2": _arctan2,
    "abs": _abs,
    "sign": lambda u: np.sign(u.real).astype(complex),
    "maximum": _pick(np.greater),
    "minimum": _pick(np.less),
    "floor": _of_steps(np.floor),
    "ceil": _of_steps(np.ceil),
    "trunc": _of_steps(np.trunc),
    "round": _of_steps(np.rint),
    "erf": _erf,
    "lgamma": _continued(_lgamma),
    "gamma": _continued(lambda x: math.gamma(x)),
    "digamma": _continued(lambda x: _polygamma(0, x)),
    "trigamma": _continued(lambda x: _polygamma(1, x)),
    "polygamma": _continued(_polygamma),
    **{name: _by_mpmath(name, len(FUNCTIONS[name].parameters)) for name in _OF_MPMATH},
}
