"""Whole-array functions on the prover's arrays: each works on the axes without a name, for every named position."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from derive.prove.digits import Undefined
from derive.prove.matrices import determinant, inverse
from derive.prove.named import Hole, Named, elementwise, spread, union
from derive.prove.primitives import PRIMITIVES


def _aligned(*values: Named) -> tuple[tuple[str, ...], list[np.ndarray]]:
    """The same named axes for all, each with its own plain ones."""
    axes = union(values)
    return axes, [spread(value, axes, value.rank) for value in values]


def _matmul(left: Named, right: Named) -> Named:
    if left.rank not in (1, 2) or right.rank not in (1, 2):
        raise Undefined
    axes, (a, b) = _aligned(left, right)
    a = a[..., :, :, None] if left.rank == 2 else a[..., None, :, None]
    b = b[..., None, :, :] if right.rank == 2 else b[..., None, :, None]
    if a.shape[-2] != b.shape[-2]:
        raise ValueError("the shapes do not fit")
    product = np.add.reduce(a * b, axis=-2)
    if left.rank == 1:
        product = product[..., 0, :]
    if right.rank == 1:
        product = product[..., 0]
    return Named(np.asarray(product, dtype=object), axes)


def _transpose(value: Named) -> Named:
    own = len(value.axes)
    return Named(value.data.transpose(*range(own), *reversed(range(own, value.data.ndim))), value.axes)


def _outer(left: Named, right: Named) -> Named:
    axes, (a, b) = _aligned(left, right)
    return Named(np.asarray(a[..., :, None] * b[..., None, :], dtype=object), axes)


def _stack(*values: Named) -> Named:
    axes = union(values)
    parts = [spread(value, axes, max(value.rank, 1)) for value in values]
    lengths = np.broadcast_shapes(*(part.shape[: len(axes)] for part in parts))
    return Named(np.concatenate([np.broadcast_to(p, (*lengths, p.shape[-1])) for p in parts], axis=-1), axes)


def _concatenate(*values: Named, axis: int = 0) -> Named:
    """Arrays of one rank end to end along a plain axis, at every named position."""
    axes, rank = union(values), values[0].rank
    if any(value.rank != rank for value in values) or not rank:
        raise Undefined
    parts = [spread(value, axes, rank) for value in values]
    lengths = np.broadcast_shapes(*(part.shape[: len(axes)] for part in parts))
    whole = [np.broadcast_to(part, (*lengths, *part.shape[len(axes) :])) for part in parts]
    return Named(np.concatenate(whole, axis=len(lengths) + axis % rank), axes)


def _eye(size: Named) -> Named:
    return Named(np.eye(int(size.data[()]), dtype=int).astype(object))


def _filled(number: int) -> Callable[..., Named]:
    return lambda *sizes: Named(np.full([int(size.data[()]) for size in sizes], number, dtype=object))


def _diag(value: Named) -> Named:
    if value.rank == 2:
        return Named(np.diagonal(value.data, axis1=-2, axis2=-1), value.axes)
    unit = np.eye(value.shape[0], dtype=int).astype(object)
    return elementwise(np.multiply, Named(value.data[..., None], value.axes), Named(unit))


def _triangle(relation: Callable[[Any, Any], Any]) -> Callable[[Named], Named]:
    """The entries whose row and column stand in the relation, 0 elsewhere."""

    def apply(value: Named) -> Named:
        if value.rank != 2:
            raise Undefined
        rows, columns = np.indices(value.shape)
        return Named(np.where(relation(rows, columns), value.data, 0), value.axes)

    return apply


def _trace(value: Named) -> Named:
    return _over(np.add)(_diag(value))


def _over(function: Any) -> Callable[..., Named]:
    """A reduction over one plain axis or all of them."""

    def reduce(value: Named, axis: int | None = None) -> Named:
        own = len(value.axes)
        if axis is None:
            data = value.data.reshape(*value.data.shape[:own], -1)
            return Named(np.asarray(function.reduce(data, axis=-1), dtype=object), value.axes)
        place = axis if axis < 0 else own + axis
        return Named(np.asarray(function.reduce(value.data, axis=place), dtype=object), value.axes)

    return reduce


def with_axis(reduced: Named, whole: Named, axis: int | None) -> Named:
    """What was reduced over an axis with that axis again, one entry long."""
    if axis is None:
        raise Undefined
    return Named(np.expand_dims(reduced.data, len(reduced.axes) + axis % whole.rank), reduced.axes)


def _of_matrices(function: Callable[[np.ndarray], Any]) -> Callable[[Named], Named]:
    """A function of one matrix, at every named position."""

    def apply(value: Named) -> Named:
        if value.rank != 2 or value.shape[0] != value.shape[1]:
            raise Undefined
        lengths = value.data.shape[: len(value.axes)]
        first = np.asarray(function(value.data[(0,) * len(lengths)]), dtype=object)
        out = np.empty((*lengths, *first.shape), dtype=object)
        for position in np.ndindex(*lengths):
            out[position] = function(value.data[position])
        return Named(out, value.axes)

    return apply


def _log_determinant(matrix: np.ndarray) -> Any:
    value = determinant(matrix)
    return value if isinstance(value, Hole) else PRIMITIVES["log"](value)


ARRAY_CALLS: dict[str, Callable[..., Named]] = {
    "matmul": _matmul,
    "dot": _matmul,
    "transpose": _transpose,
    "outer": _outer,
    "concatenate": _concatenate,
    "stack": _stack,
    "eye": _eye,
    "zeros": _filled(0),
    "ones": _filled(1),
    "diag": _diag,
    "tril": _triangle(np.greater_equal),
    "triu": _triangle(np.less_equal),
    "trace": _trace,
    "sum": _over(np.add),
    "prod": _over(np.multiply),
    "max": _over(np.frompyfunc(max, 2, 1)),
    "min": _over(np.frompyfunc(min, 2, 1)),
    "det": _of_matrices(determinant),
    "logdet": _of_matrices(_log_determinant),
    "inv": _of_matrices(inverse),
}
