"""Windows that slide over an axis, ``x[s*i + d*p + b]``, in code: read as a view, and added back.

The sum over i and p of what belongs to an entry, ``sum(u[i, p]*delta(s*i + d*p + b, j), i, p)``, is the transpose of
reading: each u[i, p] is added to the entry s*i + d*p + b.
"""

from __future__ import annotations

from dataclasses import dataclass

from derive.arrays.layout import Axes, Laid, Layout
from derive.arrays.products import over_and_under
from derive.expression.build import ONE, ZERO, add, div, mul, neg, number
from derive.expression.nodes import Call, Expression, Index, Number, Reduce, Ref
from derive.expression.parts import factors_of, flat_factors, terms_of
from derive.expression.walk import free_indices
from derive.parse.sizes import from_polynomial, plus, polynomial, same_size
from derive.rules.sums import is_delta


@dataclass(frozen=True, slots=True)
class Window:
    """The subscript ``step*place + dilation*offset + start``; `offset` is None where there is but one index."""

    place: str
    offset: str | None
    step: int
    dilation: int
    start: Expression

    @property
    def indices(self) -> Axes:
        return (self.place,) if self.offset is None else (self.place, self.offset)


def window(e: Expression) -> Window | None:
    """A subscript in one index or two, with whole numbers before them and a size behind; None where it is another."""
    scales: dict[str, int] = {}
    rest: list[Expression] = []
    for term in terms_of(e):
        *front, last = factors_of(term)
        if not free_indices(term):
            rest.append(term)
        elif isinstance(last, Index) and last.name not in scales and all(map(_is_whole, front)) and len(front) < 2:
            scales[last.name] = int(front[0].value) if front and isinstance(front[0], Number) else 1
        else:
            return None
    start = polynomial(add(*rest)) if rest else {}
    if not 1 <= len(scales) <= 2 or start is None or any(c < 0 for c in start.values()):
        return None
    (place, step), (offset, dilation) = (*scales.items(), (None, 1))[:2]
    return Window(str(place), offset, step, dilation, from_polynomial(start))


def _is_whole(e: Expression) -> bool:
    return isinstance(e, Number) and e.value.denominator == 1 and e.value >= 1


def reaches(layout: Layout, w: Window) -> Expression:
    """The last entry that a window reads."""
    last = mul(number(w.step), plus(layout.size(w.place), -1))
    if w.offset is not None:
        last = add(last, mul(number(w.dilation), plus(layout.size(w.offset), -1)))
    return plus(add(last, w.start), 0)


def is_inside(layout: Layout, w: Window, size: Expression) -> bool:
    """Whether a window certainly stays within an axis."""
    room = polynomial(add(size, neg(reaches(layout, w)), neg(ONE)))
    return room is not None and set(room) <= {()} and room.get((), 0) >= 0


def windows(layout: Layout, e: Ref, whole: Expression, order: Axes) -> Laid | None:
    """``x[c, 2*i + p, j]`` as a view with the axes c, i, p, j; None where a subscript is no window."""
    shape = (layout.shapes or {}).get(e.name, ())
    axes: list[str] = []
    found = whole
    for index, size in zip(e.indices, shape, strict=True):
        w = window(index)
        if w is None or set(w.indices) & set(axes) or not set(w.indices) <= set(order):
            return None
        if w.offset is None:
            if not isinstance(index, Index) or not same_size(layout.size(index.name), size):
                return None
        elif not is_inside(layout, w, size):
            return None
        else:
            numbers = (layout.size(w.place), layout.size(w.offset), *_numbers(w))
            found = Call("windows", (found, number(len(axes)), *numbers))
        axes += w.indices
    return layout.ordered(Laid(found, tuple(axes)), order)


def _numbers(w: Window) -> tuple[Expression, ...]:
    return number(w.step), number(w.dilation), w.start


def placed(layout: Layout, e: Reduce, order: Axes) -> Laid | None:
    """A sum of what deltas put at the entries of windows; None where there are no such deltas."""
    above, below = over_and_under(flat_factors(e.body))
    rows: dict[str, Window] = {}
    rest: list[Expression] = []
    for f in above:
        row = _row(layout, f, order, e.indices)
        if row is None or row[0] in rows or any(set(row[1].indices) & set(w.indices) for w in rows.values()):
            rest.append(f)
        else:
            rows[row[0]] = row[1]
    if not rows or any(set(rows) & set(free_indices(f)) for f in (*rest, *below)) or any(map(is_delta, rest)):
        return None
    return _added(layout, mul(*rest, *(div(ONE, f) for f in below)) if rest or below else ONE, rows, e, order)


def _row(layout: Layout, f: Expression, order: Axes, bound: Axes) -> tuple[str, Window] | None:
    """In ``delta(j, 2*i + p)`` the free index j, and the window."""
    if not isinstance(f, Call) or not is_delta(f):
        return None
    for row, position in (f.args, f.args[::-1]):
        if isinstance(row, Index) and row.name in order and not isinstance(position, Index):
            w = window(position)
            if w is None or not set(w.indices) <= set(bound) or not is_inside(layout, w, layout.size(row.name)):
                continue
            if w.offset is not None or w.step == 1:
                return row.name, w
    return None


def _added(layout: Layout, rest: Expression, rows: dict[str, Window], e: Reduce, order: Axes) -> Laid:
    inside = {i for w in rows.values() for i in w.indices}
    others = [(i, size) for i, size in zip(e.indices, e.ranges, strict=True) if i not in inside]
    if others:
        names, sizes = zip(*others, strict=True)
        rest = Reduce("sum", rest, names, None, sizes)
    free = set(free_indices(rest)) | inside
    axes = tuple(i for row in order for i in (rows[row].indices if row in rows else (row,)) if i in free)
    laid = layout.lay(rest, axes)
    found = laid.expr if laid.axes == axes else _in_full(layout, laid, axes)
    left = list(axes)
    for row, w in rows.items():
        if w.offset is None:
            continue
        axis = left.index(w.place)
        found = Call("overlapped", (found, number(axis), layout.size(row), *_numbers(w)))
        left[axis : axis + 2] = [row]
    return Laid(_padded(layout, found, left, rows), tuple(row for row in order if row in rows or row in left))


def _in_full(layout: Layout, laid: Laid, axes: Axes) -> Expression:
    return Call("broadcast_to", (layout.broadcast(laid, axes), *(layout.size(i) for i in axes)))


def _padded(layout: Layout, found: Expression, left: list[str], rows: dict[str, Window]) -> Expression:
    """With zeros before and behind, along the axes of windows with but one index."""
    alone = {w.place: (row, w.start) for row, w in rows.items() if w.offset is None}
    if not alone:
        return found
    widths: list[Expression] = []
    for i in left:
        row, start = alone.get(i, (i, ZERO))
        behind = ZERO if i not in alone else plus(add(layout.size(row), neg(start), neg(layout.size(i))), 0)
        widths += [start, behind]
    return Call("padded", (found, *widths))
