"""Expressions in core form, evaluated on complex numbers: what the complex step and the tests read a model with.

It reads the equations and the `definition` of each function, and shares no code with the prover, the rules or the
generated modules.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from derive.check.complex_functions import COMPLEX_FUNCTIONS, complex_power
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
from derive.expression.walk import walk
from derive.expression.windows import is_over_window
from derive.functions import FUNCTIONS
from derive.parse.expression import parse_expression

Array = NDArray[Any]


class ComplexEvaluator:
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
                return complex_power(self.value(e.base, scope), self.value(e.exponent, scope))
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
        op = f"first {e.op}" if e.op in ("max", "min") and is_over_window(e) else e.op
        return _REDUCTIONS[op](body.reshape(flat), kept.reshape(flat))

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
        if name in COMPLEX_FUNCTIONS:
            return np.asarray(COMPLEX_FUNCTIONS[name](*args))
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
        return ComplexEvaluator(dict(zip(names, filled[: len(names)], strict=True)), {}).value(_definition(name), {})


def _gathered(array: Array, found: list[NDArray[np.int_]]) -> Array:
    """The entries of the first axes at positions that vary over the others."""
    rest = array.shape[len(found) :]
    own = [np.arange(n).reshape((n, *(1,) * (len(rest) - 1 - k))) for k, n in enumerate(rest)]
    result: Array = array[(*found, *own)]
    return result


WORST_CONDITION = 1e10  # of a matrix that counts as regular


def _inverse(matrices: Array) -> Array:
    """Inverses; NaN where a matrix is singular, or nearly."""
    known, regular = _regular(matrices)
    return np.where(regular[..., None, None], np.linalg.inv(known), np.nan)


def _determinant(matrices: Array) -> Array:
    known, regular = _regular(matrices)
    return np.where(regular, np.linalg.det(known), np.nan + 0j)


def _regular(matrices: Array) -> tuple[Array, NDArray[np.bool_]]:
    """The matrices, the unit matrix in place of those that are singular, nearly, or not computed yet; which are not."""
    unit = np.eye(matrices.shape[-1], dtype=complex)
    finite = np.asarray(np.isfinite(matrices).all(axis=(-2, -1)))
    known = np.where(finite[..., None, None], matrices, unit)
    regular = finite & (np.linalg.cond(known) < WORST_CONDITION)
    return np.where(regular[..., None, None], known, unit), regular


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


def _first(largest: bool) -> Callable[[Array, NDArray[np.bool_]], Array]:
    """The number of the first entry along the first axis with the largest or smallest real part."""

    def reduce(body: Array, kept: NDArray[np.bool_]) -> Array:
        real = np.where(kept, body.real, -np.inf if largest else np.inf)
        return np.asarray(real.argmax(axis=0) if largest else real.argmin(axis=0), dtype=complex)

    return reduce


def _first_extreme(largest: bool) -> Callable[[Array, NDArray[np.bool_]], Array]:
    """The first entry along the first axis with the largest or smallest real part, with its derivative."""

    def reduce(body: Array, kept: NDArray[np.bool_]) -> Array:
        places = _first(largest)(body, kept).real.astype(int)
        found: Array = np.take_along_axis(body, places[None], axis=0)[0]
        return found

    return reduce


_REDUCTIONS: dict[str, Callable[[Array, NDArray[np.bool_]], Array]] = {
    "sum": lambda body, kept: np.asarray(np.where(kept, body, 0).sum(axis=0)),
    "prod": lambda body, kept: np.asarray(np.where(kept, body, 1).prod(axis=0)),
    "max": _extreme(largest=True),
    "min": _extreme(largest=False),
    "argmax": _first(largest=True),
    "argmin": _first(largest=False),
    "first max": _first_extreme(largest=True),
    "first min": _first_extreme(largest=False),
}
