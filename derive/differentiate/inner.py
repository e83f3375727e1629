"""Derivatives inside a model: for ``grad(u, x)`` the adjoints of u, from u back to x, as equations of their own.

In: the equations so far, u and x.  Out: equations that follow them.  They are ordinary ones, so the loss is
differentiated through them again; their steps are those of the derivation of u, which is proved with the rest
(`Model.inner`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from derive.derivation import Adjoint
from derive.expression.nodes import D, Expression, Ref
from derive.expression.walk import names, transform
from derive.model import Equation, Model
from derive.rules.naming import displayed


def gradient_equations(inner: Model, x: str, called: Mapping[str, str]) -> list[Equation]:
    """The adjoints of the model's loss by each node between it and `x`, in order; `called` names them all.

    Raises DeriveError where something cannot be differentiated.
    """
    derivation = inner.derive((x,))
    between = _between(inner, x)
    nodes = [a for a in derivation.nodes if a.name in between]
    last = next(a for a in (*derivation.gradients, *derivation.nodes) if a.name == x)
    found: list[Equation] = []
    for a in (*nodes, last):
        found.append(_equation(a, called, replace(inner, equations=(*inner.equations, *found))))
    return found


def _between(model: Model, x: str) -> set[str]:
    """The equations on the way from x to the loss, both apart."""
    after = {x}
    for equation in model.equations:
        if not after.isdisjoint(names(equation.body)):
            after.add(equation.name)
    return (after & model.reaches_loss) - {model.loss, x}


def _equation(a: Adjoint, called: Mapping[str, str], model: Model) -> Equation:
    def named(node: Expression) -> Expression | None:
        return Ref(called[node.wrt.name], node.wrt.indices) if isinstance(node, D) else None

    r = a.result
    body = transform(a.compact, named)
    return Equation(called[a.name], r.indices, displayed(body, r.indices, r.shape, model), body, r.shape)


def part_of(model: Model, u: str, x: str) -> Model:
    """The part of a model that leads to `u`, with `u` as its loss and no parameter but `x`."""
    found = {u}
    for equation in reversed(model.equations):
        if equation.name in found:
            found.update(names(equation.body))
    variables = {
        name: replace(v, role="constant") if v.role == "parameter" and name != x else v
        for name, v in model.variables.items()
    }
    equations = tuple(e for e in model.equations if e.name in found)
    return replace(model, variables=variables, equations=equations, loss=u, outputs=())
