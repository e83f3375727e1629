"""Index form → whole-array notation: ``(a[i] - y[i])*x[j]`` over the axes (i, j) is ``outer(a - y, x)``.

In: a core expression and the order of its axes.  Out: the same in whole-array notation, or None where that notation
cannot say it.  It is the inverse of `derive.parse.elaborate`.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

from derive.arrays.layout import Axes, Laid, Layout, NoArrayForm
from derive.arrays.matrices import inverse, of_matrix
from derive.arrays.pieces import joined, leading_pieces
from derive.arrays.products import delta, product
from derive.arrays.reductions import reduction
from derive.arrays.references import ref
from derive.arrays.triangles import cases_of_entries
from derive.expression.build import add, neg, number
from derive.expression.nodes import (
    Add,
    Both,
    Call,
    Compare,
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
from derive.expression.parts import terms_of
from derive.expression.walk import children, nodes_of, with_children
from derive.rules.matrices import is_matrix_call
from derive.rules.structures import of_entries
from derive.rules.sums import is_delta


def in_arrays(
    e: Expression,
    axes: Axes,
    sizes: tuple[Expression, ...] = (),
    shapes: Mapping[str, tuple[Expression, ...]] | None = None,
    in_code: bool = False,
) -> Expression | None:
    """The expression over `axes`, of the given sizes, in whole-array notation, or None.

    The `shapes` of the names tell where an index runs over less than an axis.  In code everything that numpy can say
    is allowed: new axes, slices, index arrays.
    """
    try:
        return Layout(_lay, dict(zip(axes, sizes, strict=False)), shapes, in_code).whole(e, axes)
    except NoArrayForm:
        return None


def _lay(layout: Layout, e: Expression, order: Axes) -> Laid:
    """The expression with its free indices as axes, in the given order."""
    match e:
        case Number() | Constant():
            return Laid(e, ())
        case Index():
            return layout.positions(e, order)
        case Ref():
            return ref(layout, e, order, lambda indices: Ref(e.name, indices))
        case D(body=Ref() as loss):  # or the loss of each example
            if loss.indices != e.wrt.indices[: len(loss.indices)]:
                raise NoArrayForm
            return ref(layout, e.wrt, order, lambda indices: D(Ref(loss.name), Ref(e.wrt.name, indices)))
        case Add() | Where() | Reduce() | Mul() if (row := _in_pieces(layout, e, order)) is not None:
            return row
        case Where() if of_entries(e) and (found := _entries(layout, e, order)) is not None:
            return found
        case Add() | Div() | Pow() | Where() | Compare() | Both():
            if isinstance(e, Add) and any(map(is_delta, nodes_of(e, Call))):
                return layout.elementwise(e.terms, order, lambda parts: add(*parts))
            try:
                return layout.elementwise(children(e), order, lambda parts: with_children(e, parts))
            except NoArrayForm:
                if not isinstance(e, Div) or layout.in_code:
                    raise
                return product(layout, (e,), order)
        case Neg():
            inner = layout.lay(e.arg, order)
            return Laid(neg(inner.expr), inner.axes)
        case Call() if is_delta(e):
            return delta(layout, e, order)
        case Call() if is_matrix_call(e):
            return of_matrix(layout, e, order)
        case Item(arg=Call(function="inv")):
            return inverse(layout, e, order)
        case Call(options=(("axis", Index() as axis),)):
            inner = layout.lay(e.args[0], order)
            return Laid(Call(e.function, (inner.expr,), (("axis", _position(axis.name, inner.axes)),)), inner.axes)
        case Call():
            return layout.elementwise(e.args, order, lambda parts: Call(e.function, parts, e.options))
        case Mul():
            return product(layout, e.factors, order)
        case Reduce():
            return reduction(layout, e, order)
    raise NoArrayForm


def _in_pieces(layout: Layout, e: Expression, order: Axes) -> Laid | None:
    """All of it in pieces that are laid end to end, or the first of its terms."""
    with suppress(NoArrayForm):
        if (found := joined(layout, e, order)) is not None:
            return found
        count = leading_pieces(e, order) if isinstance(e, Add) else 0
        for k in range(2, count + (count < len(terms_of(e)))):
            first, rest = (add(*terms) for terms in (terms_of(e)[:k], terms_of(e)[k:]))
            if joined(layout, first, order) is not None:
                return layout.elementwise((first, rest), order, lambda parts: add(*parts))
    return None


def _entries(layout: Layout, e: Where, order: Axes) -> Laid | None:
    """A case distinction between a matrix's entries; in code there is always ``np.where`` too."""
    try:
        return cases_of_entries(layout, e, order)
    except NoArrayForm:
        if layout.in_code:
            return None
        raise


def _position(axis: str, axes: tuple[str, ...]) -> Expression:
    """An axis by its number, counted from the end."""
    if axis not in axes:
        raise NoArrayForm
    return neg(number(len(axes) - axes.index(axis)))
