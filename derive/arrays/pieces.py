"""Pieces laid end to end: ``where(j < r, u[j], v[j - r])`` is ``concatenate([u, v])``.

In: a sum of terms of which each holds on a part of one axis alone, by a case distinction over its index or by a delta.
Out: the pieces in order, zeros between them in code, or None where the parts overlap or their order is not known.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import takewhile

from derive.arrays.contraction import NEW_AXIS, WHOLE
from derive.arrays.layout import MARK, Axes, Laid, Layout, NoArrayForm
from derive.expression.build import ONE, ZERO, add, mul, neg, number
from derive.expression.nodes import Call, Compare, Expression, Index, Item, Neg, Reduce, Ref, Stack, Where
from derive.expression.parts import flat_factors, terms_of
from derive.expression.walk import bottom_up, children, free_indices, fresh, index_names, names, rename_indices
from derive.parse.sizes import collected, is_one, polynomial, same_size
from derive.rules.guards import tests_of
from derive.rules.sums import is_delta

ENTRY = "k"  # counts the entries of a piece


@dataclass(frozen=True, slots=True)
class Piece:
    """``value``, of the entries that `index` counts from 0, at the places from `start` to before `stop`."""

    start: Expression
    stop: Expression
    index: str
    value: Expression

    @property
    def size(self) -> Expression:
        return collected(add(self.stop, neg(self.start)))


def joined(layout: Layout, e: Expression, order: Axes) -> Laid | None:
    """The pieces of an expression along one of its axes as one array, if it has several.

    In code zeros may lie between them, and around the only one of a case distinction.
    """
    for axis in order:
        if axis not in layout.sizes or leading_pieces(e, (axis,)) < len(terms_of(e)):
            continue
        pieces = list(_pieces(e, axis, layout.sizes[axis]))
        if not pieces or None in pieces:
            continue
        taken = {*order, *layout.sizes}
        row = _in_a_row([_renamed(p, taken) for p in pieces if p is not None], layout.sizes[axis], taken)
        if row is not None and _worth(row, e, layout.in_code):
            return _laid(layout, row, axis, order)
    return None


def leading_pieces(e: Expression, order: Axes) -> int:
    """How many terms from the first on may be pieces along one of the axes."""
    return max((_leading(e, axis) for axis in order), default=0)


def _leading(e: Expression, axis: str) -> int:
    return sum(1 for _ in takewhile(lambda term: _may_be(term, axis), terms_of(e)))


def _may_be(term: Expression, axis: str) -> bool:
    """Whether a term holds on a part of an axis alone, as far as a glance tells."""
    bare = term.arg if isinstance(term, Neg) else term
    if isinstance(bare, Where):
        return any(_bounds(test, axis) is not None for test in tests_of(bare.condition))
    factors = flat_factors(bare.body if isinstance(bare, Reduce) else bare)
    return any(is_delta(f) and Index(axis) in children(f) for f in factors)


def _worth(row: list[Piece], e: Expression, in_code: bool) -> bool:
    told = [p for p in row if p.value != ZERO]
    if not in_code:
        return len(row) > 1 and told == row
    return len(told) > 1 or (isinstance(e, Where) and told[0].index in free_indices(told[0].value))


def _laid(layout: Layout, row: list[Piece], axis: str, order: Axes) -> Laid:
    axes = tuple(i for i in order if i == axis or any(i in free_indices(p.value) for p in row))
    found = tuple(_whole(layout, p, tuple(p.index if i == axis else i for i in axes)) for p in row)
    if len(axes) == 1 and not layout.in_code:
        return Laid(Stack(found), axes)
    options = (("axis", number(axes.index(axis))),) if len(axes) > 1 else ()
    return Laid(Call("concatenate", (Stack(found),), options), axes)


def _renamed(p: Piece, taken: set[str]) -> Piece:
    """The piece with an index that nothing around it has."""
    index = fresh({*taken, *index_names(p.value), *names(p.value)}, ENTRY)
    return replace(p, index=index, value=rename_indices(p.value, {p.index: Index(index)}))


def _whole(layout: Layout, p: Piece, axes: Axes) -> Expression:
    """A piece over all the axes; outside of code a scalar is one entry of a vector."""
    outer = layout.sizes
    layout.sizes = {**outer, p.index: p.size}
    try:
        if layout.in_code and p.value in (ZERO, ONE):
            return Call("ones" if p.value == ONE else "zeros", tuple(map(layout.size, axes)))
        laid = layout.lay(p.value, axes)
        if not is_one(p.size) or laid.axes != tuple(i for i in axes if i != p.index):
            return layout.whole(p.value, axes)
        if layout.in_code and laid.axes:
            return Item(laid.expr, tuple(NEW_AXIS if i == p.index else WHOLE for i in axes))
        if laid.axes:
            raise NoArrayForm
        return layout.whole(p.value, axes) if layout.in_code else laid.expr
    finally:
        layout.sizes = outer


def _pieces(e: Expression, axis: str, size: Expression) -> Iterator[Piece | None]:
    """The pieces that the terms are; None for a term that is none."""
    for term in terms_of(e):
        match term:
            case Neg():
                for p in _pieces(term.arg, axis, size):
                    yield None if p is None else Piece(p.start, p.stop, p.index, neg(p.value))
            case Where():
                yield from _cases(term, axis, size)
            case Reduce(op="sum"):
                yield _moved(term, axis)
            case _ if term != ZERO:
                yield _of_one(term, axis)


def _cases(e: Where, axis: str, size: Expression) -> Iterator[Piece | None]:
    bounds = [_bounds(test, axis) for test in tests_of(e.condition) if not _is_true(test)]
    known = [b for b in bounds if b is not None]
    starts = list(dict.fromkeys(start for start, _ in known if start is not None))
    stops = list(dict.fromkeys(stop for _, stop in known if stop is not None))
    if len(known) < len(bounds) or len(starts) > 1 or len(stops) > 1:
        yield None
        return
    start, stop = (starts or [ZERO])[0], (stops or [size])[0]
    yield _between(start, stop, axis, e.then)
    if e.otherwise == ZERO:
        return
    if starts and stops:
        yield None
    elif starts:
        yield _between(ZERO, start, axis, e.otherwise)
    else:
        yield _between(stop, size, axis, e.otherwise)


def _between(start: Expression, stop: Expression, axis: str, value: Expression) -> Piece:
    index = fresh({axis, *index_names(value), *names(value)}, ENTRY)
    place = Index(index) if start == ZERO else collected(add(Index(index), start))
    return Piece(start, stop, index, _with_places_collected(rename_indices(value, {axis: place})))


def _with_places_collected(e: Expression) -> Expression:
    """``f[k + 3 - 3]`` as ``f[k]``."""
    return bottom_up(
        e, lambda n: replace(n, indices=tuple(map(collected, n.indices))) if isinstance(n, (Ref, Item)) else n
    )


def _bounds(test: Expression, axis: str) -> tuple[Expression | None, Expression | None] | None:
    """Where a comparison of the index with a number or size lets it begin and end."""
    if not isinstance(test, Compare):
        return None
    left, op, right = test.left, test.op, test.right
    if right == Index(axis):
        left, op, right = right, {"<": ">", ">": "<", "<=": ">=", ">=": "<="}.get(op, op), left
    if left != Index(axis) or not _is_size(right):
        return None
    after = collected(add(right, ONE))
    match op:
        case "<":
            return None, right
        case "<=":
            return None, after
        case ">=":
            return right, None
        case ">":
            return after, None
        case "==":
            return right, after
    return None


def _is_true(test: Expression) -> bool:
    """``T > 0`` of a size."""
    if not isinstance(test, Compare) or test.op not in (">", ">=") or not all(map(_is_size, children(test))):
        return False
    return _at_most(add(test.right, ONE) if test.op == ">" else test.right, test.left)


def _moved(e: Reduce, axis: str) -> Piece | None:
    """``sum(delta(i, k + start)*u[k], k)``: all of u, from a place on."""
    factors = flat_factors(e.body)
    if e.condition is not None or len(e.ranges) != len(e.indices):
        return None
    for n, f in enumerate(factors):
        if not is_delta(f) or not isinstance(f, Call):
            continue
        for own, other in (f.args, f.args[::-1]):
            inner, *offset = terms_of(other)
            if own != Index(axis) or not isinstance(inner, Index) or inner.name not in e.indices:
                continue
            start = collected(add(*offset)) if offset else ZERO
            rest = mul(*factors[:n], *factors[n + 1 :])
            if not _is_size(start) or axis in free_indices(rest):
                continue
            ranges = dict(zip(e.indices, e.ranges, strict=True))
            length = ranges.pop(inner.name)
            value = Reduce("sum", rest, tuple(ranges), None, tuple(ranges.values())) if ranges else rest
            return Piece(start, collected(add(start, length)), inner.name, value)
    return None


def _of_one(e: Expression, axis: str) -> Piece | None:
    """``delta(i, 2)*u``: one entry."""
    factors = flat_factors(e)
    for n, f in enumerate(factors):
        if is_delta(f) and isinstance(f, Call) and Index(axis) in f.args:
            place = next((arg for arg in f.args if arg != Index(axis)), Index(axis))
            rest = mul(*factors[:n], *factors[n + 1 :])
            if not _is_size(place) or axis in free_indices(rest):
                return None
            return Piece(place, collected(add(place, ONE)), fresh({*index_names(rest), *names(rest)}, ENTRY), rest)
    return None


def _in_a_row(pieces: list[Piece], size: Expression, taken: set[str]) -> list[Piece] | None:
    """The pieces in order, with zeros where there is none, counted by an index that is not taken."""
    nothing = _renamed(Piece(ZERO, ZERO, "", ZERO), taken)
    left, found = list(pieces), []
    place: Expression = ZERO
    while left:
        following = next((p for p in left if all(_at_most(p.start, other.start) for other in left)), None)
        if following is None or not _at_most(place, following.start) or not _at_most(following.start, following.stop):
            return None
        if not same_size(place, following.start):
            found.append(replace(nothing, start=place, stop=following.start))
        found.append(following)
        left.remove(following)
        place = following.stop
    if not _at_most(place, size):
        return None
    return found if same_size(place, size) else [*found, replace(nothing, start=place, stop=size)]


def _is_size(e: Expression) -> bool:
    """A number, or made of sizes; not of an index that is laid out like a scalar."""
    return polynomial(e) is not None and not any(name.startswith(MARK) for name in names(e))


def _at_most(small: Expression, large: Expression) -> bool:
    """Whether a size is at most another one, whatever the names in them stand for: they are at least 1."""
    room = polynomial(add(large, neg(small)))
    return room is not None and all(c >= 0 for m, c in room.items() if m) and sum(room.values()) >= 0
