"""Products as whole arrays: elementwise, outer, with Kronecker deltas as diagonal matrices."""

from __future__ import annotations

from collections.abc import Sequence

from derive.arrays.layout import Laid, Layout, NoArrayForm
from derive.expression.build import ONE, ZERO, add, div, mul, neg
from derive.expression.nodes import Add, Call, Compare, Div, Expression, Index, Mul, Neg, Where
from derive.expression.parts import flat_factors
from derive.expression.walk import children, free_indices, nodes_of, rename_indices
from derive.parse.sizes import same_size
from derive.rules.sums import is_delta


def product(layout: Layout, factors: tuple[Expression, ...], order: tuple[str, ...]) -> Laid:
    for k, f in enumerate(factors if not layout.in_code else ()):
        if is_delta(f):
            return diagonal(layout, f, [*factors[:k], *factors[k + 1 :]], order)
        if isinstance(f, Add) and any(map(is_delta, nodes_of(f, Call))):
            rest = (*factors[:k], *factors[k + 1 :])
            terms = [neg(mul(*rest, t.arg)) if isinstance(t, Neg) else mul(*rest, t) for t in f.terms]
            return layout.lay(add(*(flat(t) for t in terms)), order)
    above, below = over_and_under(factors)
    if below and not layout.in_code:
        laid = [layout.lay(f, order) for f in (*above, *below)]
    else:
        above, below = list(factors), []
        laid = [layout.lay(f, order) for f in factors]
    axes = tuple(i for i in order if any(i in part.axes for part in laid))
    if len(axes) == 2 and all(len(part.axes) < 2 for part in laid) and not layout.in_code:
        return Laid(outer(layout, laid[: len(above)], laid[len(above) :], axes), axes)
    if below:
        raise NoArrayForm
    axes = layout.common_axes(laid, order)
    return Laid(mul(*(layout.broadcast(part, axes) for part in laid)), axes)


def outer(layout: Layout, above: list[Laid], below: list[Laid], axes: tuple[str, ...]) -> Expression:
    """A product of vectors over two axes; scalars go with the first."""
    sides: list[Expression] = []
    for own in (((), axes[:1]), (axes[1:],)):
        top = mul(*(part.expr for part in above if part.axes in own))
        under = [part.expr for part in below if part.axes in own]
        sides.append(div(top, mul(*under)) if under else top)
    return Call("outer", tuple(sides))


def diagonal(layout: Layout, kronecker: Expression, rest: list[Expression], order: tuple[str, ...]) -> Laid:
    """``delta(i, j)*u[i]`` is diag(u)."""
    a, b = (arg.name if isinstance(arg, Index) else "" for arg in children(kronecker))
    if a not in order or b not in order or not rest or not _square(layout, a, b):
        raise NoArrayForm
    if any({a, b} <= set(free_indices(f)) for f in flat_factors(mul(*rest))):
        whole = layout.lay(mul(*rest), (a, b))
        if whole.axes == (a, b):
            return Laid(Call("diag", (Call("diag", (whole.expr,)),)), tuple(i for i in order if i in (a, b)))
    inner = layout.lay(rename_indices(mul(*rest), {b: Index(a)}), order)
    axes = tuple(i for i in order if i in (a, b))
    if inner.axes == ():
        return Laid(mul(inner.expr, delta(layout, Call("delta", (Index(a), Index(b))), order).expr), axes)
    if inner.axes != (a,):
        raise NoArrayForm
    return Laid(Call("diag", (inner.expr,)), axes)


def delta(layout: Layout, e: Call, order: tuple[str, ...]) -> Laid:
    a, b = e.args
    if a == b:
        return Laid(ONE, ())
    if isinstance(a, Index) and isinstance(b, Index) and a.name in order and b.name in order:
        known = a.name in layout.sizes and b.name in layout.sizes
        if known and _square(layout, a.name, b.name) and (not layout.in_code or len(order) == 2):
            return Laid(Call("eye", (layout.size(a.name),)), tuple(i for i in order if i in (a.name, b.name)))
    if not layout.in_code:
        raise NoArrayForm
    return layout.lay(Where(Compare("==", a, b), ONE, ZERO), order)


def _square(layout: Layout, a: str, b: str) -> bool:
    """Whether two axes have the same length, as far as that is known."""
    rows, columns = layout.sizes.get(a), layout.sizes.get(b)
    return rows is None or columns is None or same_size(rows, columns)


def over_and_under(factors: Sequence[Expression]) -> tuple[list[Expression], list[Expression]]:
    above: list[Expression] = []
    below: list[Expression] = []
    for f in factors:
        if isinstance(f, Div):
            above += flat_factors(f.numerator)
            below += flat_factors(f.denominator)
        else:
            above.append(f)
    return above, below


def flat(e: Expression) -> Expression:
    """A product of products as one product."""
    if isinstance(e, Neg):
        return neg(flat(e.arg))
    return mul(*flat_factors(e)) if isinstance(e, Mul) else e


