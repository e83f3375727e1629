"""Functions of a matrix as whole arrays: inv(A), det(A), logdet(A)."""

from __future__ import annotations

from derive.arrays.contraction import WHOLE
from derive.arrays.layout import Laid, Layout, NoArrayForm
from derive.expression.nodes import Call, ComponentTensor, Expression, Index, Item, Number, Ref
from derive.expression.walk import free_indices, fresh, index_names
from derive.rules.matrices import entry


def of_matrix(layout: Layout, e: Call, order: tuple[str, ...]) -> Laid:
    """A function of a matrix, whose rows and columns are the last axes of its argument."""
    matrix = e.args[0]
    order = tuple(i for i in order if i in free_indices(matrix))
    taken = {**index_names(e), **dict.fromkeys((*order, *layout.sizes))}
    row = fresh(taken, "p")
    column = fresh({**taken, row: None}, "q")
    outer = layout.sizes
    layout.sizes = outer | dict(zip((row, column), _sizes(layout, matrix), strict=False))
    try:
        inner = layout.lay(entry(matrix, Index(row), Index(column)), (*order, row, column))
    finally:
        layout.sizes = outer
    if layout.in_code and inner.axes[-2:] != (row, column):
        inner = _repeated(layout, inner, (row, column), matrix)
    if inner.axes[-2:] != (row, column) or (len(inner.axes) > 2 and not layout.in_code):
        raise NoArrayForm
    return Laid(Call(e.function, (inner.expr,)), inner.axes[:-2])


def _sizes(layout: Layout, matrix: Expression) -> tuple[Expression, ...]:
    """The number of rows and that of columns, as far as they are known."""
    match matrix:
        case ComponentTensor():
            return matrix.ranges
        case Ref():
            return (layout.shapes or {}).get(matrix.name, ())[-2:]
    return ()


def _repeated(layout: Layout, inner: Laid, last: tuple[str, str], matrix: Expression) -> Laid:
    """A matrix whose entries do not depend on the row or on the column, as one with a single row does not."""
    if not isinstance(matrix, ComponentTensor) or set(inner.axes) - set(last):
        raise NoArrayForm
    return Laid(Call("broadcast_to", (layout.broadcast(inner, last), *matrix.ranges)), last)


def inverse(layout: Layout, e: Item, order: tuple[str, ...]) -> Laid:
    """``inv(A)[i, j]`` is an element of inv(A)."""
    if not isinstance(e.arg, Call):
        raise NoArrayForm
    whole = of_matrix(layout, e.arg, order)
    plain = tuple(i.name for i in e.indices if isinstance(i, Index))
    if layout.in_code and all(isinstance(i, (Index, Number)) for i in e.indices) and len(plain) < len(e.indices):
        subscripts = tuple(WHOLE if isinstance(i, Index) else i for i in e.indices)
        entries = Item(whole.expr, (*[WHOLE] * len(whole.axes), *subscripts))
        return layout.ordered(Laid(entries, (*whole.axes, *plain)), order)
    if len(plain) < len(e.indices) or set(plain) & set(whole.axes):
        raise NoArrayForm
    if len(set(plain)) < len(plain):
        if whole.axes and not layout.in_code:
            raise NoArrayForm
        diagonal = Call("diagonal" if whole.axes else "diag", (whole.expr,))
        return layout.ordered(Laid(diagonal, (*whole.axes, plain[0])), order)
    return layout.ordered(Laid(whole.expr, (*whole.axes, *plain)), order)
