"""A sum of products of arrays over any indices as products of two at a time: ``A @ B`` on stacks, ``tensordot``, sums.

In: arrays with their axes.  Out: their product, summed over all axes but the wanted ones, or None where a pair has none
of these forms and ``einsum`` says it better.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import combinations
from math import prod

from derive.arrays.contraction import transposed, turned
from derive.arrays.layout import Axes, Laid, Layout
from derive.expression.build import mul, number
from derive.expression.nodes import Call, Constant, Expression, MatMul, Neg, Number, Transpose
from derive.expression.walk import walk

MOST = 5  # arrays whose orders are all tried
USUAL = 64.0  # what counts as a size without a value

Pair = tuple[int, int]


def stacked(layout: Layout, arrays: list[Laid], wanted: Axes) -> Laid | None:
    """The product summed over the axes that are not wanted, pairs in the cheapest order."""
    if len(arrays) > MOST or any(len(set(part.axes)) < len(part.axes) for part in arrays):
        return None
    every = [part.axes for part in arrays]
    arrays = [_summed(part, _kept(part.axes, (), every[:k] + every[k + 1 :], wanted)) for k, part in enumerate(arrays)]
    order = _cheapest(layout, [part.axes for part in arrays], wanted)[1]
    found = [laid for laid in _in_pairs(layout, arrays, order, wanted) if laid.axes == wanted]
    return min(found, key=lambda laid: _turns(laid.expr), default=None)


def _in_pairs(layout: Layout, parts: list[Laid], order: list[Pair], wanted: Axes) -> Iterator[Laid]:
    """All forms of the product of all parts."""
    if not order:
        yield from parts
        return
    (i, j), *rest = order
    others = [part for k, part in enumerate(parts) if k not in (i, j)]
    kept = _kept(parts[i].axes, parts[j].axes, [part.axes for part in others], wanted)
    for found in _pair(layout, parts[i], parts[j], kept, wanted if not others else ()):
        yield from _in_pairs(layout, [found, *others], rest, wanted)


def _cheapest(layout: Layout, parts: list[Axes], wanted: Axes) -> tuple[float, list[Pair]]:
    """The order of pairs with the fewest multiplications; what a pair gives comes first among what is left."""
    if len(parts) < 2:
        return 0.0, []
    found: list[tuple[float, list[Pair]]] = []
    for i, j in combinations(range(len(parts)), 2):
        others = [part for k, part in enumerate(parts) if k not in (i, j)]
        work = prod(_size(layout, axis) for axis in {*parts[i], *parts[j]})
        cost, rest = _cheapest(layout, [_kept(parts[i], parts[j], others, wanted), *others], wanted)
        found.append((work + cost, [(i, j), *rest]))
    return min(found, key=lambda each: each[0])


def _kept(left: Axes, right: Axes, others: list[Axes], wanted: Axes) -> Axes:
    """The axes of a pair that are wanted, or that other arrays have."""
    needed = {*wanted, *(axis for part in others for axis in part)}
    return tuple(axis for axis in dict.fromkeys((*left, *right)) if axis in needed)


def _size(layout: Layout, axis: str) -> float:
    size = layout.sizes.get(axis)
    return float(size.value) if isinstance(size, Number) else USUAL


def _pair(layout: Layout, left: Laid, right: Laid, kept: Axes, order: Axes) -> Iterator[Laid]:
    """Two arrays as one, in the `order` where there is one; the array that has its first axis first."""
    ways = [(left, right), (right, left)]
    for a, b in sorted(ways, key=lambda way: order[:1] != () and order[0] not in way[0].axes):
        for form in FORMS:
            for laid in form(layout, a, b, kept):
                yield permuted(laid, order or laid.axes)


def matrices(layout: Layout, a: Laid, b: Laid, kept: Axes) -> Iterator[Laid]:
    """``X @ W``, ``Q @ K.transpose(0, 2, 1)``: stacks of matrices, or one matrix that all of a stack share."""
    batch, contracted, left, right = _roles(a, b, kept)
    if len(contracted) != 1 or not left or len(right) > 1:
        return
    if batch and not len(left) == len(right) == 1:
        return
    if not batch and len(a.axes) > 2 and a.axes[-1] != contracted[0]:
        return  # tensordot needs no transpose
    first = permuted(a, (*batch, *left, *contracted))
    second = permuted(b, (*batch, *contracted, *right))
    yield Laid(_product(first, second), (*batch, *left, *right))


def _product(a: Laid, b: Laid) -> Expression:
    """``a @ b``; of stacks a call, so that nobody takes it for a product of matrices, which can be transposed."""
    if isinstance(a.expr, Neg):
        return Neg(_product(Laid(a.expr.arg, a.axes), b))
    if max(len(a.axes), len(b.axes)) > 2:
        return Call("matmul", (a.expr, b.expr))
    return MatMul(a.expr, b.expr)


def tensordot(layout: Layout, a: Laid, b: Laid, kept: Axes) -> Iterator[Laid]:
    """``np.tensordot(X, d_Q, axes=((0, 1), (0, 1)))``: nothing is kept that both have, axes are summed in any place."""
    batch, contracted, left, right = _roles(a, b, kept)
    if batch or not contracted or not (left or right):
        return
    places = [[part.axes.index(axis) for axis in contracted] for part in (a, b)]
    options = (("left", tuple_of(places[0])), ("right", tuple_of(places[1])))
    yield Laid(Call("tensordot", (a.expr, b.expr), options), (*left, *right))


def elementwise(layout: Layout, a: Laid, b: Laid, kept: Axes) -> Iterator[Laid]:
    """``a*b`` where one has all the axes that both have; summed over those that are not kept."""
    if not set(b.axes) <= set(a.axes):
        return
    b = permuted(b, tuple(axis for axis in a.axes if axis in b.axes))
    if not set(a.axes) <= set(kept) and b.axes != a.axes[len(a.axes) - len(b.axes) :]:
        return  # einsum says it without new axes
    yield _summed(Laid(mul(a.expr, layout.broadcast(b, a.axes)), a.axes), kept)


def _summed(laid: Laid, kept: Axes) -> Laid:
    """The sum over the axes that are not kept."""
    summed = [k for k, axis in enumerate(laid.axes) if axis not in kept]
    axes = tuple(axis for axis in laid.axes if axis in kept)
    along = (("axis", number(summed[0]) if len(summed) == 1 else tuple_of(summed)),) if axes else ()
    return Laid(Call("sum", (laid.expr,), along), axes) if summed else laid


Form = Callable[[Layout, Laid, Laid, Axes], Iterator[Laid]]
FORMS: tuple[Form, ...] = (matrices, tensordot, elementwise)  # of two that are as short the first is taken


def _roles(a: Laid, b: Laid, kept: Axes) -> tuple[Axes, Axes, Axes, Axes]:
    """The axes that both have and keep, that both have and sum over, and those of one alone."""
    both = [axis for axis in a.axes if axis in b.axes]
    return (
        tuple(axis for axis in both if axis in kept),
        tuple(axis for axis in both if axis not in kept),
        tuple(axis for axis in a.axes if axis not in b.axes),
        tuple(axis for axis in b.axes if axis not in a.axes),
    )


def permuted(laid: Laid, axes: Axes) -> Laid:
    """The same array with its axes in another order."""
    if laid.axes == axes:
        return laid
    if len(axes) == 2:
        return Laid(transposed(laid.expr), axes)
    return Laid(turned(laid.expr, tuple(laid.axes.index(axis) for axis in axes)), axes)


def tuple_of(numbers: list[int]) -> Constant:
    """Several axes as numpy takes them."""
    return Constant(f"({', '.join(map(str, numbers))}{',' if len(numbers) == 1 else ''})")


def _turns(e: Expression) -> int:
    """What there is to read besides products: transposes, those of a matrix least."""
    whole = sum(isinstance(node, Call) and node.function in ("transpose", "tensordot") for node in walk(e))
    return 2 * whole + sum(isinstance(node, Transpose) for node in walk(e))
