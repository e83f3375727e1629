"""What whole-array notation spells out under its own name again: exp(x)/sum(exp(x)) is softmax(x).

The patterns are the definitions of the function table, in whole-array notation.
"""

from __future__ import annotations

from functools import cache

from derive.arrays.form import in_arrays
from derive.arrays.steps import in_steps
from derive.arrays.transposes import without_transposes
from derive.expression.nodes import Call, Expression, Ref
from derive.expression.walk import bottom_up, children, free_indices
from derive.functions import AXIS_FUNCTIONS, REDUCTIONS
from derive.model import Model
from derive.parse.expression import parse_expression
from derive.rules.rule import Context, Rule
from derive.rules.structures import SYMMETRIC

Shape = tuple[Expression, ...]

NAMED = ("log_softmax", "softmax", "logsumexp", "norm")


@cache
def _patterns() -> tuple[tuple[str, Expression, bool], ...]:
    """Name, definition over whole arrays, and whether the function keeps its axis."""
    found = []
    for name in NAMED:
        row = AXIS_FUNCTIONS[name]
        whole = in_arrays(parse_expression(row.definition), ("i",) if row.keeps_axis else ())
        if whole is not None:
            found.append((name, whole, row.keeps_axis))
    return tuple(found)


Options = tuple[tuple[str, Expression], ...]


def _matched(pattern: Expression, e: Expression, found: dict[str, Expression], options: set[Options]) -> bool:
    """Whether `e` is the pattern with something in the place of ``u``; `options` are those of its reductions."""
    if pattern == Ref("u"):
        return found.setdefault("u", e) == e
    inner, outer = children(pattern), children(e)
    if type(pattern) is not type(e) or len(inner) != len(outer):
        return False
    if isinstance(pattern, Call) and isinstance(e, Call):
        if pattern.function != e.function:
            return False
        if pattern.function in REDUCTIONS:
            options.add(e.options)
        elif e.options:
            return False
    if not inner:
        return pattern == e
    return all(_matched(p, q, found, options) for p, q in zip(inner, outer, strict=True))


def _of_axis(options: Options, keeps_axis: bool, axes: int) -> Options | None:
    """The named function's own options, where its reductions have these; None where they fit no function."""
    if not keeps_axis:
        return options
    match options:
        case ():
            return () if axes == 1 else None
        case (("axis", axis), ("keepdims", _)):
            return (("axis", axis),)
    return None


def named(e: Expression, axes: int) -> Expression:
    """The expression, of an array with so many axes, with functions under their names."""

    def change(node: Expression) -> Expression:
        for name, pattern, keeps_axis in _patterns():
            found: dict[str, Expression] = {}
            options: set[Options] = set()
            if _matched(pattern, node, found, options) and len(options) == 1:
                own = _of_axis(options.pop(), keeps_axis, axes)
                if own is not None:
                    return Call(name, (found["u"],), own)
        return node

    return bottom_up(e, change)


def _named(e: Expression, context: Context) -> Expression | None:
    result = named(e, len(context.axes))
    return None if result == e else result


def whole_arrays(e: Expression, indices: tuple[str, ...], sizes: Shape, model: Model) -> Expression | None:
    """A result in whole-array notation, without transposes of symmetric matrices, with functions under their names.

    None where that notation cannot say it.  Of recurrences also step by step: then an index of the result stays.
    """
    whole = in_arrays(e, indices, sizes, model.shapes)
    if whole is None:
        return in_steps(e, indices, sizes, model.shapes) if model.recurrent else None
    plain = without_transposes(whole, lambda name: model.structures.get(name) in SYMMETRIC)
    result = named(plain, len(indices))
    return result if indices or result != e else None


def kept_indices(whole: Expression, indices: tuple[str, ...]) -> tuple[str, ...]:
    """The indices of a result that are still there in whole-array notation: that of the steps, or none."""
    left = free_indices(whole)
    return tuple(i for i in indices if i in left)


def displayed(e: Expression, indices: tuple[str, ...], sizes: Shape, model: Model) -> Expression:
    """A result as it is shown: in whole-array notation where that can say it, else in index form."""
    return whole_arrays(e, indices, sizes, model) or e


NAME_FUNCTION = Rule("name a known function", "exp(u)/sum(exp(u)) = softmax(u), sqrt(sum(u**2)) = norm(u)", _named)
