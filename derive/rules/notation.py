"""The passage from index form to whole-array notation, as a rule."""

from __future__ import annotations

from derive.arrays.form import in_arrays
from derive.arrays.steps import in_steps
from derive.expression.nodes import ComponentTensor, Div, Expression, Index, Mul, Number, Reduce
from derive.expression.walk import children, holds, walk
from derive.rules.rule import Context, Rule


def _arrays(e: Expression, context: Context) -> Expression | None:
    if not context.axes and not holds(e, Index, Reduce, ComponentTensor) and not _has_coefficients(e):
        return None  # scalars alone, and no number to bring to the front
    result = in_arrays(e, context.axes, context.sizes, context.shapes)
    if result is None and context.stepwise:
        result = in_steps(e, context.axes, context.sizes, context.shapes)
    return None if result is None or result == e else result


def _has_coefficients(e: Expression) -> bool:
    """Whether a number is a factor or a divisor."""
    products = (node for node in walk(e, Mul, Div) if isinstance(node, (Mul, Div)))
    return any(isinstance(part, Number) for node in products for part in children(node))


ARRAY_NOTATION = Rule("array notation", "u[i]*v[j] is outer(u, v), sum(W[i, j]*x[j], j) is W @ x, and so on", _arrays)
