"""Derivatives of what is no formula by elements: the inverse, the determinant and its logarithm."""

from __future__ import annotations

from derive.expression.build import mul
from derive.expression.nodes import Call, ComponentTensor, D, Expression, Index, Item, Neg, Reduce, Ref
from derive.expression.walk import fresh, index_names, names, rename_indices
from derive.rules.rule import Context, Rule, at_every_place

MATRIX_FUNCTIONS = ("inv", "det", "logdet")


def entry(matrix: Expression, row: Expression, column: Expression) -> Expression:
    """The element of a matrix that is an argument."""
    match matrix:
        case Ref():
            return Ref(matrix.name, (*matrix.indices, row, column), place=matrix.place)
        case ComponentTensor():
            return rename_indices(matrix.body, dict(zip(matrix.indices, (row, column), strict=True)))
    raise TypeError("the argument of a matrix function is a name or an array over two indices")


def is_matrix_call(e: Expression) -> bool:
    return isinstance(e, Call) and e.function in MATRIX_FUNCTIONS


def _inverse(e: Expression, context: Context) -> Expression | None:
    if not isinstance(e, D) or not isinstance(e.body, Item) or not is_matrix_call(e.body.arg):
        return None
    whole, (row, column) = e.body.arg, e.body.indices
    matrix, (k, m), ranges = _argument(whole, e, context)
    slope = D(entry(matrix, k, m), e.wrt)
    product = mul(Item(whole, (row, k)), slope, Item(whole, (m, column)))
    return Neg(Reduce("sum", product, (k.name, m.name), None, ranges))


def _determinant(e: Expression, context: Context) -> Expression | None:
    if not isinstance(e, D) or not isinstance(e.body, Call) or e.body.function != "det":
        return None
    return mul(e.body, _trace_of_slope(e.body, e, context))


def _log_determinant(e: Expression, context: Context) -> Expression | None:
    if not isinstance(e, D) or not isinstance(e.body, Call) or e.body.function != "logdet":
        return None
    return _trace_of_slope(e.body, e, context)


def _trace_of_slope(whole: Call, e: D, context: Context) -> Expression:
    """tr(A⁻¹ dA)."""
    matrix, (k, m), ranges = _argument(whole, e, context)
    product = mul(Item(Call("inv", (matrix,)), (m, k)), D(entry(matrix, k, m), e.wrt))
    return Reduce("sum", product, (k.name, m.name), None, ranges)


def _argument(
    whole: Expression, e: D, context: Context
) -> tuple[Expression, tuple[Index, Index], tuple[Expression, ...]]:
    """The matrix, two new indices over its rows and columns, and their sizes where they are known."""
    matrix = whole.args[0] if isinstance(whole, Call) else whole
    taken = {**index_names(e), **names(e), **context.ranges}
    row = fresh(taken, "k")
    column = fresh({**taken, row: None}, "k")
    return matrix, (Index(row), Index(column)), _sizes(matrix, context)


def _sizes(matrix: Expression, context: Context) -> tuple[Expression, ...]:
    if isinstance(matrix, ComponentTensor):
        return matrix.ranges
    if isinstance(matrix, Ref) and matrix.name in context.shapes:
        return context.shapes[matrix.name][-2:]
    return ()


INVERSE_MATRIX = Rule(
    "derivative of an inverse matrix",
    "D(inv(A)[i, j], x) = -sum(inv(A)[i, k]*D(A[k, l], x)*inv(A)[l, j], k, l), from A @ inv(A) = I",
    at_every_place(_inverse, D),
    frozenset({"inv"}),
    frozenset({Item}),
)
DETERMINANT = Rule(
    "derivative of a determinant",
    "D(det(A), x) = det(A)*sum(inv(A)[l, k]*D(A[k, l], x), k, l), Jacobi's formula",
    at_every_place(_determinant, D),
    frozenset({"det"}),
    frozenset({Call}),
)
LOG_DETERMINANT = Rule(
    "derivative of a log determinant",
    "D(logdet(A), x) = sum(inv(A)[l, k]*D(A[k, l], x), k, l)",
    at_every_place(_log_determinant, D),
    frozenset({"logdet"}),
    frozenset({Call}),
)
MATRIX_RULES = (INVERSE_MATRIX, DETERMINANT, LOG_DETERMINANT)
