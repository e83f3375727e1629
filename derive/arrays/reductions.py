"""Reductions as whole arrays: sums of products as matrix products, others over axes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import combinations

from derive.arrays.columns import ONE_LONG
from derive.arrays.contraction import Factor, Network, NoMatrixForm, is_diagonal, total
from derive.arrays.einsum import einsum, scattered
from derive.arrays.layout import Laid, Layout, NoArrayForm
from derive.arrays.products import over_and_under
from derive.arrays.windows import placed
from derive.expression.build import ONE, ZERO, add, neg, number
from derive.expression.nodes import (
    Add,
    Both,
    Call,
    Compare,
    Constant,
    Div,
    Expression,
    Index,
    Mul,
    Neg,
    Reduce,
    Transpose,
    Where,
)
from derive.expression.parts import flat_factors
from derive.expression.walk import bound_apart, contains, free_indices, operations, walk
from derive.rules.expansion import written_out
from derive.rules.structures import of_entries

LEAST = Neg(Constant("inf"))
POSITIONS = ("argmax", "argmin")  # these give the number of an entry, in the order of the indices
NEUTRAL: dict[str, Expression] = {
    "sum": ZERO,
    "prod": ONE,
    "max": LEAST,
    "min": Constant("inf"),
    "argmax": LEAST,
    "argmin": Constant("inf"),
    "logsumexp": LEAST,
}


def reduction(layout: Layout, e: Reduce, order: tuple[str, ...]) -> Laid:
    if layout.in_code and set(e.indices) & set(order):  # a letter that an index around has too
        apart = bound_apart(e, dict.fromkeys((*order, *layout.sizes)))
        e = apart if isinstance(apart, Reduce) else e
    outer = layout.sizes
    layout.sizes = outer | dict(zip(e.indices, e.ranges, strict=False))
    try:
        return reduced(layout, e, order)
    finally:
        layout.sizes = outer


def reduced(layout: Layout, e: Reduce, order: tuple[str, ...]) -> Laid:
    if e.op == "sum" and e.condition is None and isinstance(e.body, Where) and of_entries(e.body):
        return layout.lay(_in_each_case(e, e.body), order)
    condition = own_condition(layout, e)
    if condition is not None:
        if not layout.in_code or e.op not in NEUTRAL:
            raise NoArrayForm
        e = Reduce(e.op, Where(condition, e.body, NEUTRAL[e.op]), e.indices, None, e.ranges)
    if e.op == "sum":
        found = contraction(layout, Reduce("sum", e.body, e.indices, None, e.ranges), order)
        if found is not None:
            return found
    if any(i in order for i in e.indices):
        raise NoArrayForm
    return over_bound_axes(layout, e, order)


def _in_each_case(e: Reduce, body: Where) -> Expression:
    """The sum of a case distinction between entries that the bound indices are not of."""
    if set(e.indices) & set(free_indices(body.condition)):
        raise NoArrayForm
    return Where(body.condition, *(_summed_by_terms(u, e) for u in (body.then, body.otherwise)))


def _summed_by_terms(u: Expression, e: Reduce) -> Expression:
    terms = u.terms if isinstance(u, Add) else (u,)
    return (
        ZERO if u == ZERO else add(*(_signed(t, lambda v: Reduce("sum", v, e.indices, None, e.ranges)) for t in terms))
    )


def _signed(e: Expression, change: Callable[[Expression], Expression]) -> Expression:
    return neg(change(e.arg)) if isinstance(e, Neg) else change(e)


def over_bound_axes(layout: Layout, e: Reduce, order: tuple[str, ...]) -> Laid:
    """The body laid out and reduced over its bound axes."""
    ways: list[Laid] = []
    for axes in _orders(layout, e, order):
        with suppress(NoArrayForm):
            ways.append(layout.lay(e.body, axes))
        if ways and not contains(ways[0].expr, _is_turned):
            break
    if not ways:
        raise NoArrayForm
    if layout.in_code and contains(ways[0].expr, _is_turned):
        ways += _as_they_lie(layout, e, order)
    plain = [laid for laid in ways if not contains(laid.expr, _is_turned)]
    return summed(layout, e.op, (plain or ways)[0], e)


def _orders(layout: Layout, e: Reduce, order: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Bound axes behind the others, before them, and in code between them too: whichever needs no transpose."""
    yield (*order, *e.indices)
    if len(e.indices) == 1 or layout.in_code:
        yield (*e.indices, *order)
    if layout.in_code:
        for places in combinations(range(len(order) + len(e.indices)), len(e.indices)):
            bound, free = iter(e.indices), iter(order)
            yield tuple(next(bound if k in places else free) for k in range(len(order) + len(e.indices)))


def _is_turned(e: Expression) -> bool:
    return isinstance(e, Transpose) or (isinstance(e, Call) and e.function == "transpose")


def _as_they_lie(layout: Layout, e: Reduce, order: tuple[str, ...]) -> list[Laid]:
    """The body with its axes in the order in which it speaks of them: windows beside the places that they are at."""
    own = tuple(i for i in free_indices(e.body) if i in order or i in e.indices)
    if tuple(i for i in own if i not in e.indices) != tuple(i for i in order if i in own):
        return []
    with suppress(NoArrayForm):
        return [layout.lay(e.body, own)]
    return []


def own_condition(layout: Layout, e: Reduce) -> Expression | None:
    """The reduction's condition without what its ranges say already."""
    if e.condition is None:
        return None
    parts = e.condition.conditions if isinstance(e.condition, Both) else (e.condition,)
    said = [Compare("<", Index(i), size) for i, size in zip(e.indices, e.ranges, strict=False)]
    kept = tuple(c for c in parts if not (layout.in_code and c in said))
    return None if not kept else kept[0] if len(kept) == 1 else Both(kept)


def summed(layout: Layout, op: str, inner: Laid, e: Reduce) -> Laid:
    bound = [i for i in inner.axes if i in e.indices]
    if len(bound) != len(e.indices) or ONE_LONG in inner.axes:
        raise NoArrayForm
    left = tuple(i for i in inner.axes if i not in e.indices)
    if not left and op == "sum" and is_diagonal(inner.expr) and not layout.in_code:
        return Laid(Call("trace", inner.expr.args), ())
    if op in POSITIONS and not layout.in_code:
        raise NoArrayForm
    if not left and op not in POSITIONS:
        return Laid(total(inner.expr) if op == "sum" else Call(op, (inner.expr,)), ())
    if layout.in_code and (len(bound) > 1 or op in POSITIONS):
        order = e.indices if op in POSITIONS else bound
        places = Constant(f"({', '.join(str(inner.axes.index(i)) for i in order)}{',' * (len(order) == 1)})")
        return Laid(Call(op, (inner.expr,), (("axis", places),)), left)
    expr, axes = inner.expr, list(inner.axes)
    for index in reversed(bound):
        axis = axes.index(index)
        expr = Call(op, (expr,), (("axis", number(axis)),))
        axes.pop(axis)
    return Laid(expr, left)


def contraction(layout: Layout, e: Reduce, order: tuple[str, ...]) -> Laid | None:
    """A sum of products as a chain of matrix products; sums inside its factors are written out if need be."""
    body = e.body
    if isinstance(body, Neg):
        inner = reduction(layout, Reduce("sum", body.arg, e.indices, None, e.ranges), order)
        return Laid(neg(inner.expr), inner.axes)
    if isinstance(body, Add) and not layout.in_code:
        together, apart = _attempt(over_bound_axes, layout, e, order), _term_by_term(layout, e, order)
        if together is not None and apart is not None:
            return min((together, apart), key=lambda laid: operations(laid.expr))
        return together or apart or _with_sums_written_out(layout, e, order)
    if isinstance(body, Reduce) and layout.in_code and body.op == "sum" and body.condition is None:
        both = (*e.indices, *body.indices), (*e.ranges, *body.ranges)
        return reduction(layout, Reduce("sum", body.body, both[0], None, both[1]), order)
    if not isinstance(body, (Mul, Div)):
        return None
    if layout.in_code and (found := scattered(layout, e, order) or placed(layout, e, order)) is not None:
        return found
    try:
        network = Network(factors(layout, body, (*order, *e.indices)), layout.in_code)
        network.contracted(e.indices)
        expr, axes = network.result(order)
    except (NoMatrixForm, NoArrayForm):
        return einsum(layout, e, order) if layout.in_code else _with_sums_written_out(layout, e, order)
    return Laid(expr, axes)


def _attempt(
    lay: Callable[[Layout, Reduce, tuple[str, ...]], Laid], layout: Layout, e: Reduce, order: tuple[str, ...]
) -> Laid | None:
    try:
        return lay(layout, e, order)
    except NoArrayForm:
        return None


def _term_by_term(layout: Layout, e: Reduce, order: tuple[str, ...]) -> Laid | None:
    """The sum of a sum, each term summed by itself."""
    try:
        return layout.lay(_summed_by_terms(e.body, e), order)
    except NoArrayForm:
        return None


def factors(layout: Layout, e: Expression, relevant: tuple[str, ...]) -> list[Factor]:
    """The factors of a product or fraction with their axes; those over the same two axes the same way round."""
    above, below = over_and_under(flat_factors(e))
    ways = [_ways(layout, f, relevant) for f in (*above, *below)]
    chosen = [_best([w for w in ways if set(w) & set(own)], own) for own in ways]
    pairs = enumerate(zip(ways, chosen, strict=True))
    return [Factor(own[axes].expr, axes, k >= len(above)) for k, (own, axes) in pairs]


Ways = dict[tuple[str, ...], Laid]  # by the order of the axes


def _ways(layout: Layout, e: Expression, relevant: tuple[str, ...]) -> Ways:
    """An array over two axes at most, one way round and the other, where that can be said."""
    own = tuple(i for i in relevant if i in free_indices(e))
    if len(own) > 2:
        raise NoMatrixForm
    found: Ways = {}
    for order in dict.fromkeys((own, own[::-1])):
        try:
            laid = layout.lay(e, order)
        except NoArrayForm:
            continue
        if ONE_LONG not in laid.axes:
            found[laid.axes] = laid
    if not found:
        raise NoMatrixForm
    return found


def _best(together: list[Ways], own: Ways) -> tuple[str, ...]:
    """The order of the axes in which all that have them need the fewest transposes."""
    shared = [axes for axes in own if all(axes in ways for ways in together)] or list(own)
    return min(shared, key=lambda axes: sum(_transposes(ways[axes].expr) for ways in together if axes in ways))


def _with_sums_written_out(layout: Layout, e: Reduce, order: tuple[str, ...]) -> Laid | None:
    """The sum with the sums in its factors distributed over it, each a chain of its own."""
    flat = written_out(e)
    if flat == e or layout.writing_out:
        return None
    layout.writing_out = True
    try:
        return layout.lay(flat, order)
    except NoArrayForm:
        return None
    finally:
        layout.writing_out = False


def _transposes(e: Expression) -> int:
    return sum(isinstance(node, Transpose) for node in walk(e))
