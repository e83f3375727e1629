"""Maxima over windows, ``max(A[2*i + p, 2*j + q], p, q)``, as pooling takes them."""

from __future__ import annotations

from derive.expression.build import add, mul, number
from derive.expression.nodes import Expression, Index, Number, Reduce, Ref
from derive.expression.walk import free_indices, walk


def is_over_window(e: Reduce) -> bool:
    """Whether the bound indices move within a window that other indices place: ``A[2*i + p]``, not ``A[i, p]``."""
    bound = set(e.indices)
    return any(
        bound & set(found := free_indices(subscript)) and not set(found) <= bound
        for node in walk(e.body)
        if isinstance(node, Ref)
        for subscript in node.indices
    )


def in_reading_order(e: Reduce) -> Reduce:
    """The reduction with its indices in the order in which they subscript the body: rows before columns."""
    ranges = dict(zip(e.indices, e.ranges, strict=True))
    order = sorted(e.indices, key=list(free_indices(e.body)).index)
    return Reduce(e.op, e.body, tuple(order), e.condition, tuple(ranges[i] for i in order))


def reading_number(e: Reduce) -> Expression:
    """The number of an entry in reading order, counted from 0: ``2*p + q`` where q runs over 2."""
    terms: list[Expression] = []
    below: list[Expression] = []
    for index, size in zip(reversed(e.indices), reversed(e.ranges), strict=True):
        terms.insert(0, mul(*_product(below), Index(index)))
        below.insert(0, size)
    return add(*terms)


def _product(sizes: list[Expression]) -> list[Expression]:
    """The factors of a number of entries, those that are numbers multiplied."""
    whole = 1
    for size in sizes:
        whole *= int(size.value) if isinstance(size, Number) else 1
    return [*([number(whole)] if whole != 1 else []), *(s for s in sizes if not isinstance(s, Number))]
