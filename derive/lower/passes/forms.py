"""Functions as operations on arrays: forms in which arithmetic is shared and each operation writes where it is told.

They are as exact as those of readable code; an exponential may overflow to infinity, and the quotient by it then is 0.
"""

from __future__ import annotations

from dataclasses import replace

from derive.arrays.contraction import NEW_AXIS, WHOLE
from derive.expression.build import add, div, neg, number
from derive.expression.nodes import Call, Expression, Item
from derive.expression.walk import bottom_up
from derive.lower.array_shapes import axis_numbers
from derive.lower.passes.mapping import SECTIONS, section, with_sections
from derive.lower.program import Program, Statement, asks_which_step
from derive.lower.shapes import Shapes, shape_of
from derive.lower.stable_rows import Row, by_rows

NO_HELPER = "ufuncs alone, which write into buffers"
SHARED = "its exponential is shared"

FORMS: tuple[Row, ...] = (
    Row("sigmoid(-u)", "1/(1 + exp(u))", NO_HELPER),
    Row("sigmoid(u)", "1/(1 + exp(-u))", NO_HELPER),
    Row("silu(u)", "u/(1 + exp(-u))", NO_HELPER),
    Row("gelu(u)", "u*normal_cdf(u)", "its derivative has the same function"),
    Row("softplus(-u)", "log1p(exp(-abs(u))) - minimum(u, 0)", SHARED),
    Row("softplus(u)", "log1p(exp(-abs(u))) + maximum(u, 0)", SHARED),
    Row("log_sigmoid(u)", "minimum(u, 0) - log1p(exp(-abs(u)))", SHARED),
    Row("binary_cross_entropy_with_logits(u, v)", "maximum(u, 0) - v*u + log1p(exp(-abs(u)))", NO_HELPER),
    Row("sech(u)", "1/cosh(u)", NO_HELPER),
    Row("relu(u)", "maximum(u, 0)", NO_HELPER),
    Row("squared_relu(u)", "maximum(u, 0)**2", NO_HELPER),
    Row("hinge(u)", "maximum(1 - u, 0)", NO_HELPER),
    Row("squared_hinge(u)", "maximum(1 - u, 0)**2", NO_HELPER),
    Row("mse_loss(u, v)", "(u - v)**2", NO_HELPER),
)


def fast_forms(program: Program) -> Program:
    """The rows of `FORMS`; softmax and its logarithm by the exponentials that they share."""
    shapes = program.shapes

    def change(e: Expression) -> Expression:
        if isinstance(e, Call) and e.function in _ALONG and e.options:
            return _along(e, shapes)
        return by_rows(e, FORMS) if isinstance(e, Call) else e

    def changed(s: Statement) -> Statement:
        return s if asks_which_step(s) else replace(s, value=bottom_up(s.value, change))

    return with_sections(program, {name: [changed(s) for s in section(program, name)] for name in SECTIONS})


_ALONG = ("softmax", "log_softmax", "logsumexp")


def _along(e: Call, shapes: Shapes) -> Expression:
    """softmax(u) = exp(v)/sum(exp(v)), log_softmax(u) = v - log(sum(exp(v))) with v = u - max(u)."""
    (u,) = e.args
    shape = shape_of(u, shapes)
    axes = () if shape is None else axis_numbers(e.options[0][1], len(shape))
    if shape is None or len(axes) != 1:
        return e
    (axis,) = axes

    def reduced(function: str, array: Expression) -> Expression:
        """Along the axis; of a vector there is but one."""
        options = (("axis", number(axis)),) if len(shape) > 1 else ()
        return Call(function, (array,), options)

    def kept(array: Expression) -> Expression:
        subscripts = tuple(NEW_AXIS if k == axis else WHOLE for k in range(len(shape)))
        return Item(array, subscripts) if len(shape) > 1 else array

    top = reduced("max", u)
    shifted = add(u, neg(kept(top)))
    total = reduced("sum", Call("exp", (shifted,)))
    match e.function:
        case "softmax":
            return div(Call("exp", (shifted,)), kept(total))
        case "log_softmax":
            return add(shifted, neg(kept(Call("log", (total,)))))
    return add(top, Call("log", (total,)))
