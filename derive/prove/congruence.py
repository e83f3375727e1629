"""Where two lines differ: equals put for equals give equals, so a step holds if what it changed is equal.

In: both sides of a step.  Out: the smallest pairs of parts in which they differ.  That all pairs are equal proves the
step; that one is not says nothing, since the whole may hold where its parts do not (a cancellation).
"""

from __future__ import annotations

from collections.abc import Callable

from derive.expression.build import ONE, ZERO, add, mul
from derive.expression.nodes import Add, Call, D, Div, Expression, Mul, Neg, Number, Pow, Reduce, Ref, Where
from derive.expression.parts import flat_factors, terms_of
from derive.expression.walk import free_indices, names, nodes_of, replace
from derive.prove.setting import Setting

Pair = tuple[Expression, Expression]
Parts = list[Expression]


def differences(before: Expression, after: Expression) -> list[Pair]:
    """The smallest pairs of parts in which the sides differ; the sides themselves where they have nothing in common.

    >>> from derive.parse.expression import parse_expression as read
    >>> [f"{left} -> {right}" for left, right in differences(read("y*exp(D(w*x, x))/2"), read("y*exp(w*1)/2"))]
    ['D(w*x, x) -> w*1']
    """
    if before == after:
        return []
    match before, after:
        case Neg(), Neg():
            return differences(before.arg, after.arg)
        case Div(), Div() if before.denominator == after.denominator:
            return differences(before.numerator, after.numerator)
        case Div(), Div() if before.numerator == after.numerator:
            return differences(before.denominator, after.denominator)
        case Pow(), Pow() if before.exponent == after.exponent:
            return differences(before.base, after.base)
        case Call(), Call() if _same_head(before, after):
            return [p for pair in zip(before.args, after.args, strict=True) for p in differences(*pair)]
        case Reduce(), Reduce() if _same_range(before, after):
            return differences(before.body, after.body)
        case Where(), Where() if before.condition == after.condition:
            return [*differences(before.then, after.then), *differences(before.otherwise, after.otherwise)]
        case (Mul(), _) | (_, Mul()):
            return _apart(flat_factors(before), flat_factors(after), mul, ONE)
        case (Add(), _) | (_, Add()):
            return _apart(list(terms_of(before)), list(terms_of(after)), add, ZERO)
    return [(before, after)]


def _same_head(before: Call, after: Call) -> bool:
    same = before.function == after.function and before.options == after.options
    return same and len(before.args) == len(after.args)


def _same_range(before: Reduce, after: Reduce) -> bool:
    return (before.op, before.indices, before.condition, before.ranges) == (
        after.op, after.indices, after.condition, after.ranges
    )  # fmt: skip


def _apart(left: Parts, right: Parts, join: Callable[..., Expression], empty: Expression) -> list[Pair]:
    """What is left of two sums or products without their common parts; each with its partner if they are as many."""
    for part in list(left):
        if part in right:
            left.remove(part)
            right.remove(part)
    if len(left) == len(right):
        return [p for pair in zip(left, right, strict=True) for p in differences(*pair)]
    return [(join(*left) if left else empty, join(*right) if right else empty)]


def generalised(pair: Pair) -> tuple[Pair, dict[str, tuple[Ref, ...]]]:
    """The pair with any function for each body whose derivative stands on the right, and what it may depend on.

    >>> from derive.parse.expression import parse_expression as read
    >>> (left, right), functions = generalised((read("D(exp(w*x), w)"), read("exp(w*x)*D(w*x, w)")))
    >>> f"{left} -> {right}"
    'D(exp(¶0), w) -> exp(¶0)*D(¶0, w)'
    """
    derivatives = [node for side in pair for node in nodes_of(side, D)]
    by = tuple(dict.fromkeys(node.wrt for node in derivatives))
    right = dict.fromkeys(node.body for node in nodes_of(pair[1], D))
    bodies = [body for body in right if not isinstance(body, (Ref, Number)) and not free_indices(body)]
    table: dict[Expression, Expression] = {body: Ref(f"¶{k}") for k, body in enumerate(bodies)}
    return (replace(pair[0], table), replace(pair[1], table)), {f"¶{k}": by for k in range(len(bodies))}


def speaks_for_itself(pair: Pair, setting: Setting) -> bool:
    """Whether nothing that the setting knows is spoken of: then the pair is equal in every setting or in none."""
    known = {setting.loss, setting.node, *setting.structures, *(element.name for element, _ in setting.equations)}
    return not any(setting.shapes.values()) and known.isdisjoint(name for side in pair for name in names(side))
