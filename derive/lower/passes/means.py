"""The division by the number of examples is put off: the update takes it with the learning rate."""

from __future__ import annotations

from dataclasses import replace

from derive.expression.nodes import Div, Expression, Neg, Ref
from derive.lower.program import Program, adjoint_name


def means_put_off(program: Program) -> Program:
    """Where every gradient is a sum over the examples divided by their number, the gradients become the sums."""
    states = {adjoint_name(name) for name in program.model.states.values()}
    gradients = [s for s in program.gradients if s.name not in states]
    sums = [_sum(s.value, program.count) for s in gradients]
    if program.count is None or None in sums or not sums:
        return program
    put_off = [replace(s, value=e) for s, e in zip(gradients, sums, strict=True) if e is not None]
    return replace(program, gradients=(*put_off, *(s for s in program.gradients if s.name in states)), summed=True)


def _sum(value: Expression, count: str | None) -> Expression | None:
    match value:
        case Neg():
            inner = _sum(value.arg, count)
            return None if inner is None else Neg(inner)
        case Div(numerator=numerator, denominator=Ref(name=name)) if name == count:
            return numerator
    return None
