"""Reductions: ``sum(W[i, j]*x[j], j)``, ``softmax(e[t, s], s, s <= t)``, ``max(x)``, ``softmax(A, axis=1)``."""

from __future__ import annotations

from collections.abc import Mapping

from derive.errors import DeriveError
from derive.expression.build import ONE, ZERO, number
from derive.expression.nodes import Binder, Call, Compare, ComponentTensor, Expression, Index, Reduce, Stack
from derive.expression.walk import (
    children,
    free_indices,
    fresh,
    index_names,
    names,
    rename_indices,
    with_children,
    with_indices,
)
from derive.functions import AXIS_FUNCTIONS
from derive.parse.axis_functions import AxisFunctionUse, all_of, flat_conditions, reduced
from derive.parse.numbers import constant_value
from derive.parse.ranges import needed_start, ranges_of, said, within
from derive.parse.scope import Array, Indices, Scope, Shape
from derive.parse.sizes import plus, print_shape

OF_A_SCALAR = ("sum", "prod", "max", "min", "mean", "logsumexp", "cumsum")  # these leave a scalar as it is


def over_indices(e: Reduce, scope: Scope) -> Array:
    """A reduction over named indices; what is left of the body's axes stays."""
    renamed = _bound_names(e, scope)
    swap = {old: new for old, new in renamed.items() if old != new}
    indices = tuple(renamed.values())
    inner = scope.array(_with_other_letters(e.body, swap))
    test = None if e.condition is None else scope.element(_with_other_letters(e.condition, swap))
    probe = inner.at(tuple(Index(f"axis {k}") for k in range(inner.rank)))
    ranges = _limits(test, indices) | ranges_of(probe, scope.shapes, indices, scope.written)
    declared = {new: scope.steps.ranges[old][1] for old, new in renamed.items() if old in scope.steps.ranges}
    ranges |= {
        new: within(scope.written.get(new, new), stop, ranges.get(new), e.place) for new, stop in declared.items()
    }
    for old, new in renamed.items():
        if new not in ranges and new not in scope.bound:
            message = f"nothing fixes the range of the index '{scope.written.get(old, old)}'"
            raise DeriveError(message, e.place, "it must stand as a subscript")
    scope.bound.update(ranges)
    starts = {i: _start(i, renamed, probe, test, scope) for i in indices}
    late = tuple(Compare(">", Index(i), number(first - 1)) for i, first in starts.items() if first)
    if e.op in AXIS_FUNCTIONS:
        return _function_over_indices(e, inner, indices, test, late, scope)
    return Array(
        inner.shape, lambda i: reduced(e.op, inner.at(i), indices, scope, all_of((*flat_conditions(test), *late)))
    )


def _start(index: str, renamed: Mapping[str, str], probe: Expression, test: Expression | None, scope: Scope) -> int:
    """From where on a bound index runs: every subscript is in bounds, and the index as it is declared."""
    told = (scope.steps.ranges[old][0] for old, new in renamed.items() if new == index and old in scope.steps.ranges)
    least = {} if test is None else said(test, {}, holds=True)
    return max(next(told, 0), needed_start(probe, index, scope.steps.begins, least))


def component_tensor(e: ComponentTensor, scope: Scope) -> Array:
    """``array(x[i]*y[j], i, j)``: the array with these entries."""
    renamed = _bound_names(e, scope)
    inner = scope.array(_with_other_letters(e.body, {old: new for old, new in renamed.items() if old != new}))
    if inner.rank:
        raise DeriveError("'array' takes an expression of one entry", e.place, "index it: array(A[i, j], i, j)")
    entry = inner.at(())
    ranges = ranges_of(entry, scope.shapes, tuple(renamed.values()), scope.written)
    for old, new in renamed.items():
        if new not in ranges:
            message = f"nothing fixes the range of the index '{scope.written.get(old, old)}'"
            raise DeriveError(message, e.place, "it must stand as a subscript")
    scope.bound.update(ranges)
    shape = tuple(ranges[new] for new in renamed.values())
    return Array(shape, lambda i: rename_indices(entry, dict(zip(renamed.values(), i, strict=True))))


def _bound_names(e: Binder, scope: Scope) -> Mapping[str, str]:
    """The indices under names that are free in the equation; those of softmax and its kin are the result's own."""
    keeps = isinstance(e, Reduce) and e.op in AXIS_FUNCTIONS and AXIS_FUNCTIONS[e.op].keeps_axis
    letters = {i: scope.new_index(i) if i in scope.taken and not keeps else i for i in e.indices}
    scope.taken.update(letters.values())
    scope.written.update({new: scope.written.get(old, old) for old, new in letters.items()})
    return letters


def _with_other_letters(e: Expression, swap: Mapping[str, str]) -> Expression:
    """Renames free indices, and among them those along which softmax and its kin run: they are the result's own."""
    if not swap:
        return e
    if isinstance(e, Index):
        return Index(swap.get(e.name, e.name))
    if isinstance(e, Binder):
        if not (isinstance(e, Reduce) and e.op in AXIS_FUNCTIONS and AXIS_FUNCTIONS[e.op].keeps_axis):
            swap = _without_capture(e, {old: new for old, new in swap.items() if old not in e.indices})
        e = with_indices(e, tuple(swap.get(i, i) for i in e.indices))
    return with_children(e, tuple(_with_other_letters(child, swap) for child in children(e)))


def _without_capture(e: Binder, swap: dict[str, str]) -> dict[str, str]:
    """The renaming with other letters for what `e` binds, where it would bind a letter that comes in."""
    taken = {*index_names(e), *names(e), *swap.values()}
    for index in e.indices:
        if index in swap.values():
            swap = swap | {index: fresh(taken, index)}
            taken.add(swap[index])
    return swap


def _limits(condition: Expression | None, wanted: tuple[str, ...]) -> dict[str, Expression]:
    """Sizes that conditions ``j < size`` give to indices that subscript nothing."""
    found: dict[str, Expression] = {}
    for test in flat_conditions(condition):
        if not isinstance(test, Compare) or test.op != "<" or not isinstance(test.left, Index):
            continue
        if test.left.name in wanted and not free_indices(test.right):
            found.setdefault(test.left.name, test.right)
    return found


def _function_over_indices(
    e: Reduce,
    inner: Array,
    indices: tuple[str, ...],
    test: Expression | None,
    late: tuple[Expression, ...],
    scope: Scope,
) -> Array:
    """``softmax(u[j], j)`` and its kin: the body is already a function of the named indices."""
    row = AXIS_FUNCTIONS[e.op]
    if test is not None and e.op == "mean":
        raise DeriveError("mean with a condition is not supported", e.place, "divide a sum by a sum")
    _check_one_axis(e, e.op, len(indices))
    starts = {t.left.name: int(t.right.value) + 1 for t in late if isinstance(t, Compare)}  # type: ignore[attr-defined]
    sizes = tuple(plus(scope.bound[i], -starts.get(i, 0)) for i in indices)
    test = all_of((*flat_conditions(test), *late))
    bound = {old: scope.new_index(old) for old in indices} if row.keeps_axis else {i: i for i in indices}
    scope.bound.update({new: scope.bound[old] for old, new in bound.items()})
    to_bound = {old: Index(new) for old, new in bound.items()}
    condition = None if test is None else rename_indices(test, to_bound)

    def at(i: Indices) -> Expression:
        own = inner.at(i)
        body, position = rename_indices(own, to_bound), Index(indices[0])
        use = AxisFunctionUse(e.op, own, body, tuple(bound.values()), sizes, position, condition)
        return use.written_out(scope)

    return Array(inner.shape, at)


def over_axes(e: Call, scope: Scope) -> Array:
    """``sum(x)``, ``softmax(x, axis=0)``: over all axes, or one."""
    inner = scope.array(e.args[0])
    axes = named_axes(e, inner)
    if not axes:
        if e.function in OF_A_SCALAR:
            return inner
        raise DeriveError(f"'{e.function}' needs an array, this is a scalar", e.place)
    _check_one_axis(e, e.function, len(axes))
    sizes = tuple(inner.shape[axis] for axis in axes)
    keeps = e.function in AXIS_FUNCTIONS and AXIS_FUNCTIONS[e.function].keeps_axis
    stays = "keepdims" in dict(e.options)  # the axes that are reduced, with one entry each
    splits = not keeps  # an axis of blocks is reduced block by block
    shape = inner.shape if keeps else _reduced_shape(inner.shape, axes, stays)

    def at(i: Indices) -> Expression:
        scope.budget.spend(e)
        bound = [scope.bind_axis(inner, axis) if splits else _one(scope.bind(inner.shape[axis])) for axis in axes]
        position = iter([index for k, index in enumerate(i) if not stays or k not in axes])
        own = [ZERO if k in axes and not keeps else next(position) for k in range(inner.rank)]
        summed = list(own)
        for axis, (index, _) in zip(axes, bound, strict=True):
            summed[axis] = index
        body, letters = inner.at(tuple(summed)), tuple(letter for _, own in bound for letter in own)
        if e.function not in AXIS_FUNCTIONS:
            return reduced(e.function, body, letters, scope)
        element = inner.at(tuple(own)) if keeps else body
        use = AxisFunctionUse(e.function, element, body, letters, sizes, own[axes[0]])
        return use.written_out(scope)

    return Array(shape, at)


def _one(index: Index) -> tuple[Expression, tuple[str, ...]]:
    return index, (index.name,)


def _reduced_shape(shape: Shape, axes: tuple[int, ...], stays: bool) -> Shape:
    if stays:
        return tuple(ONE if k in axes else size for k, size in enumerate(shape))
    return tuple(size for k, size in enumerate(shape) if k not in axes)


def named_axes(e: Call, inner: Array) -> tuple[int, ...]:
    """The axes that are reduced, in order."""
    named = dict(e.options).get("axis")
    if named is None:
        return tuple(range(inner.rank))
    axes = [axis_of(e, inner, value) for value in (named.items if isinstance(named, Stack) else (named,))]
    if len(set(axes)) < len(axes):
        raise DeriveError(f"'{e.function}' names an axis twice", e.place)
    return tuple(sorted(axes))


def axis_of(e: Call, inner: Array, value: Expression) -> int:
    """The axis that ``axis=`` names, counted from the last where it is negative."""
    axis = constant_value(value)
    if axis is None or axis.denominator != 1 or not -inner.rank <= axis < inner.rank:
        raise DeriveError(f"there is no axis {value} in an array of shape {print_shape(inner.shape)}", e.place)
    return int(axis) % inner.rank


def _check_one_axis(e: Expression, name: str, axes: int) -> None:
    if name == "cumsum" and axes > 1:
        raise DeriveError("cumsum runs along one axis", e.place, "name it: cumsum(x, axis=0)")
