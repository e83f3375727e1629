"""Results that arrays say step by step: ``D(L, z[t]) @ U``, and ``sum(outer(D(L, z[t]), x[t - 1]), t, t > 0)``.

In: a core expression that no whole array says.  Out: the same with the first axis, or the index of a sum, left as an
index, and everything behind it in whole-array notation; None where that cannot be said either.
"""

from __future__ import annotations

from collections.abc import Mapping

from derive.arrays.form import in_arrays
from derive.arrays.layout import MARK, Axes
from derive.expression.build import ZERO, add, neg
from derive.expression.nodes import Expression, Index, Neg, Reduce, Ref
from derive.expression.parts import terms_of
from derive.expression.walk import bottom_up, free_indices, rename_indices, replace, walk
from derive.rules.sums import is_delta

Shapes = Mapping[str, tuple[Expression, ...]]



def in_steps(e: Expression, axes: Axes, sizes: tuple[Expression, ...], shapes: Shapes) -> Expression | None:
    """The expression over `axes` with an index kept: the first of several axes, else those of its sums."""
    if len(axes) > 1 and (found := _held(e, (axes[0],), axes[1:], sizes[1:], shapes)) is not None:
        return found
    if not axes:
        return None
    parts = [_of_term(term, axes, sizes, shapes) for term in terms_of(e)]
    return None if any(part is None for part in parts) else add(*(part or ZERO for part in parts))


def _held(
    e: Expression, held: tuple[str, ...], axes: Axes, sizes: tuple[Expression, ...], shapes: Shapes
) -> Expression | None:
    """In arrays over the axes, the held indices as they are."""
    marked: dict[Expression, Expression] = {Ref(MARK + i): Index(i) for i in held}
    named = rename_indices(e, {i: Ref(MARK + i) for i in held})
    for k, delta in enumerate(dict.fromkeys(n for n in walk(named) if is_delta(n) and not free_indices(n))):
        marked[Ref(f"{MARK}{k} of a delta")] = delta
    named = bottom_up(named, lambda n: next((mark for mark, d in marked.items() if d == n), n))
    found = in_arrays(named, axes, sizes, shapes)
    return None if found is None else replace(replace(found, marked), marked)


def _of_term(e: Expression, axes: Axes, sizes: tuple[Expression, ...], shapes: Shapes) -> Expression | None:
    if isinstance(e, Neg):
        inner = _of_term(e.arg, axes, sizes, shapes)
        return None if inner is None else neg(inner)
    whole = in_arrays(e, axes, sizes, shapes)
    if whole is not None or not isinstance(e, Reduce) or e.op != "sum" or len(e.ranges) != len(e.indices):
        return whole
    asked = () if e.condition is None else free_indices(e.condition)
    held = tuple(i for i in e.indices if i in asked) or e.indices[:1]
    ranges = dict(zip(e.indices, e.ranges, strict=True))
    rest = tuple(i for i in e.indices if i not in held)
    body = Reduce("sum", e.body, rest, None, tuple(ranges[i] for i in rest)) if rest else e.body
    inner = _held(body, held, axes, sizes, shapes)
    return None if inner is None else Reduce("sum", inner, held, e.condition, tuple(ranges[i] for i in held))
