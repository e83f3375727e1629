"""Elements of a name as a whole array: in code also as slices and by arrays of positions."""

from __future__ import annotations

from collections.abc import Callable

from derive.arrays.columns import ONE_LONG
from derive.arrays.contraction import WHOLE
from derive.arrays.layout import Laid, Layout, NoArrayForm
from derive.arrays.windows import windows
from derive.expression.build import ZERO, add
from derive.expression.nodes import Add, Call, Expression, Index, Item, Neg, Ref, Slice
from derive.expression.walk import free_indices
from derive.parse.sizes import is_one, plus, polynomial, same_size

Make = Callable[[tuple[Expression, ...]], Expression]


def ref(layout: Layout, e: Ref, order: tuple[str, ...], make: Make) -> Laid:
    plain = tuple(i.name for i in e.indices if isinstance(i, Index))
    fixed = [k for k, i in enumerate(e.indices) if not isinstance(i, Index)]
    twice = len(set(plain)) != len(plain)
    in_part = any(map(lambda i, n: is_part(layout, i, n), e.indices, (layout.shapes or {}).get(e.name, ())))
    if layout.in_code and (fixed or twice or in_part):
        return part(layout, e, order, make)
    if in_part or (not layout.in_code and any(map(_is_shifted, e.indices))):
        if len(e.indices) != len((layout.shapes or {}).get(e.name, ())):
            raise NoArrayForm
        return part(layout, e, order, lambda subscripts: _sliced(make(()), subscripts))
    if not layout.in_code and _is_column(layout, e) and plain and plain[0] in order:
        return Laid(make(()), (plain[0], ONE_LONG))
    if len(plain) == 2 and twice and not fixed and not in_part:
        return Laid(Call("diag", (make(()),)), plain[:1])
    if any(free_indices(e.indices[k]) for k in fixed) or fixed != list(range(len(fixed))) or twice:
        raise NoArrayForm
    return layout.ordered(Laid(make(e.indices[: len(fixed)]), plain), order)


def _is_shifted(subscript: Expression) -> bool:
    """``j + 2``, not ``j`` nor ``2``."""
    return isinstance(subscript, Add) and bool(free_indices(subscript))


def _sliced(whole: Expression, subscripts: tuple[Expression, ...]) -> Expression:
    """``D(L, u)[:2]`` and ``W[:, 4:]``, without what is whole at the end."""
    while subscripts and subscripts[-1] == WHOLE:
        subscripts = subscripts[:-1]
    if not subscripts:
        return whole
    return Ref(whole.name, subscripts) if isinstance(whole, Ref) else Item(whole, subscripts)


def _is_column(layout: Layout, e: Ref) -> bool:
    """``v[i, 0]`` of a v of shape (n, 1)."""
    shape = (layout.shapes or {}).get(e.name, ())
    return len(shape) == 2 and is_one(shape[1]) and isinstance(e.indices[0], Index) and e.indices[1] == ZERO


def is_part(layout: Layout, index: Expression, size: Expression) -> bool:
    """Whether an index runs over less than the axis that it subscripts."""
    return isinstance(index, Index) and index.name in layout.sizes and not same_size(layout.sizes[index.name], size)


def part(layout: Layout, e: Ref, order: tuple[str, ...], make: Make) -> Laid:
    """``x[j + 1]`` as the slice ``x[1:1 + size]``, ``x[2*i + p]`` by an array of positions."""
    subscripts: list[Expression] = []
    axes: list[str] = []
    shape = (layout.shapes or {}).get(e.name, ())
    for index, size in zip(e.indices, shape, strict=True):
        free = list(free_indices(index))
        if not free:
            subscripts.append(index)
        elif len(free) == 1 and free[0] not in axes and (start := start_of(index, free[0])) is not None:
            if may_be_negative(start) or reaches_beyond(start, layout.size(free[0]), size):
                return gathered(layout, e, order, make)
            whole = start == ZERO and not is_part(layout, Index(free[0]), size)
            stop: Expression | None = plus(add(start, layout.size(free[0])), 0)
            if not layout.in_code and stop is not None and same_size(stop, size):
                stop = None
            subscripts.append(WHOLE if whole else Slice(None if start == ZERO else start, stop, None))
            axes.append(free[0])
        else:
            return gathered(layout, e, order, make)
    return layout.ordered(Laid(make(tuple(subscripts)), tuple(axes)), order)


def gathered(layout: Layout, e: Ref, order: tuple[str, ...], make: Make) -> Laid:
    """Subscripts as arrays of positions over the axes that they speak of, ``x[2*i + p]``, in code alone."""
    if not layout.in_code:
        raise NoArrayForm
    if (found := windows(layout, e, make(()), order)) is not None:
        return found
    shape = (layout.shapes or {}).get(e.name, ())
    plain = [_stands_alone(layout, e, k, size) for k, size in enumerate(shape)]
    if not _contiguous(plain):
        plain = [False] * len(plain)
    places = [k for k, alone in enumerate(plain) if not alone]
    laid = {k: inside(layout, layout.lay(e.indices[k], order), e.indices[k], shape[k]) for k in places}
    axes = tuple(i for i in order if any(i in part.axes for part in laid.values()))
    subscripts = [WHOLE if alone else layout.broadcast(laid[k], axes) for k, alone in enumerate(plain)]
    before = tuple(str(i) for i in e.indices[: places[0]])
    behind = tuple(str(i) for i in e.indices[places[-1] + 1 :])
    return layout.ordered(Laid(make(tuple(subscripts[: places[-1] + 1])), (*before, *axes, *behind)), order)


def inside(layout: Layout, positions: Laid, index: Expression, size: Expression) -> Laid:
    """Positions, those beyond an end moved there that a case distinction around excludes.

    ``x[i - 1]`` where i > 0 must not wrap around, ``x[i + 1]`` where i < n - 1 must not ask for what is not there.
    """
    starts = {name: start for name in free_indices(index) if (start := start_of(index, name)) is not None}
    found = positions
    if any(map(may_be_negative, starts.values())):
        found = Laid(Call("maximum", (found.expr, ZERO)), found.axes)
    if any(reaches_beyond(start, layout.size(name), size) for name, start in starts.items() if name in layout.sizes):
        found = Laid(Call("minimum", (found.expr, plus(size, -1))), found.axes)
    return found


def reaches_beyond(start: Expression, length: Expression, size: Expression) -> bool:
    """Whether so many entries from a start on are more than an axis has."""
    more = polynomial(add(start, length, Neg(size)))
    return more is not None and (any(c > 0 for m, c in more.items() if m) or (set(more) == {()} and more[()] > 0))


def may_be_negative(start: Expression) -> bool:
    terms = start.terms if isinstance(start, Add) else (start,)
    return any(isinstance(term, Neg) for term in terms)


def _stands_alone(layout: Layout, e: Ref, k: int, size: Expression) -> bool:
    """Whether a subscript is an index over its whole axis that no other subscript has."""
    index = e.indices[k]
    others = (i for j, other in enumerate(e.indices) if j != k for i in free_indices(other))
    return isinstance(index, Index) and not is_part(layout, index, size) and index.name not in others


def _contiguous(plain: list[bool]) -> bool:
    """Whether the subscripts that are arrays stand side by side: only then numpy leaves the axes in order."""
    places = [k for k, alone in enumerate(plain) if not alone]
    return bool(places) and places[-1] - places[0] + 1 == len(places)


def start_of(index: Expression, name: str) -> Expression | None:
    """Where ``j`` or ``j + start`` begins."""
    if index == Index(name):
        return ZERO
    if isinstance(index, Add) and index.terms[0] == Index(name):
        return add(*index.terms[1:])
    return None
