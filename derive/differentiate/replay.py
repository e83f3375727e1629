"""Replaying a step: the named rule applied to `before` again gives `after`."""

from __future__ import annotations

from derive.derivation import Derivation, Step
from derive.errors import DeriveError
from derive.expression.nodes import Expression, Index, Ref
from derive.rules.rule import Consumer, Context, Fact
from derive.rules.table import RULES


def replay(derivation: Derivation, step: Step) -> Expression:
    """The result of the step's rule on its `before`, in the context that the derivation gives it."""
    if step.rule not in RULES:
        raise DeriveError(f"there is no rule '{step.rule}'")
    for context in _contexts(derivation):
        after = RULES[step.rule].apply(step.before, context)
        if after == step.after:
            return after
    raise DeriveError(f"the rule '{step.rule}' does not lead from {step.before} to {step.after}")


def _contexts(derivation: Derivation) -> list[Context]:
    """Every context in which a step of the derivation may have been made: one for each node."""
    model = derivation.model
    facts: dict[tuple[str, str], Fact] = {}
    for r in derivation.local:
        of = f"{r.of} itself" if r.of == model.loss else r.of
        facts[(of, r.wrt)] = Fact(r.indices, r.expr)
    expanded = {a.name: Fact(a.result.indices, a.result.expr) for a in (*derivation.nodes, *derivation.gradients)}
    facts |= {(model.loss, name): fact for name, fact in expanded.items()}
    consumers: dict[str, tuple[Consumer, ...]] = {}
    for name, users in model.consumers.items():
        consumers[name] = tuple(
            Consumer(user, () if user == model.loss else model.by_name[user].indices, model.by_name[user].body if user == model.loss else None,
                     model.by_name[user].shape)
            for user in users if user in model.reaches_loss
        )
    common = {"loss": model.loss, "facts": facts, "consumers": {k: v for k, v in consumers.items() if v}, "assumptions": model.assumptions}
    found = [Context(**common)]  # type: ignore[arg-type]
    for e in model.equations:
        output = (Ref(e.name, tuple(Index(i) for i in e.indices)), e.body)
        found.append(Context(output=output, **common))  # type: ignore[arg-type]
    for r in derivation.local:
        e = model.by_name[r.of]
        output = (Ref(e.name, tuple(Index(i) for i in e.indices)), e.body)
        ranges = dict(zip(r.indices, r.shape, strict=True))
        if ranges:
            found.append(Context(output=output, ranges=ranges, **common))  # type: ignore[arg-type]
    for a in (*derivation.nodes, *derivation.gradients):
        if a.result.shape:
            found.append(Context(axes=a.result.indices, sizes=a.result.shape, ranges=dict(zip(a.result.indices, a.result.shape, strict=True)), **common))  # type: ignore[arg-type]
    return found
