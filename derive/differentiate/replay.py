"""Replaying a step: the named rule applied to `before` again gives `after`.

Steps to a batch, and to second derivatives, are made again from the derivation and compared.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from derive.algebra.rational import alpha_normal
from derive.derivation import Derivation, Step
from derive.differentiate.batch import GRADIENT_RULES, SECOND_RULES, batch_gradients, batch_second
from derive.differentiate.hessian import SLOPES, TOTAL, hessian
from derive.errors import DeriveError
from derive.expression.nodes import Expression, Index, Ref, Where
from derive.model import Model
from derive.rules.guards import tests_of
from derive.rules.known_sums import says_a_sum
from derive.rules.notation import ARRAY_NOTATION
from derive.rules.rule import Consumer, Context, Fact
from derive.rules.table import RULES


def replay(derivation: Derivation, step: Step) -> Expression:
    """The result of the step's rule on its `before`, in the context that the derivation gives it."""
    if step.rule not in (*RULES, *GRADIENT_RULES, *SECOND_RULES, TOTAL, SLOPES):
        raise DeriveError(f"there is no rule '{step.rule}'")
    for context in _contexts(derivation) if step.rule in RULES else ():
        for before, wanted, here in _inside_of_cases(step.before, step.after, context):
            after = RULES[step.rule].apply(before, here)
            if after is not None and (after == wanted or alpha_normal(after) == alpha_normal(wanted)):
                return step.after  # the same but for the letters of bound indices
    if step.rule in (*GRADIENT_RULES, ARRAY_NOTATION.name) and _is_among(batch_steps(derivation), step):
        return step.after
    if step.rule not in GRADIENT_RULES and _is_among(derivation.second_steps, step):
        return step.after
    raise DeriveError(f"the rule '{step.rule}' does not lead from {step.before} to {step.after}")


def _inside_of_cases(
    before: Expression, after: Expression, context: Context
) -> Iterator[tuple[Expression, Expression, Context]]:
    """A step and, where it changes one case of several, that case, with what the output is there."""
    yield before, after, context
    if not isinstance(before, Where) or not isinstance(after, Where) or before.condition != after.condition:
        return
    changed = [case for case in ("then", "otherwise") if getattr(before, case) != getattr(after, case)]
    if len(changed) == 1:
        (case,) = changed
        if context.output is not None and isinstance(context.output[1], Where):
            context = replace(context, output=(context.output[0], getattr(context.output[1], case)))
        if case == "then":
            context = replace(context, holds=(*context.holds, *tests_of(before.condition)))
        yield from _inside_of_cases(getattr(before, case), getattr(after, case), context)


def batch_steps(derivation: Derivation) -> tuple[Step, ...]:
    """The steps to the gradients of the batch."""
    return tuple(step for gradient in batch_gradients(derivation) for step in gradient.steps)


def second_steps(derivation: Derivation) -> tuple[Step, ...]:
    """The steps to the second derivatives by all that the derivation is by, and those to the batch's."""
    found: list[Step] = []
    for block in hessian(derivation, tuple(gradient.name for gradient in derivation.gradients)).blocks:
        found += block.steps
        if derivation.model.per_example.isdisjoint((block.of, block.wrt)):
            found += batch_second(block, block.steps[-1].after, derivation.model)[1]
    return tuple(found)


def _is_among(steps: tuple[Step, ...], step: Step) -> bool:
    return any((again.rule, again.before, again.after) == (step.rule, step.before, step.after) for again in steps)


def _contexts(derivation: Derivation) -> list[Context]:
    """Every context in which a step of the derivation may have been made: one for each node."""
    model = derivation.model
    facts: dict[tuple[str, str], Fact] = {}
    for r in derivation.local:
        of = f"{r.of} itself" if r.of == model.loss else r.of
        facts[(of, r.wrt)] = Fact(r.indices, r.expr)
    for a in (*derivation.nodes, *derivation.gradients):
        facts[(model.loss, a.name)] = Fact(a.result.indices, a.result.expr)
    consumers = {
        name: tuple(_consumer(model, user) for user in users if user in model.reaches_loss)
        for name, users in model.consumers.items()
    }
    common = Context(
        loss=model.loss,
        facts=facts,
        consumers={k: v for k, v in consumers.items() if v},
        assumptions=model.assumptions,
        structures=model.structures,
        shapes=model.shapes,
        stepwise=bool(model.recurrent),
    )
    found = [common]
    for e in model.equations:
        found.append(replace(common, output=_output(model, e.name)))
    for r in derivation.local:
        if r.indices:
            ranges = dict(zip(r.indices, r.shape, strict=True))
            found.append(replace(common, output=_output(model, r.of), ranges=ranges, axes=r.indices, sizes=r.shape))
    sums = [e.name for e in model.equations if says_a_sum(e.body)]
    for a in (*derivation.nodes, *derivation.gradients):
        r = a.result
        if r.indices or sums:
            ranges = dict(zip(r.indices, r.shape, strict=True))
            near = dict.fromkeys((*model.consumers.get(a.name, ()), *sums))
            equations = tuple(_output(model, name) for name in near)
            found.append(replace(common, axes=r.indices, sizes=r.shape, ranges=ranges, equations=equations))
    return found


def _output(model: Model, name: str) -> tuple[Ref, Expression]:
    e = model.by_name[name]
    return Ref(e.name, tuple(Index(i) for i in e.indices)), e.body


def _consumer(model: Model, name: str) -> Consumer:
    e = model.by_name[name]
    return Consumer(name, (), e.body) if name == model.loss else Consumer(name, e.indices, None, e.shape)
