"""Sums with known ranges, and the functions of a whole axis, which are written out by their definitions."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from derive.expression.build import ZERO, mul, power
from derive.expression.nodes import Both, Compare, Expression, Index, Reduce, Ref, Where
from derive.expression.walk import free_indices, rename_indices, transform
from derive.functions import AXIS_FUNCTIONS
from derive.parse.expression import parse_expression
from derive.parse.ranges import ranges_of
from derive.parse.scope import Scope, Shape
from derive.parse.sizes import count, same_size


def reduced(
    op: str, body: Expression, indices: tuple[str, ...], scope: Scope, condition: Expression | None = None
) -> Expression:
    """A reduction over indices whose sizes are known; where the body does not tell a size, a condition does.

    The sum and the other reductions of what an index does not enter need no index.
    """
    entering = {**free_indices(body), **({} if condition is None else free_indices(condition))}
    kept = tuple(i for i in indices if i in entering)
    left_out = [scope.bound[i] for i in indices if i not in entering]
    test = all_of(tuple(dict.fromkeys((*flat_conditions(condition), *_bounds(body, kept, scope)))))
    sizes = tuple(scope.bound[i] for i in kept)
    result: Expression = Reduce(op, body, kept, test, sizes) if kept else body
    if op == "sum" and left_out:
        return mul(*left_out, result)
    if op == "prod" and left_out:
        return power(result, mul(*left_out))
    return result


def _bounds(body: Expression, indices: tuple[str, ...], scope: Scope) -> tuple[Expression, ...]:
    """``i < size`` for each index whose size the body does not tell."""
    inferred = ranges_of(body, scope.shapes, indices, scope.written)
    return tuple(
        Compare("<", Index(i), scope.bound[i])
        for i in indices
        if i not in inferred or not same_size(inferred[i], scope.bound[i])
    )


def all_of(tests: tuple[Expression, ...]) -> Expression | None:
    return None if not tests else tests[0] if len(tests) == 1 else Both(tests)


def flat_conditions(condition: Expression | None) -> tuple[Expression, ...]:
    return () if condition is None else condition.conditions if isinstance(condition, Both) else (condition,)


@cache
def _definition(name: str) -> Expression:
    return parse_expression(AXIS_FUNCTIONS[name].definition)


@dataclass(frozen=True)
class AxisFunctionUse:
    """A row of the axis functions at one place: ``u[i]`` is `own`, ``u[j]`` is `body`, and j runs over `bound`."""

    name: str
    own: Expression
    body: Expression
    bound: tuple[str, ...]
    sizes: Shape
    position: Expression  # i itself, on the first axis
    condition: Expression | None = None

    def written_out(self, scope: Scope) -> Expression:
        def change(node: Expression) -> Expression | None:
            match node:
                case Ref(name="u"):
                    return self.own if node.indices == (Index("i"),) else self.body
                case Ref(name="size"):
                    return count(self.sizes)
                case Reduce():
                    inner = transform(node.body, change)
                    return reduced(node.op, inner, self.bound, scope, self.test(node))
            return None

        found = transform(_definition(self.name), change)
        if self.name != "softmax" or self.condition is None:
            return found
        own = rename_indices(self.condition, {self.bound[0]: self.position})
        return Where(own, found, ZERO)  # what takes no part has no weight

    def test(self, node: Reduce) -> Expression | None:
        if node.condition is None:
            return self.condition
        until = Compare("<=", Index(self.bound[0]), self.position)  # cumsum: j <= i
        return all_of((until, *flat_conditions(self.condition)))
