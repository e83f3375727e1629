"""Names and their subscripts: ``x``, ``x[i]``, ``x[1:]``, ``(A @ B)[0, j]``."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from derive.errors import DeriveError, Place
from derive.expression.build import ZERO, add, mul, number
from derive.expression.nodes import D, Expression, Index, Item, Neg, Ref, Slice
from derive.parse.numbers import constant_value
from derive.parse.scope import Array, Indices, Scope, Shape
from derive.parse.sizes import collected, plus, print_shape
from derive.parse.whole import bounds, is_whole, real_name


@dataclass(frozen=True)
class Run:
    """The entries that a slice keeps of an axis: start, start + step, …"""

    start: Expression
    length: Expression
    step: int

    @property
    def shape(self) -> Shape:
        return (self.length,)

    def at(self, index: Expression) -> Expression:
        return affine(self.start, self.step, index)


@dataclass(frozen=True)
class Rows:
    """The entries of an axis that an array of whole numbers names: ``E[tokens]``."""

    positions: Array

    @property
    def shape(self) -> Shape:
        return self.positions.shape

    def at(self, *indices: Expression) -> Expression:
        return self.positions.at(indices)


def name(e: Ref, scope: Scope) -> Array:
    if e.name in scope.local:
        whole = scope.local[e.name]
    else:
        if e.name in scope.steps.begins and (not e.indices or isinstance(e.indices[0], Slice)):
            first = scope.steps.begins[e.name]
            message = f"'{e.name}' has no entry {first - 1}, so it is no whole array"
            raise DeriveError(message, e.place, f"name its entries: {e.name}[i]")
        whole = Array(scope.shapes[e.name], lambda i: Ref(e.name, i, place=e.place))
    return _subscripted(whole, e.indices, e, scope) if e.indices else whole


def item(e: Item, scope: Scope) -> Array:
    return _subscripted(scope.array(e.arg), e.indices, e, scope)


def adjoint(e: D, scope: Scope) -> Array:
    """``D(L, z)``: it has the shape of z."""
    inner = name(e.wrt, scope.inside({}))
    return Array(inner.shape, lambda i: D(e.body, _as_ref(inner.at(i))))


def _as_ref(e: Expression) -> Ref:
    if not isinstance(e, Ref):
        raise DeriveError("an adjoint belongs to a name", e.place)
    return e


def _subscripted(whole: Array, indices: Indices, e: Expression, scope: Scope) -> Array:
    if len(indices) > whole.rank:
        raise DeriveError(f"{len(indices)} subscripts on an array of shape {print_shape(whole.shape)}", e.place)
    parts = tuple(
        _slice(index, size) if isinstance(index, Slice) else _position(index, size, e, scope)
        for index, size in zip(indices, whole.shape, strict=False)
    )
    if sum(isinstance(part, Rows) for part in parts) > 1:
        raise DeriveError("one subscript at most is an array", e.place, "write the others with indices: x[u[n], v[n]]")
    kept = tuple(size for part in parts if isinstance(part, (Run, Rows)) for size in part.shape)

    def at(i: Indices) -> Expression:
        own = iter(i)
        fixed = [
            part.at(*(next(own) for _ in part.shape)) if isinstance(part, (Run, Rows)) else part for part in parts
        ]
        return whole.at((*fixed, *own))

    return Array((*kept, *whole.shape[len(indices) :]), at)


def _position(index: Expression, size: Expression, e: Expression, scope: Scope) -> Expression | Rows:
    """One entry of an axis, or those that an array of whole numbers names."""
    inner = scope.array(index)
    if inner.shape:
        entry = inner.at(tuple(Index(f"axis {k}") for k in range(inner.rank)))
        _check_whole(entry, size, index, scope, index.place or e.place)
        return Rows(inner)
    value, known = constant_value(index), constant_value(size)
    if value is not None and known is not None and value >= known:
        raise DeriveError(f"the subscript {value} is beyond the size {known}", e.place, "indices count from 0")
    position = inner.at(())
    _check_whole(position, size, index, scope, index.place or e.place)
    return position


def _check_whole(position: Expression, size: Expression, index: Expression, scope: Scope, place: Place | None) -> None:
    """A subscript is a whole number, and within the axis where its bounds are known."""
    if scope.whole is None:
        return
    real = real_name(position, scope.whole)
    if real is not None or not is_whole(position, scope.whole):
        message = f"the subscript {real or index} is a real number"
        hint = f"`{real.name}: input = integer({size})` are whole numbers below {size}" if real else None
        raise DeriveError(message, place, hint)
    known = bounds(position, scope.whole)
    if known is None or constant_value(position) is not None:
        return
    low, high = constant_value(known[0]), constant_value(plus(add(size, Neg(known[1])), 0))
    if low is not None and low < 0:
        raise DeriveError(f"the subscript {index} may be {low}", place, "indices count from 0")
    if high is None or high < 1:
        message = f"the subscript {index} may be as large as {known[1]}, on an axis of size {size}"
        raise DeriveError(message, place, "indices count from 0")


def _slice(index: Slice, size: Expression) -> Run:
    """``start:stop:step`` of an axis."""
    start, stop, step = index.start or ZERO, index.stop or size, _step(index)
    known_stop, known_size = constant_value(stop), constant_value(size)
    if known_stop is not None and known_size is not None and known_stop > known_size:
        raise DeriveError(f"the slice ends at {known_stop}, beyond the size {known_size}", index.place)
    length = _length(index, start, stop, step)
    known = constant_value(length)
    if known is not None and known <= 0:
        raise DeriveError("the slice is empty", index.place)
    return Run(start, length, step)


def _step(index: Slice) -> int:
    step = constant_value(index.step) if index.step is not None else Fraction(1)
    if step is None or step < 1:
        raise DeriveError("the step of a slice is a whole number from 1 on", index.place)
    return int(step)


def _length(index: Slice, start: Expression, stop: Expression, step: int) -> Expression:
    first, last = constant_value(start), constant_value(stop)
    if step == 1:
        return collected(add(stop, Neg(start))) if first is None else plus(stop, -int(first))
    if first is None or last is None:
        raise DeriveError("a slice with a step needs bounds that are numbers", index.place)
    return number((last - first + step - 1) // step)


def affine(start: Expression, step: int, index: Expression) -> Expression:
    """``start + step*index``, tidied."""
    scaled = index if step == 1 else mul(number(step), index)
    first, value = constant_value(start), constant_value(index)
    if first == 0:
        return scaled
    if first is not None and value is not None:
        return number(first + step * value)
    return add(scaled, start)
