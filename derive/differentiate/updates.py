"""What an update rule says of a model's parameters, as expressions of the model language.

In: a derivation and an `UpdateRule`.  Out: for gradient descent the step of each parameter, its gradient put in; for
any rule its equations and its assignments, for every parameter at once, in letters that the model does not use.
"""

from __future__ import annotations

from collections.abc import Iterable

from derive.derivation import Derivation
from derive.expression.build import mul
from derive.expression.nodes import Expression, Index, Mul, Neg, Ref
from derive.expression.walk import bottom_up, children, names, rename, with_children
from derive.model import Model
from derive.optimizer import BASE_RATE, RATE, STEPS
from derive.rules.naming import kept_indices, whole_arrays
from derive.update_rule import NORM, UpdateRule

LEARNING_RATES = (RATE, "alpha", "learning_rate", "step_size")
STEP_LETTERS = ("t", "k", "r", "s")

Line = tuple[Ref, Expression]


def learning_rate(model: Model) -> str:
    """The learning rate's name: eta, or another one where the model has an eta of its own."""
    return _free(LEARNING_RATES, model)


def _free(wanted: Iterable[str], model: Model) -> str:
    """The first name that the model does not have; the first of all with an underscore where it has them all."""
    wanted = tuple(wanted)
    return next((name for name in wanted if name not in model.shapes), f"{wanted[0]}_")


def update_rules(derivation: Derivation, rule: UpdateRule) -> list[tuple[str, Expression]]:
    """For each parameter its name and its new value: ``w - eta*gradient``, or by the letters of the rule."""
    found: list[tuple[str, Expression]] = []
    for a in derivation.gradients if rule.optimizer.equations else ():
        if a.name not in derivation.model.parameters:
            continue
        r = a.result
        whole = whole_arrays(r.expr, r.indices, r.shape, derivation.model)
        gradient = r.expr if whole is None else whole
        kept = r.indices if whole is None else kept_indices(whole, r.indices)
        element = Ref(a.name, tuple(map(Index, kept)))
        found.append((a.name, step(element, gradient, derivation.model, rule)))
    return found


def step(element: Expression, gradient: Expression, model: Model, rule: UpdateRule) -> Expression:
    """The parameter's new value: ``w - eta*gradient``, or by the letters of another rule than gradient descent."""
    o, called = rule.optimizer, letters(rule, model)
    theta = Ref(called[o.parameter])
    last = next(value for target, value in reversed(assignments(rule, model)) if target == theta)
    return _put_in(last, {theta.name: element} | ({called[o.gradient]: gradient} if rule.is_plain else {}))


def _put_in(e: Expression, values: dict[str, Expression]) -> Expression:
    """Values in the place of names: in a product their factors and their sign, which two signs undo."""
    if isinstance(e, Ref):
        return values.get(e.name, e)
    parts = tuple(_put_in(part, values) for part in children(e))
    if isinstance(e, Neg) and isinstance(parts[0], Neg):
        return parts[0].arg
    if not isinstance(e, Mul):
        return with_children(e, parts)
    product = mul(*(factor for part in parts for factor in _factors(part)))
    return Neg(product) if sum(isinstance(part, Neg) for part in parts) % 2 else product


def _factors(e: Expression) -> tuple[Expression, ...]:
    body = e.arg if isinstance(e, Neg) else e
    return body.factors if isinstance(body, Mul) else (body,)


def letters(rule: UpdateRule, model: Model) -> dict[str, str]:
    """What the names of the rule are called beside the model's: as in its text, with ``_opt`` behind it where taken.

    >>> from derive.update_rule import update_rule
    >>> model = Model.parse("m: parameter" + chr(10) + "L: loss = m**2")
    >>> letters(update_rule("adam"), model)["m"], letters(update_rule("adam"), model)["v"]
    ('m_opt', 'v')
    """
    o = rule.optimizer
    own = [o.parameter, o.gradient, *o.states, *rule.constants, NORM, BASE_RATE, STEPS, *rule.schedule_constants]
    own += [a.target for a in rule.assignments]
    found = {name: _free((name, f"{name}_opt"), model) for name in own}
    return found | {RATE: learning_rate(model), "t": _free(STEP_LETTERS, model)}


def assignments(rule: UpdateRule, model: Model) -> list[Line]:
    """``m ← …``: the rule's assignments, in order."""
    called = letters(rule, model)
    return [(Ref(called[a.target]), rename(a.value, called)) for a in rule.assignments]


def equations(rule: UpdateRule, model: Model) -> list[Line]:
    """``m[t] = …``: the optimiser's equations; a learning rate that changes is ``eta[t]``."""
    called = letters(rule, model)
    own, letter = Index(rule.optimizer.step), Index(called["t"])

    def change(node: Expression) -> Expression:
        if rule.schedules and node == Ref(called[RATE]):
            return Ref(called[RATE], (letter,))
        return letter if node == own else node

    return [
        (Ref(called[e.name], (letter,)), bottom_up(rename(e.value, called), change)) for e in rule.optimizer.equations
    ]


def scheduled_rate(rule: UpdateRule, model: Model) -> Line:
    """``eta[t] = …``"""
    called = letters(rule, model)
    return Ref(called[RATE], (Index(called["t"]),)), rename(rule.learning_rate, called)


def is_used(name: str, rule: UpdateRule) -> bool:
    """Whether the rule's assignments speak of a name."""
    return any(name in names(a.value) for a in rule.assignments)
