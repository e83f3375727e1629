"""Arrays of the prover: numbers with as many digits as wanted, over named axes and then plain ones.

An index is a named axis, so that a whole step is evaluated at all its positions at once.  What has no value is a `Hole`
among the entries: every operation with it is a hole again, and a case distinction or a condition can leave it out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Positions = Mapping[str, Sequence[int]]


class Hole:
    """An entry without a value; `computed` is False where there may be one that would cost too much."""

    def __init__(self, computed: bool) -> None:
        self.computed = computed

    def absorb(self, *_: Any) -> Hole:
        return self

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = absorb
    __truediv__ = __rtruediv__ = __neg__ = __pow__ = __rpow__ = absorb


UNDEFINED = Hole(computed=True)
UNCOMPUTED = Hole(computed=False)


@dataclass(frozen=True, slots=True, eq=False)
class Named:
    """`data` has the named `axes` first; the axes after them are those of whole-array notation."""

    data: np.ndarray
    axes: tuple[str, ...] = ()

    @property
    def rank(self) -> int:
        """How many axes have no name."""
        return self.data.ndim - len(self.axes)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.data.shape[len(self.axes) :]


def scalar(value: Any) -> Named:
    data = np.empty((), dtype=object)
    data[()] = value
    return Named(data)


def spread(value: Named, axes: tuple[str, ...], rank: int) -> np.ndarray:
    """The data with the given named axes (length one where it lacks them) and so many plain ones."""
    own = len(value.axes)
    if value.axes == axes and value.rank == rank:
        return value.data
    order = sorted(range(own), key=lambda k: axes.index(value.axes[k]))
    data = value.data.transpose(*order, *range(own, value.data.ndim))
    shape = iter(data.shape[:own])
    named = [next(shape) if axis in value.axes else 1 for axis in axes]
    return data.reshape(*named, *[1] * (rank - value.rank), *value.shape)


def union(values: Sequence[Named]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(axis for value in values for axis in value.axes))


def elementwise(function: Callable[..., Any], *values: Named) -> Named:
    """A function of arrays that broadcasts, applied to arrays brought to the same axes."""
    axes, rank = union(values), max(value.rank for value in values)
    return Named(_array(function(*(spread(value, axes, rank) for value in values))), axes)


def each(function: Callable[..., Any], *values: Named) -> Named:
    """A function of numbers, applied entry by entry; an entry with a hole stays one."""

    def entry(*entries: Any) -> Any:
        hole = next((e for e in entries if isinstance(e, Hole)), None)
        return function(*entries) if hole is None else hole

    return elementwise(np.frompyfunc(entry, len(values), 1), *values)


def _array(data: Any) -> np.ndarray:
    if isinstance(data, np.ndarray):
        return data
    made = np.empty((), dtype=object)
    made[()] = data
    return made


def gather(whole: Named, subscripts: Sequence[Named]) -> Named:
    """The entries at the subscripts (arrays of whole numbers over named axes); beyond the bounds there is no value."""
    if not subscripts:
        return whole
    axes = union([whole, *subscripts])
    own = [
        np.arange(n).reshape([-1 if a == axis else 1 for a in axes])
        for axis, n in zip(whole.axes, whole.data.shape, strict=False)
    ]
    places = [spread(s, axes, 0) for s in subscripts]
    inside = np.ones((1,) * len(axes), dtype=bool)
    numbers = []
    for place, size in zip(places, whole.shape, strict=False):
        number = np.asarray(np.frompyfunc(_whole_number, 1, 1)(place)).astype(int)
        inside = np.asarray(inside & (number >= 0) & (number < size))
        numbers.append(np.clip(number, 0, size - 1))
    data = _array(whole.data[(*own, *numbers)])
    if not inside.all():
        kept = inside.reshape((*inside.shape, *[1] * (data.ndim - inside.ndim)))
        data = np.where(np.broadcast_to(kept, data.shape), data, _array(UNDEFINED))
    return Named(data, axes)


def _whole_number(entry: Any) -> int:
    return -1 if isinstance(entry, Hole) else int(entry)


def as_plain(value: Named, axes: tuple[str, ...], lengths: Sequence[int]) -> Named:
    """Named axes made plain ones, before those that are plain already; an axis that is missing is repeated."""
    kept = tuple(a for a in value.axes if a not in axes)
    data = spread(value, (*kept, *axes), value.rank)
    shape = (*data.shape[: len(kept)], *lengths, *data.shape[len(kept) + len(axes) :])
    return Named(np.broadcast_to(data, shape), kept)


def name_axes(value: Named, axes: tuple[str, ...], positions: Positions) -> Named:
    """The first plain axes given names, at the given positions."""
    subscripts = [positions_of(axis, positions) for axis in axes]
    return gather(value, subscripts)


def positions_of(axis: str, positions: Positions) -> Named:
    return Named(np.array(positions[axis], dtype=object), (axis,))


def fold(function: Callable[[Any, Any], Any], value: Named, axes: tuple[str, ...]) -> Named:
    """Reduces over named axes with a function of two numbers."""
    kept = tuple(a for a in value.axes if a not in axes)
    data = spread(value, (*axes, *kept), value.rank)
    data = data.reshape(-1, *data.shape[len(axes) :])
    total = data[0]
    for part in data[1:]:
        total = function(total, part)
    return Named(_array(total), kept)
