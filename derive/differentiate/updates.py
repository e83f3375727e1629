"""Update rules: gradient descent's step for each parameter, as an expression of the model language."""

from __future__ import annotations

from derive.derivation import Derivation
from derive.expression.build import add, mul, neg
from derive.expression.nodes import Expression, Index, Mul, Neg, Ref
from derive.model import Model
from derive.rules.naming import whole_arrays

LEARNING_RATES = ("eta", "learning_rate", "step_size")


def learning_rate(model: Model) -> str:
    """The learning rate's name: eta, or another one where the model has an eta of its own."""
    taken = {*model.variables, *model.by_name}
    return next((name for name in LEARNING_RATES if name not in taken), "eta_")


def update_rules(derivation: Derivation) -> list[tuple[str, Expression]]:
    """For each parameter its name and ``w - eta*gradient``."""
    found: list[tuple[str, Expression]] = []
    for a in derivation.gradients:
        if a.name not in derivation.model.parameters:
            continue
        r = a.result
        whole = whole_arrays(r.expr, r.indices, r.shape, derivation.model.shapes) if r.indices else r.expr
        gradient = r.expr if whole is None else whole
        element = Ref(a.name) if whole is not None else Ref(a.name, tuple(Index(i) for i in r.indices))
        found.append((a.name, descent(element, gradient, derivation.model)))
    return found


def descent(element: Expression, gradient: Expression, model: Model) -> Expression:
    """``w - eta*gradient``; the sign of a negated gradient is the sum's."""
    eta = Ref(learning_rate(model))
    body = gradient.arg if isinstance(gradient, Neg) else gradient
    step = mul(eta, *body.factors) if isinstance(body, Mul) else mul(eta, body)
    return add(element, step if isinstance(gradient, Neg) else neg(step))
