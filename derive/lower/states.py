"""The next values of a model's states, as statements beside the gradients: where a step writes both."""

from __future__ import annotations

from dataclasses import replace

from derive.expression.build import ZERO, div
from derive.expression.nodes import Call, Ref
from derive.lower.program import Program, Statement, adjoint_name


def with_next_states(program: Program) -> Program:
    """The program with each state's next value behind the gradients, under the state's name where a gradient has its
    parameter's; of what every example has one of, the mean."""
    forward = {s.name: s for s in program.forward}
    found = tuple(_next_value(forward[e], state, program) for e, state in program.model.states.items())
    return replace(program, gradients=(*program.gradients, *found))


def _next_value(s: Statement, state: str, program: Program) -> Statement:
    formula = f"{state} = {s.formula.partition(' = ')[2]}"
    if s.name not in program.model.per_example or s.shape is None:
        return replace(s, name=adjoint_name(state), formula=formula)
    total = Call("sum", (Ref(s.name),), (("axis", ZERO),) if len(s.shape) > 1 else ())
    value = div(total, Ref(program.count or ""))
    return Statement(adjoint_name(state), s.axes[1:], value, f"{formula}, the mean", shape=s.shape[1:])
