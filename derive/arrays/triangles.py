"""Cases of a matrix's entries as whole arrays: what lies on the diagonal, or on it and below."""

from __future__ import annotations

from derive.algebra.rational import Rational, TooLarge, alpha_normal, parts_sorted
from derive.arrays.layout import Axes, Laid, Layout, NoArrayForm
from derive.arrays.products import diagonal
from derive.expression.build import ONE, TWO, ZERO, add, mul, neg
from derive.expression.nodes import Add, Call, Compare, Expression, Index, Mul, Neg, Number, Reduce, Where
from derive.expression.parts import factors_of, minus, terms_of
from derive.expression.walk import bottom_up, rename_indices
from derive.parse.sizes import same_size


def cases_of_entries(layout: Layout, e: Where, order: Axes) -> Laid:
    """``where(i >= j, u, 0)`` is tril(u), ``where(i == j, u, 0)`` is diag(diag(u)).

    Of what is added up, ``where(i == j, u, v)`` is v with another diagonal: v - diag(diag(u)) where v doubles it.
    """
    axes = _axes(e, order)
    if not all(i in layout.sizes for i in axes) or not same_size(*map(layout.size, axes)):
        raise NoArrayForm
    if isinstance(e.condition, Compare) and e.condition.op == ">=":
        if e.otherwise != ZERO:
            raise NoArrayForm
        return Laid(Call(_triangle(e.condition, axes), (_matrix(layout, e.then, axes),)), axes)
    if e.otherwise == ZERO:
        return _diagonal(layout, e.then, axes)
    whole, own = _matrix(layout, e.otherwise, axes), _diagonal(layout, e.then, axes).expr
    if _doubles(e.otherwise, e.then, axes):
        return Laid(add(*terms_of(whole), *terms_of(minus(own))), axes)
    return Laid(add(*terms_of(whole), *terms_of(minus(_diagonal(layout, e.otherwise, axes).expr)), own), axes)


def _axes(e: Where, order: Axes) -> Axes:
    if not isinstance(e.condition, Compare):
        raise NoArrayForm
    found = {side.name for side in (e.condition.left, e.condition.right) if isinstance(side, Index)}
    axes = tuple(i for i in order if i in found)
    if len(axes) != 2:
        raise NoArrayForm
    return axes


def _triangle(test: Compare, axes: Axes) -> str:
    return "tril" if test.left == Index(axes[0]) else "triu"


def _matrix(layout: Layout, e: Expression, axes: Axes) -> Expression:
    """The expression over both axes, also where it does not depend on one of them."""
    laid = layout.lay(e, axes)
    if laid.axes == axes:
        return laid.expr
    sizes = [layout.size(i) for i in axes]
    if not laid.axes:
        ones = Call("ones", tuple(sizes))
        return ones if laid.expr == ONE else mul(laid.expr, ones)
    sides = [laid.expr if (i,) == laid.axes else Call("ones", (n,)) for i, n in zip(axes, sizes, strict=True)]
    return Call("outer", tuple(sides))


def _diagonal(layout: Layout, e: Expression, axes: Axes) -> Laid:
    """The diagonal of an expression as a matrix, signs and numbers in front."""
    if isinstance(e, Neg):
        return Laid(neg(_diagonal(layout, e.arg, axes).expr), axes)
    if isinstance(e, Mul) and isinstance(e.factors[0], Number):
        return Laid(mul(e.factors[0], *factors_of(_diagonal(layout, mul(*e.factors[1:]), axes).expr)), axes)
    return diagonal(layout, Call("delta", tuple(map(Index, axes))), [e], axes)


def _doubles(v: Expression, u: Expression, axes: Axes) -> bool:
    """Whether v is 2*u on the diagonal."""
    swap: dict[str, Expression] = {axes[1]: Index(axes[0])}
    difference = bottom_up(rename_indices(add(v, neg(mul(TWO, u))), swap), _sum_in_order)
    try:
        return bool(Rational(difference).into(difference) == 0)
    except (TooLarge, ZeroDivisionError):
        return False


def _sum_in_order(e: Expression) -> Expression:
    """Sums that differ in the order of their factors alone become equal; each term is summed by itself."""
    if not isinstance(e, Reduce) or e.op != "sum":
        return e
    terms = e.body.terms if isinstance(e.body, Add) else (e.body,)
    sums = [Reduce("sum", t.arg if isinstance(t, Neg) else t, e.indices, e.condition, e.ranges) for t in terms]
    shown = (parts_sorted(alpha_normal(s)) for s in sums)
    return add(*(neg(s) if isinstance(t, Neg) else s for s, t in zip(shown, terms, strict=True)))


