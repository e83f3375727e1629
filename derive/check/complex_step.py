"""The model itself, evaluated on numbers, and the gradient of its loss by the complex step: an oracle.

In: a `Model` and values of its variables for one example.  Out: the values of its equations, or ∂loss/∂name.

For an analytic f, ∂f/∂x = Im f(x + ih)/h without cancellation, so h can be 1e-30 and every digit is right.  What is not
analytic follows the model, not numpy: comparisons, `abs`, `sign`, `maximum` and the like look at the real part, since
numpy's complex `abs` is the modulus and would give a zero gradient silently.  Functions for which numpy has no
complex form
(erf, the gamma family) carry the imaginary part along by a central difference of sixth order.

Invariant: nothing here knows a derivative of a function.  It reads the equations in core form (`Equation.body`) and the
`definition` of each function, and shares no code with the prover, the rules or the generated modules.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from functools import cache, partial
from typing import Any

import mpmath
import numpy as np
from numpy.typing import ArrayLike, NDArray

from derive.errors import DeriveError
from derive.expression.nodes import (
    Add,
    Both,
    Call,
    Compare,
    ComponentTensor,
    Constant,
    D,
    Div,
    Expression,
    Index,
    Item,
    Mul,
    Neg,
    Number,
    Pow,
    Reduce,
    Ref,
    Where,
)
from derive.expression.walk import names, walk
from derive.functions import FUNCTIONS
from derive.model import Equation, Model
from derive.parse.expression import parse_expression
from derive.parse.numbers import number_value

Array = NDArray[Any]

STEP = 1e-30


def complex_step_gradient(model: Model, values: Mapping[str, ArrayLike], name: str) -> NDArray[np.float64]:
    """∂loss/∂name at the given values of one example, in the shape of `name`: a variable or the name of an equation.

    Of a symmetric, diagonal or lower triangular parameter by its free entries, 0 where an entry is not free.

    >>> model = Model.parse("w: parameter" + chr(10) + "L: loss = w**3")
    >>> float(complex_step_gradient(model, {"w": 2.0}, "w"))
    12.0
    """
    found = _run(model, _values(model, values))
    if name not in found:
        raise DeriveError(f"there is no name '{name}' to differentiate by")
    later = _behind(model, name)
    gradient = np.zeros(found[name].shape)
    for position in np.ndindex(*gradient.shape):
        shifted = _rerun(found, name, _moving(model, name, position), later)
        gradient[position] = shifted[model.loss].imag / STEP
    return gradient


def _behind(model: Model, name: str) -> tuple[Equation, ...]:
    """The equations that depend on a name, in order."""
    reached = {name}
    for equation in model.equations:
        if any(used in reached for used in names(equation.body)):
            reached.add(equation.name)
    return tuple(e for e in model.equations if e.name in reached and e.name != name)


def evaluate(model: Model, values: Mapping[str, ArrayLike]) -> dict[str, NDArray[np.float64]]:
    """The values of all variables and equations at given values of one example; constants and sizes have their
    defaults.

    >>> model = Model.parse("w: parameter[2]" + chr(10) + "c: constant = 3" + chr(10) + "L: loss = c*sum(w**2)")
    >>> float(evaluate(model, {"w": [1, 2]})["L"])
    15.0
    """
    return {name: np.asarray(value.real) for name, value in _run(model, _values(model, values)).items()}


def evaluate_expression(
    e: Expression,
    values: Mapping[str, ArrayLike],
    indices: Sequence[str] = (),
    shape: Sequence[int] = (),
    adjoints: Mapping[str, ArrayLike] | None = None,
) -> NDArray[np.float64]:
    """A core expression over its free `indices`, which run over `shape`; `adjoints` are the values of ``D(loss,
    name)``."""
    evaluator = _Evaluator(
        {k: np.asarray(v) for k, v in values.items()}, {k: np.asarray(v) for k, v in (adjoints or {}).items()}
    )
    with np.errstate(all="ignore"):
        return np.asarray(evaluator.over(e, indices, tuple(shape)).real, dtype=float)


def _values(model: Model, given: Mapping[str, ArrayLike]) -> dict[str, Array]:
    """All variables as complex arrays; sizes from the shapes of what is given, else their own values."""
    values: dict[str, Array] = {}
    for v in model.variables.values():
        if v.name in given:
            values[v.name] = np.asarray(given[v.name], dtype=complex)
            for size, length in zip(v.shape, values[v.name].shape, strict=False):
                if isinstance(size, Ref) and size.name not in given:
                    values[size.name] = np.asarray(length, dtype=complex)
    for v in model.variables.values():
        if v.name not in values and v.role in ("size", "constant") and v.value is not None:
            values[v.name] = np.asarray(number_value(v.value), dtype=complex)
        if v.name not in values:
            raise DeriveError(f"there is no value for the {v.role} '{v.name}'")
    for v in model.variables.values():
        wanted = _concrete(v.shape, values)
        if values[v.name].shape == () and wanted:
            values[v.name] = np.full(wanted, values[v.name])
        if values[v.name].shape != wanted:
            raise DeriveError(f"'{v.name}' has the shape {values[v.name].shape}, not {wanted}")
    return values


def _concrete(shape: Sequence[Expression], values: Mapping[str, Array]) -> tuple[int, ...]:
    return tuple(round(float(_Evaluator(values, {}).value(size, {}).real)) for size in shape)


def _run(model: Model, start: Mapping[str, Array]) -> dict[str, Array]:
    """All equations in order."""
    return _computed(model.equations, dict(start))


def _rerun(
    found: Mapping[str, Array], name: str, places: Sequence[tuple[int, ...]], later: Sequence[Equation]
) -> dict[str, Array]:
    """The equations behind a name again, the entries at `places` moved by i·STEP."""
    moved = np.array(found[name], dtype=complex)
    for place in places:
        moved[place] += 1j * STEP
    return _computed(later, {**found, name: moved})


def _computed(equations: Sequence[Equation], values: dict[str, Array]) -> dict[str, Array]:
    evaluator = _Evaluator(values, {})
    with np.errstate(all="ignore"):
        for equation in equations:
            shape = _concrete(equation.shape, values)
            values[equation.name] = evaluator.over(equation.body, equation.indices, shape)
    return values


def _moving(model: Model, name: str, position: tuple[int, ...]) -> list[tuple[int, ...]]:
    """The entries that change with a free one, of a structured parameter; none where the entry is not free."""
    match model.structures.get(name):
        case "symmetric":
            return list({position, position[::-1]})
        case "diagonal":
            return [position] if position[0] == position[1] else []
        case "lower":
            return [position] if position[0] >= position[1] else []
    return [position]


class _Evaluator:
    """Evaluates core expressions; each index in scope is an axis of its own, counted from the last.

    A new bound index gets a new first axis, so that what was there before broadcasts as it is.
    """

    def __init__(self, values: Mapping[str, Array], adjoints: Mapping[str, Array]) -> None:
        self.values = values
        self.adjoints = adjoints

    def over(self, e: Expression, indices: Sequence[str], shape: tuple[int, ...]) -> Array:
        scope = {
            name: _axis(size, len(shape) - 1 - k) for k, (name, size) in enumerate(zip(indices, shape, strict=True))
        }
        return np.array(np.broadcast_to(self.value(e, scope), shape), dtype=complex)

    def value(self, e: Expression, scope: dict[str, Array]) -> Array:
        match e:
            case Number():
                return np.asarray(float(e.value), dtype=complex)
            case Constant():
                return np.asarray({"pi": math.pi, "inf": math.inf}[e.name], dtype=complex)
            case Index():
                return scope[e.name]
            case Ref():
                return self.element(self.values[e.name], e.indices, scope)
            case D(body=Ref()):
                return self.element(self.adjoints[e.wrt.name], e.wrt.indices, scope)
            case Add():
                return self.fold(np.add, e.terms, scope)
            case Mul():
                return self.fold(np.multiply, e.factors, scope)
            case Neg():
                return -self.value(e.arg, scope)
            case Div():
                return self.value(e.numerator, scope) / self.value(e.denominator, scope)
            case Pow():
                return _power(self.value(e.base, scope), self.value(e.exponent, scope))
            case Compare() | Both():
                return self.truth(e, scope).astype(complex)
            case Where():
                return np.where(
                    self.truth(e.condition, scope), self.value(e.then, scope), self.value(e.otherwise, scope)
                )
            case Reduce():
                return self.reduce(e, scope)
            case Call(function="delta"):
                left, right = (self.value(arg, scope).real for arg in e.args)
                return np.asarray(left == right, dtype=complex)
            case Item(arg=Call(function="inv", args=(matrix,))):
                inverse = np.moveaxis(_inverse(self.matrices(matrix, scope)), (-2, -1), (0, 1))
                return _gathered(inverse, [np.rint(self.value(i, scope).real).astype(int) for i in e.indices])
            case Call(function="det" | "logdet", args=(matrix,)):
                value = _determinant(self.matrices(matrix, scope))
                return value if e.function == "det" else np.where(value.real > 0, np.log(value), np.nan + 0j)
            case Call():
                return self.call(e.function, [self.value(arg, scope) for arg in e.args])
        raise DeriveError(f"{e} has no value", e.place)

    def fold(
        self, join: Callable[[Array, Array], Array], parts: Sequence[Expression], scope: dict[str, Array]
    ) -> Array:
        total = self.value(parts[0], scope)
        for part in parts[1:]:
            total = join(total, self.value(part, scope))
        return total

    def element(self, array: Array, indices: Sequence[Expression], scope: dict[str, Array]) -> Array:
        """An entry; beyond the array there is none (NaN), which only a case distinction can hide."""
        if not indices:
            return array
        found = [np.rint(self.value(i, scope).real).astype(int) for i in indices]
        inside = np.asarray(True)
        for k, position in enumerate(found):
            inside = inside & (position >= 0) & (position < array.shape[k])
        entry = array[tuple(np.clip(p, 0, n - 1) for p, n in zip(found, array.shape, strict=True))]
        return np.where(inside, entry, np.nan + 0j)

    def matrices(self, matrix: Expression, scope: dict[str, Array]) -> Array:
        """The matrix that is an argument, its rows and columns as the last two axes, behind those of the scope."""
        depth = max((v.ndim for v in scope.values()), default=0)
        if isinstance(matrix, ComponentTensor):
            sizes = [int(self.value(size, {}).real) for size in matrix.ranges]
            body, (row, column) = matrix.body, matrix.indices
        elif isinstance(matrix, Ref):
            sizes = list(self.values[matrix.name].shape[-2:])
            row, column = "row of it", "column of it"
            body = Ref(matrix.name, (*matrix.indices, Index(row), Index(column)))
        else:
            raise DeriveError(f"{matrix} is no matrix", matrix.place)
        inner = {**scope, row: _axis(sizes[0], depth + 1), column: _axis(sizes[1], depth)}
        value = self.value(body, inner)
        value = value.reshape((1,) * (depth + 2 - value.ndim) + value.shape)
        value = np.broadcast_to(value, (*sizes, *value.shape[2:]))
        return np.moveaxis(value, (0, 1), (-2, -1))

    def truth(self, e: Expression, scope: dict[str, Array]) -> NDArray[np.bool_]:
        if isinstance(e, Both):
            parts = [self.truth(c, scope) for c in e.conditions]
            return np.asarray(np.logical_and.reduce(np.broadcast_arrays(*parts)))
        if not isinstance(e, Compare):
            raise DeriveError(f"{e} is no comparison", e.place)
        left, right = self.value(e.left, scope).real, self.value(e.right, scope).real
        return np.asarray(_COMPARISONS[e.op](left, right))

    def reduce(self, e: Reduce, scope: dict[str, Array]) -> Array:
        inner = dict(scope)
        depth = max((v.ndim for v in scope.values()), default=0)
        sizes = [self.range(name, e) for name in e.indices]
        for k, (name, size) in enumerate(zip(e.indices, sizes, strict=True)):
            inner[name] = _axis(size, depth + len(sizes) - 1 - k)
        body = self.value(e.body, inner)
        kept = np.asarray(True) if e.condition is None else self.truth(e.condition, inner)
        outer = np.broadcast_shapes(body.shape, kept.shape, (*sizes, *(1,) * depth))
        body, kept = np.broadcast_to(body, outer), np.broadcast_to(kept, outer)
        flat = (math.prod(sizes), *outer[len(sizes) :])
        return _REDUCTIONS[e.op](body.reshape(flat), kept.reshape(flat))

    def range(self, index: str, e: Reduce) -> int:
        """The largest range in which every access is in bounds: ``x[c*i + d]`` allows c·i + d < len(x)."""
        if e.ranges:
            return int(self.value(e.ranges[e.indices.index(index)], {}).real)
        found: list[int] = []
        for node in walk(e):
            if isinstance(node, Ref):
                array = self.values[node.name] if node.name in self.values else self.adjoints[node.name]
                for subscript, size in zip(node.indices, array.shape, strict=False):
                    line = _line(subscript, index)
                    if line is not None and line[0] > 0:
                        found.append((size - 1 - line[1]) // line[0] + 1)
        if not found:
            raise DeriveError(f"nothing fixes the range of the index '{index}' in {e}", e.place)
        return max(0, min(found))

    def call(self, name: str, args: Sequence[Array]) -> Array:
        if name in _PRIMITIVES:
            return np.asarray(_PRIMITIVES[name](*args))
        row = FUNCTIONS.get(name)
        if row is None or row.definition is None:
            raise DeriveError(f"the function '{name}' has no value here")
        names = row.parameters
        filled = [
            *args,
            *(
                np.asarray(float(Fraction(d)), dtype=complex)
                for d in row.defaults[len(row.defaults) - (len(names) - len(args)) :]
            ),
        ]
        return _Evaluator(dict(zip(names, filled[: len(names)], strict=True)), {}).value(_definition(name), {})


def _gathered(array: Array, found: list[NDArray[np.int_]]) -> Array:
    """The entries of the first axes at positions that vary over the others."""
    rest = array.shape[len(found) :]
    own = [np.arange(n).reshape((n, *(1,) * (len(rest) - 1 - k))) for k, n in enumerate(rest)]
    result: Array = array[(*found, *own)]
    return result


WORST_CONDITION = 1e10  # of a matrix that counts as regular


def _inverse(matrices: Array) -> Array:
    """Inverses; NaN where a matrix is singular, or nearly."""
    regular = np.linalg.cond(matrices) < WORST_CONDITION
    unit = np.eye(matrices.shape[-1], dtype=complex)
    return np.where(regular[..., None, None], np.linalg.inv(np.where(regular[..., None, None], matrices, unit)), np.nan)


def _determinant(matrices: Array) -> Array:
    return np.where(np.linalg.cond(matrices) < WORST_CONDITION, np.linalg.det(matrices), np.nan + 0j)


@cache
def _definition(name: str) -> Expression:
    return parse_expression(str(FUNCTIONS[name].definition))


def _axis(size: int, behind: int) -> Array:
    """0 … size-1 along an axis with `behind` axes after it."""
    return np.arange(size, dtype=complex).reshape((size, *(1,) * behind))


def _line(e: Expression, index: str) -> tuple[int, int] | None:
    """``c*i + d`` as (c, d); None where the subscript is anything else."""
    match e:
        case Index():
            return (1, 0) if e.name == index else None
        case Number() if e.value.denominator == 1:
            return 0, int(e.value)
        case Neg():
            inner = _line(e.arg, index)
            return None if inner is None else (-inner[0], -inner[1])
        case Add():
            parts = [_line(t, index) for t in e.terms]
            known = [p for p in parts if p is not None]
            return None if len(known) < len(parts) else (sum(p[0] for p in known), sum(p[1] for p in known))
        case Mul() if len(e.factors) == 2:
            left, right = (_line(f, index) for f in e.factors)
            if left is not None and right is not None and 0 in (left[0], right[0]):
                return left[0] * right[1] + right[0] * left[1], left[1] * right[1]
    return None


_COMPARISONS: dict[str, Callable[[Array, Array], Array]] = {
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
    "==": np.equal,
    "!=": np.not_equal,
}


def _extreme(largest: bool) -> Callable[[Array, NDArray[np.bool_]], Array]:
    """The largest or smallest real part along the first axis; entries that share it share the derivative."""

    def reduce(body: Array, kept: NDArray[np.bool_]) -> Array:
        bound = -np.inf if largest else np.inf
        real = np.where(kept, body.real, bound)
        best = real.max(axis=0, initial=-np.inf) if largest else real.min(axis=0, initial=np.inf)
        attained = kept & (real == best)
        count = np.maximum(attained.sum(axis=0), 1)
        result: Array = best + 1j * (np.where(attained, body.imag, 0).sum(axis=0) / count)
        return result

    return reduce


_REDUCTIONS: dict[str, Callable[[Array, NDArray[np.bool_]], Array]] = {
    "sum": lambda body, kept: np.asarray(np.where(kept, body, 0).sum(axis=0)),
    "prod": lambda body, kept: np.asarray(np.where(kept, body, 1).prod(axis=0)),
    "max": _extreme(largest=True),
    "min": _extreme(largest=False),
}


# Primitives: real functions continued to x + i·h with h tiny; outside of the real domain they are NaN.


def _within(function: Callable[[Array], Array], domain: Callable[[Array], Array]) -> Callable[[Array], Array]:

    def apply(u: Array) -> Array:
        inside = domain(u.real)
        return np.where(inside, function(np.where(inside, u, 1)), np.nan + 0j)

    return apply


def _power(base: Array, exponent: Array) -> Array:
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


def _continued(function: Callable[..., float], poles: bool) -> Callable[..., Array]:
    """A real function of its last argument, whose slope carries the imaginary part: a central difference of order 6.

    The distance is a small part of that to the nearest pole (the whole numbers up to 0), so that the error stays
    near 1e-11.
    """

    def one(*args: complex) -> complex:
        *first, z = (complex(a) for a in args)
        x, known = z.real, [a.real for a in first]
        distance = 0.003 if poles else 0.01
        if poles:
            distance *= min(1.0, x if x > 0 else abs(x - round(x)))
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

_PRIMITIVES: dict[str, Callable[..., Array]] = {
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
    "erf": _continued(lambda x: math.erf(x), poles=False),
    "lgamma": _continued(_lgamma, poles=True),
    "gamma": _continued(lambda x: math.gamma(x), poles=True),
    "digamma": _continued(lambda x: _polygamma(0, x), poles=True),
    "trigamma": _continued(lambda x: _polygamma(1, x), poles=True),
    "polygamma": _continued(_polygamma, poles=True),
    **{name: _by_mpmath(name, len(FUNCTIONS[name].parameters)) for name in _OF_MPMATH},
}
