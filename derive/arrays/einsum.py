"""Sums that only code can say as arrays: products over any indices, what an index array scatters."""

from __future__ import annotations

from string import ascii_letters

from derive.arrays.layout import Axes, Laid, Layout
from derive.arrays.products import over_and_under
from derive.arrays.stacked import stacked
from derive.expression.build import ONE, div, mul
from derive.expression.nodes import Call, Constant, Expression, Index, Reduce, Ref
from derive.expression.parts import flat_factors
from derive.expression.walk import free_indices
from derive.rules.sums import is_delta


def einsum(layout: Layout, e: Reduce, order: Axes) -> Laid | None:
    """``sum(A[i, j, k]*B[k, l]*x[j], j, k)`` in products of two arrays, else in one call; None if it is no product."""
    above, below = over_and_under(flat_factors(e.body))
    factors = [*above, *(div(ONE, f) for f in below)]
    relevant = (*order, *e.indices)
    if any(is_delta(f) for f in factors):
        return None
    laid = [layout.lay(f, tuple(i for i in free_indices(f) if i in relevant)) for f in factors]
    arrays = [part for part in laid if part.axes]
    summed = {i for part in arrays for i in part.axes}
    if len(arrays) < 2 or not set(e.indices) <= summed:
        return None
    axes = tuple(i for i in order if i in summed)
    scalars = [part.expr for part in laid if not part.axes]
    in_pairs = stacked(layout, arrays, axes)
    if in_pairs is not None:
        return Laid(mul(*scalars, in_pairs.expr), axes)
    letters = dict(zip(dict.fromkeys(i for part in arrays for i in part.axes), ascii_letters, strict=False))
    inputs = ",".join("".join(letters[i] for i in part.axes) for part in arrays)
    signature = Constant(f"{inputs}->{''.join(letters[i] for i in axes)}")
    whole = Call("einsum", tuple(part.expr for part in arrays), (("signature", signature),))
    return Laid(mul(*scalars, whole), axes)


def scattered(layout: Layout, e: Reduce, order: Axes) -> Laid | None:
    """``sum(delta(v, t[n])*u[n, k], n)``: each u[n] is added to the row t[n]; the gradient of a look-up E[t]."""
    factors = flat_factors(e.body)
    found = [f for f in factors if _row_and_positions(f, order, e.indices) is not None]
    if len(found) != 1:
        return None
    row, positions = _row_and_positions(found[0], order, e.indices) or ("", ONE)
    rest = [f for f in factors if f is not found[0]]
    own = tuple(i for i in e.indices if i in free_indices(positions))
    if any(row in free_indices(f) for f in rest):
        return None
    others = [(i, size) for i, size in zip(e.indices, e.ranges, strict=True) if i not in own]
    values = mul(*rest)
    if others:
        values = Reduce("sum", values, tuple(i for i, _ in others), None, tuple(size for _, size in others))
    left = tuple(i for i in order if i != row and i in free_indices(values))
    laid = layout.lay(values, (*own, *left))
    if laid.axes != (*own, *left):
        return None
    whole = Call("scatter_add", (layout.lay(positions, own).expr, laid.expr, layout.size(row)))
    return layout.ordered(Laid(whole, (row, *left)), order)


def _row_and_positions(f: Expression, order: Axes, bound: Axes) -> tuple[str, Expression] | None:
    """In ``delta(v, t[n])`` the free index v, and t[n]."""
    if not isinstance(f, Call) or not is_delta(f):
        return None
    for row, positions in (f.args, f.args[::-1]):
        if isinstance(row, Index) and row.name in order and isinstance(positions, Ref):
            free = set(free_indices(positions))
            if free and free <= set(bound):
                return row.name, positions
    return None
