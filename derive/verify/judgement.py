"""Whether a side equals what it claims to equal, by the prover alone.

In: two expressions over the same axes, and the equations around them.  Out: a `Verdict`.  The true side is compared at
many points with 60 digits; where it has a value, the claim must have the same one.  Poles that cancel are no mistake.
"""

from __future__ import annotations

from dataclasses import dataclass

from derive.expression.nodes import Expression, Ref
from derive.expression.walk import names
from derive.model import Model, Shape
from derive.prove.both import agree_where_both
from derive.prove.counterexample import Counterexample, Points
from derive.prove.setting import Setting
from derive.prove.symbolic import prove_symbolically
from derive.verify.statement import Head, Statements

RIGHT, WRONG, UNDECIDED = "right", "wrong", "undecided"


@dataclass(frozen=True)
class Verdict:
    """`verdict` is right, wrong or undecided; `proof` says how it was proved right.

    Where the shape is wrong, `shapes` are the one that it has and the one it should have; `reason` says what parts do
    not fit together.
    """

    verdict: str
    proof: str | None = None
    reason: str = ""
    counterexample: Counterexample | None = None
    shapes: tuple[str, str] | None = None


def setting(statements: Statements, head: Head, *sides: Expression) -> Setting:
    """The equations that the sides need: those of the model, those of derivatives, in the order of computing."""
    model = statements.model
    known = {e.name: (e.element, e.body) for e in model.equations} | statements.truths.equations
    order = _in_order(known, (head.expr, *sides, *_assumed(model)))
    shapes: dict[str, Shape] = {name: shape for name, shape in statements.shapes.items() if shape}
    return Setting(
        equations=tuple(known[name] for name in order),
        assumptions=model.assumptions,
        shapes=shapes,
        axes=head.axes,
        ranges=dict(zip(head.axes, head.shape, strict=True)),
        structures=model.structures,
    )


def _assumed(model: Model) -> tuple[Expression, ...]:
    return model.assumptions


def _in_order(known: dict[str, tuple[Ref, Expression]], wanted: tuple[Expression, ...]) -> list[str]:
    """The names of equations that expressions need, each behind those that it needs itself."""
    order: dict[str, None] = {}
    seen: set[str] = set()  # a recurrence needs itself
    pending = [(name, False) for e in wanted for name in names(e) if name in known]
    while pending:
        name, done = pending.pop()
        if done:
            order[name] = None
        elif name not in seen:
            seen.add(name)
            pending.append((name, True))
            pending += [(n, False) for n in names(known[name][1]) if n in known and n not in seen]
    return list(order)


def judge(truth: Expression, claim: Expression, where: Setting) -> Verdict:
    """Whether the claim equals the truth.

    >>> from derive.parse.expression import parse_expression as read
    >>> judge(read("a - y"), read("(-y/a + (1 - y)/(1 - a))*a*(1 - a)"), Setting()).verdict
    'right'
    >>> judge(read("a - y"), read("a + y"), Setting()).verdict
    'wrong'
    """
    if truth == claim:
        return Verdict(RIGHT, "symbolic")
    agreed = agree_where_both(truth, claim, where)
    if agreed is None:
        return Verdict(UNDECIDED)
    if not agreed:
        told = [name for name in {**names(truth), **names(claim)} if not where.shapes.get(name)]
        tried = (Points(truth, claim, where, count).counterexample(claim, told) for count in (3, 30))
        return Verdict(WRONG, counterexample=next((found for found in tried if found is not None), None))
    return Verdict(RIGHT, "symbolic" if prove_symbolically(truth, claim, where) else "numeric")
