"""Functions of a whole matrix, which no formula by elements says: ``inv(A)``, ``det(A)``, ``logdet(A)``; what follows.

Their argument stays an array: a name, or an `array(…)` over two indices.  The inverse's elements are ``inv(A)[i, j]``.
"""

from __future__ import annotations

from derive.errors import DeriveError
from derive.expression.nodes import Call, ComponentTensor, Expression, Index, Item, Ref
from derive.parse.numbers import constant_value
from derive.parse.products import product
from derive.parse.scope import Array, Scope, scalar
from derive.parse.sizes import print_shape, same_size

MOST_POWER = 8  # of a matrix, written out as a product


def determinant(e: Call, arrays: tuple[Array, ...], scope: Scope) -> Array:
    (matrix,) = arrays
    return scalar(Call(e.function, (as_argument(e, matrix, scope),), place=e.place))


def inverse(e: Call, arrays: tuple[Array, ...], scope: Scope) -> Array:
    (matrix,) = arrays
    whole = Call("inv", (as_argument(e, matrix, scope),), place=e.place)
    return Array(matrix.shape, lambda i: Item(whole, i, place=e.place))


def solve(e: Call, arrays: tuple[Array, ...], scope: Scope) -> Array:
    """solve(A, b) = inv(A) @ b."""
    matrix, right = arrays
    return product(e, inverse(e, (matrix,), scope), right, scope)


def matrix_power(e: Call, arrays: tuple[Array, ...], scope: Scope) -> Array:
    """A @ A @ … @ A, or the same of the inverse."""
    matrix, _ = arrays
    _check_square(e, matrix)
    n = constant_value(e.args[1])
    if n is None or n.denominator != 1 or not 1 <= abs(n) <= MOST_POWER:
        raise DeriveError(f"the power of a matrix is a whole number from 1 to {MOST_POWER}, or its negative", e.place)
    base = matrix if n > 0 else inverse(e, (matrix,), scope)
    whole = base
    for _ in range(int(abs(n)) - 1):
        whole = product(e, whole, base, scope)
    return whole


def as_argument(e: Call, matrix: Array, scope: Scope) -> Expression:
    """The matrix as an argument in index form: its name, or an array over two indices of its own."""
    _check_square(e, matrix)
    row, column = (scope.bind(size, "p") for size in matrix.shape)
    body = matrix.at((row, column))
    return component_tensor(body, (row.name, column.name), matrix.shape)


def component_tensor(body: Expression, indices: tuple[str, ...], ranges: tuple[Expression, ...]) -> Expression:
    """``array(A[i, j], i, j)`` is A itself."""
    own = tuple(map(Index, indices))
    if isinstance(body, Ref) and body.indices[len(body.indices) - len(own) :] == own:
        return Ref(body.name, body.indices[: len(body.indices) - len(own)], place=body.place)
    return ComponentTensor(body, indices, ranges)


def _check_square(e: Call, matrix: Array) -> None:
    if not same_size(*matrix.shape):
        raise DeriveError(f"{e.function} needs a square matrix, this one is {print_shape(matrix.shape)}", e.place)
