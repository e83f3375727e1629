"""Matrix products: transposes folded into their factors, chains in the cheapest order."""

from __future__ import annotations

from functools import cache

from derive.arrays.contraction import transposed
from derive.expression.nodes import Expression, MatMul, Number, Ref, Transpose
from derive.expression.walk import bottom_up
from derive.lower.passes.mapping import with_values
from derive.lower.program import Program
from derive.lower.shapes import Shapes, shape_of
from derive.model import Model
from derive.parse.numbers import number_value

EXAMPLES, USUAL = 256.0, 64.0  # what counts as the number of examples, and as a size without a value


def transposes_folded(program: Program) -> Program:
    """``(A @ B).T`` as ``B.T @ A.T``: a factor's transpose costs nothing, that of a product is another array."""

    def change(e: Expression) -> Expression:
        return transposed(e.arg) if isinstance(e, Transpose) and isinstance(e.arg, (MatMul, Transpose)) else e

    return with_values(program, lambda value: bottom_up(value, change))


def cheapest_products(program: Program) -> Program:
    """``A @ B @ v`` as ``A @ (B @ v)``: of all orders of a chain the one with the fewest multiplications."""
    shapes = program.shapes

    def change(e: Expression) -> Expression:
        if not isinstance(e, MatMul):
            return e
        factors = _chain(e)
        return e if len(factors) < 3 else _cheapest(factors, shapes, program) or e

    return with_values(program, lambda value: bottom_up(value, change))


def _chain(e: Expression) -> list[Expression]:
    return [*_chain(e.left), *_chain(e.right)] if isinstance(e, MatMul) else [e]


def _cheapest(factors: list[Expression], shapes: Shapes, program: Program) -> Expression | None:
    """By dynamic programming over the ends of the parts; None unless all but the outer factors are matrices."""
    dimensions: list[float] = []
    for k, factor in enumerate(factors):
        shape = shape_of(factor, shapes)
        if shape is None or len(shape) not in (1, 2) or (len(shape) == 1 and 0 < k < len(factors) - 1):
            return None
        rows = [1.0] if len(shape) == 1 and k == 0 else []
        columns = [1.0] if len(shape) == 1 and k == len(factors) - 1 else []
        sizes = [*rows, *(_size(n, program.model, program.count) for n in shape), *columns]
        dimensions += sizes if k == 0 else sizes[1:]

    @cache
    def best(first: int, last: int) -> tuple[float, Expression]:
        if first == last:
            return 0.0, factors[first]
        found: list[tuple[float, int]] = []
        for middle in range(first, last):
            work = dimensions[first] * dimensions[middle + 1] * dimensions[last + 1]
            found.append((best(first, middle)[0] + best(middle + 1, last)[0] + work, -middle))
        cost, middle = min(found)  # of equal ones from left to right, as it was written
        return cost, MatMul(best(first, -middle)[1], best(1 - middle, last)[1])

    return best(0, len(factors) - 1)[1]


def _size(n: Expression, model: Model, count: str | None) -> float:
    """A size as a number: its value, where it has one."""
    match n:
        case Number():
            return float(n.value)
        case Ref(name=name) if name == count or name == model.examples:
            return EXAMPLES
        case Ref(name=name) if name in model.variables and (value := model.variables[name].value) is not None:
            return number_value(value) or USUAL
    return USUAL
