"""The functions of whole arrays, one row each: the ranks that they take, and what they mean by elements."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from derive.errors import DeriveError
from derive.expression.build import ONE, ZERO, mul
from derive.expression.nodes import Call, Compare, Where
from derive.parse.matrices import determinant, inverse, matrix_power, solve
from derive.parse.products import dot, outer, trace
from derive.parse.scope import Array, Scope, scalar
from derive.parse.sizes import print_shape
from derive.parse.stacks import concatenate, kron, pad

Meaning = Callable[[Call, tuple[Array, ...], Scope], Array]


@dataclass(frozen=True)
class ArrayFunction:
    """`ranks` are those of the arguments that the function takes; none where it says more itself."""

    meaning: Meaning
    ranks: tuple[tuple[int, ...], ...] = ()

    def takes(self, arrays: tuple[Array, ...]) -> bool:
        return not self.ranks or tuple(a.rank for a in arrays) in self.ranks


def array_function(e: Call, scope: Scope) -> Array:
    if e.function == "concatenate":
        return concatenate(e, scope)
    row = TABLE[e.function]
    arrays = tuple(scope.array(arg) for arg in e.args)
    if not row.takes(arrays):
        shapes = ", ".join(print_shape(a.shape) for a in arrays)
        raise DeriveError(f"'{e.function}' does not take {shapes}", e.place, f"it takes {_told(row.ranks)}")
    return row.meaning(e, arrays, scope)


def _told(ranks: tuple[tuple[int, ...], ...]) -> str:
    """``a vector and a matrix, or two matrices``."""
    words = ("a scalar", "a vector", "a matrix")
    return ", or ".join(" and ".join(words[rank] for rank in each) for each in sorted(ranks))


def diag(_e: Call, arrays: tuple[Array, ...], _scope: Scope) -> Array:
    """The diagonal matrix of a vector, the diagonal of a matrix."""
    (inner,) = arrays
    if inner.rank == 1:
        return Array(inner.shape * 2, lambda i: mul(Call("delta", i), inner.at(i[:1])))
    return Array(inner.shape[:1], lambda i: inner.at((i[0], i[0])))


def triangle(e: Call, arrays: tuple[Array, ...], _scope: Scope) -> Array:
    """What lies on the diagonal and below it, or above it; else 0."""
    (inner,) = arrays
    op = ">=" if e.function == "tril" else "<="
    return Array(inner.shape, lambda i: Where(Compare(op, *i), inner.at(i), ZERO))


def eye(e: Call, _arrays: tuple[Array, ...], scope: Scope) -> Array:
    size = scope.size(e.args[0], 1)
    return Array((size, size), lambda i: Call("delta", i))


def filled(e: Call, _arrays: tuple[Array, ...], scope: Scope) -> Array:
    entry = ZERO if e.function == "zeros" else ONE
    return Array(tuple(scope.size(arg, 1) for arg in e.args), lambda _: entry)


def delta(_e: Call, arrays: tuple[Array, ...], _scope: Scope) -> Array:
    return scalar(Call("delta", tuple(a.at(()) for a in arrays)))


TABLE = {
    "dot": ArrayFunction(dot),
    "outer": ArrayFunction(outer, ((1, 1),)),
    "trace": ArrayFunction(trace, ((2,),)),
    "diag": ArrayFunction(diag, ((1,), (2,))),
    "tril": ArrayFunction(triangle, ((2,),)),
    "triu": ArrayFunction(triangle, ((2,),)),
    "eye": ArrayFunction(eye, ((0,),)),
    "zeros": ArrayFunction(filled, ((0,), (0, 0), (0, 0, 0))),
    "ones": ArrayFunction(filled, ((0,), (0, 0), (0, 0, 0))),
    "delta": ArrayFunction(delta, ((0, 0),)),
    "det": ArrayFunction(determinant, ((2,),)),
    "logdet": ArrayFunction(determinant, ((2,),)),
    "inv": ArrayFunction(inverse, ((2,),)),
    "solve": ArrayFunction(solve, ((2, 1), (2, 2))),
    "matrix_power": ArrayFunction(matrix_power, ((2, 0),)),
    "pad": ArrayFunction(pad),
    "kron": ArrayFunction(kron, ((1, 1), (2, 2))),
}
