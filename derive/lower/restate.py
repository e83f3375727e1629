"""The model with its equations in stable form, and the measure of which of two programs is the safer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from derive.expression.nodes import Call, Div, Expression, Neg, Pow, Ref, Where
from derive.expression.walk import children, names
from derive.lower.known import Body, Known
from derive.lower.program import Program
from derive.lower.stable import restated_equation
from derive.model import GIVEN, Model

# Functions that overflow, or have no value, at numbers that a model may well meet.
HAZARDOUS = frozenset({"exp", "exp2", "expm1", "sinh", "cosh", "log", "log2", "log10", "log1p", "logit", "reciprocal"})


def restated_model(model: Model) -> Model:
    """The model with each equation in an equal form that is stable; itself where they all are."""
    bodies: dict[str, Body] = {}
    data = _data(model)
    for e in model.equations:
        # through a recurrence nothing is looked: what is behind it may lie in another step
        seen = {name: body for name, body in bodies.items() if name not in model.recurrent}
        bodies[e.name] = (e.indices, restated_equation(e.body, Known(seen, data)))
    if all(bodies[e.name][1] == e.body for e in model.equations):
        return model
    return replace(model, equations=tuple(replace(e, body=bodies[e.name][1]) for e in model.equations))


def known_of(model: Model) -> Known:
    """All that is known of a model's nodes."""
    return Known({e.name: (e.indices, e.body) for e in model.equations}, _data(model))


def _data(model: Model) -> frozenset[str]:
    return frozenset(v.name for v in model.of_role(*GIVEN))


def activations(known: Known) -> Known:
    """Of the nodes those that apply one function to another node: to look into them costs that one call."""
    return Known({name: body for name, body in known.bodies.items() if _is_activation(body[1])}, known.data)


def _is_activation(e: Expression) -> bool:
    if not isinstance(e, Call) or len(e.args) != 1:
        return False
    arg = e.args[0].arg if isinstance(e.args[0], Neg) else e.args[0]
    return isinstance(arg, Ref)


def hazards(program: Program) -> tuple[int, int]:
    """How many quotients, logarithms and exponentials could leave the range of floats on the way to the gradients.

    First those that are always computed, then those that a case distinction guards.
    """
    back = (*program.backward, *program.gradients)
    forward = program.needed(program.model.loss, *(name for s in back for name in names(s.value)))
    harmless = {v.name for v in program.model.of_role("size", "constant")} | {program.count}
    found = [guarded for s in (*forward, *back) for guarded in _guards(s.value, harmless, False)]
    return found.count(False), found.count(True)


def _guards(e: Expression, harmless: set[str | None], guarded: bool) -> Iterator[bool]:
    """For each hazard in the expression, whether a case distinction guards it."""
    if _is_hazard(e, harmless):
        yield guarded
    for child in children(e):
        yield from _guards(child, harmless, guarded or isinstance(e, Where))


def _is_hazard(e: Expression, harmless: set[str | None]) -> bool:
    match e:
        case Div(denominator=Call(function="erfcx")):
            return False  # never 0, and infinite where the quotient vanishes
        case Div(denominator=varying):
            risky = True
        case Pow(base=varying):
            risky = isinstance(e.exponent, Neg)
        case Call(args=(varying,)):
            risky = e.function in HAZARDOUS
        case _:
            return False
    return risky and any(name not in harmless for name in names(varying))
