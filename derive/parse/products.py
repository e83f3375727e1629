"""Products of arrays: ``A @ x``, ``dot``, ``outer``, the transpose and the trace."""

from __future__ import annotations

from derive.errors import DeriveError
from derive.expression.build import mul
from derive.expression.nodes import Call, Expression, MatMul, Transpose
from derive.parse.axis_functions import reduced
from derive.parse.scope import Array, Indices, Scope, scalar
from derive.parse.sizes import print_shape, same_size


def transpose(e: Transpose, scope: Scope) -> Array:
    inner = scope.array(e.arg)
    blocks = {-1 - inner.rank - axis: pair for axis, pair in inner.blocks.items()}
    return Array(inner.shape[::-1], lambda i: inner.at(i[::-1]), blocks=blocks)


def matmul(e: MatMul, scope: Scope) -> Array:
    return product(e, scope.array(e.left), scope.array(e.right), scope)


def product(e: Expression, left: Array, right: Array, scope: Scope) -> Array:
    """(left @ right)[i, j] = sum(left[i, k]*right[k, j], k), for vectors and matrices."""
    _check_product(e, left, right)
    rows = left.rank - 1

    def at(i: Indices) -> Expression:
        scope.budget.spend(e)
        blocked = (left, rows) if -1 in left.blocks else (right, 0)
        k, letters = scope.bind_axis(*blocked)
        return reduced("sum", mul(left.at((*i[:rows], k)), right.at((k, *i[rows:]))), letters, scope)

    blocks = {-right.rank: left.blocks[-2]} if -2 in left.blocks else {}
    if right.rank == 2 and -1 in right.blocks:
        blocks[-1] = right.blocks[-1]
    return Array((*left.shape[:-1], *right.shape[1:]), at, blocks=blocks)


def _check_product(e: Expression, left: Array, right: Array) -> None:
    if not left.shape or not right.shape:
        raise DeriveError("@ needs arrays on both sides", e.place, "use * with a scalar")
    inner, other = left.shape[-1], right.shape[0 if right.rank == 1 else -2]
    if not same_size(inner, other):
        what = e.function if isinstance(e, Call) else "@"
        shapes = f"{print_shape(left.shape)} and {print_shape(right.shape)}"
        raise DeriveError(f"the shapes {shapes} do not fit for {what}: {inner} is not {other}", e.place)
    if left.rank > 2 or right.rank > 2:
        hint = "write other products with indices: sum(a[i,k]*b[k,j], k)"
        raise DeriveError("@ takes vectors and matrices", e.place, hint)


def dot(e: Call, arrays: tuple[Array, ...], scope: Scope) -> Array:
    left, right = arrays
    if (left.rank, right.rank) != (1, 1):
        raise DeriveError("dot takes two vectors", e.place, "use @ for products of matrices")
    return product(e, left, right, scope)


def outer(_e: Call, arrays: tuple[Array, ...], _scope: Scope) -> Array:
    a, b = arrays
    return Array((*a.shape, *b.shape), lambda i: mul(a.at(i[:1]), b.at(i[1:])))


def trace(e: Call, arrays: tuple[Array, ...], scope: Scope) -> Array:
    (matrix,) = arrays
    if not same_size(*matrix.shape):
        raise DeriveError(f"trace needs a square matrix, this one is {print_shape(matrix.shape)}", e.place)
    k, letters = scope.bind_axis(matrix, 0)
    return scalar(reduced("sum", matrix.at((k, k)), letters, scope))
