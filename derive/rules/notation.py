"""The passage from index form to whole-array notation, as a rule."""

from __future__ import annotations

from derive.arrays.form import in_arrays
from derive.arrays.steps import in_steps
from derive.expression.nodes import Expression
from derive.rules.rule import Context, Rule


def _arrays(e: Expression, context: Context) -> Expression | None:
    result = in_arrays(e, context.axes, context.sizes, context.shapes)
    if result is None and context.stepwise:
        result = in_steps(e, context.axes, context.sizes, context.shapes)
    return None if result is None or result == e else result


ARRAY_NOTATION = Rule("array notation", "u[i]*v[j] is outer(u, v), sum(W[i, j]*x[j], j) is W @ x, and so on", _arrays)
