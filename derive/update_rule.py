"""The update rule of a training: an optimiser, and what is done to the gradient and the learning rate around it.

In: names and numbers as the user gives them, ``adam(beta_1=0.8)``, ``warm-up,cosine``.  Out: an `UpdateRule`.
`assignments` gives it as data, in the order in which code computes it: what every printer and emitter starts from.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property, partial
from typing import TypeVar

from derive.errors import DeriveError, did_you_mean, printable
from derive.expression.build import decimal
from derive.expression.nodes import Expression, Index, Ref
from derive.expression.walk import names, rename, transform, walk
from derive.expression.walk import replace as substitute
from derive.model import Model
from derive.optimizer import (
    BASE_RATE,
    RATE,
    STEPS,
    Optimizer,
    Schedule,
    StepEquation,
    Stepwise,
    load_optimizer,
    load_schedule,
)
from derive.parse.expression import parse_expression
from derive.parse.numbers import number_value
from derive.resources import training_rows

Text = TypeVar("Text", bound=Stepwise)

# What constants are called as arguments of the generated code; others go by their own name.
KEYWORDS = {RATE: "lr", "mu": "momentum", "lam": "weight_decay", "c_norm": "clip_norm", "c_value": "clip_value"}
NORM = "norm"  # the norm of the gradients of all parameters together


@dataclass(frozen=True, slots=True)
class Change:
    """A change of the gradient g before a step, asked for by `option`, whose value is the constant of that name.

    `once` is a number computed once for all parameters; `gradient` is the new value of g.
    """

    option: str
    constant: str
    gradient: str
    once: tuple[str, str] | None = None


CHANGES = (
    # Pascanu, Mikolov and Bengio 2013; PyTorch adds 1e-6 to the norm
    Change("clip_norm", "c_norm", "g*shrink", ("shrink", "minimum(1, c_norm/(norm + 1e-6))")),
    Change("clip_value", "c_value", "clip(g, -c_value, c_value)"),
    Change("weight_decay", "lam", "g + lam*theta"),
)


@dataclass(frozen=True, slots=True)
class Assignment:
    """``target = value``, where names stand for what they hold at that moment, t counting the steps from 1.

    `scalar` says that it is one number for all parameters, computed before them; else it is elementwise.  `formula` is
    the line of the optimiser's text that it comes from, or "" where a value is kept that a later line needs.
    """

    target: str
    value: Expression
    formula: str
    scalar: bool = False


@dataclass(frozen=True)
class UpdateRule:
    """`changes` are the options of `CHANGES` with their values; `rate` is the learning rate, if it was given."""

    optimizer: Optimizer
    schedules: tuple[Schedule, ...] = ()
    changes: Mapping[str, Expression] = field(default_factory=dict)
    rate: Expression | None = None

    @property
    def is_plain(self) -> bool:
        """Whether it is gradient descent and nothing else."""
        return self.optimizer.name == "gradient-descent" and not self.schedules and not self.changes

    @cached_property
    def constants(self) -> dict[str, Expression]:
        """The constants of the step besides the learning rate, those of the changes last."""
        own = {name: value for name, value in self.optimizer.constants.items() if name != RATE}
        return own | {c.constant: self.changes[c.option] for c in CHANGES if c.option in self.changes}

    @cached_property
    def schedule_constants(self) -> dict[str, Expression]:
        return {name: value for schedule in self.schedules for name, value in schedule.constants.items()}

    @cached_property
    def learning_rate(self) -> Expression:
        """The learning rate of step t: each schedule applied to what the one before it gives."""
        found: Expression = Ref(BASE_RATE)
        for schedule in self.schedules:
            found = substitute(schedule.value, {Ref(BASE_RATE): found, Index(schedule.step): Ref("t")})
        return found

    @cached_property
    def assignments(self) -> tuple[Assignment, ...]:
        """The step, in order: over the names of the parameter, its gradient, the states, the constants, `NORM` and t.

        A state or the parameter is overwritten by its new value: the last assignments to them are what is kept.  Scalar
        ones may be computed once, before the loop over the parameters; elementwise ones entry by entry, in place.

        >>> for a in update_rule("nesterov", clip_value=5).assignments:
        ...     print(a.target, "=", a.value)
        g = clip(g, -c_value, c_value)
        v = mu*v + g
        theta = theta - eta*(g + mu*v)
        """
        return _told_apart([*self._changes(), *_in_place(self.optimizer)], self.optimizer)

    def _changes(self) -> list[Assignment]:
        """What is done to the gradient first."""
        own = {"g": self.optimizer.gradient, "theta": self.optimizer.parameter}
        found: list[Assignment] = []
        for change in CHANGES:
            if change.option not in self.changes:
                continue
            for target, text in (*([change.once] if change.once else []), ("g", change.gradient)):
                value, name = rename(parse_expression(text), own), own.get(target, target)
                found.append(Assignment(name, value, f"{name} = {value}"))
        return found


def _in_place(optimizer: Optimizer) -> list[Assignment]:
    """The equations with old and new values under one name; an old value needed after the new one is kept apart."""
    t = optimizer.step
    kept: dict[str, str] = {}
    found: list[Assignment] = []
    for k, equation in enumerate(optimizer.equations):
        if _needs_old(optimizer.equations[k + 1 :], equation.name, t):
            kept[equation.name] = f"{equation.name}_before"
            found.append(Assignment(kept[equation.name], Ref(equation.name), ""))
        value = transform(equation.value, partial(_plain, t=t, kept=kept))
        found.append(Assignment(equation.name, value, f"{equation.name}[{t}] = {equation.value}"))
    return found


def _needs_old(equations: tuple[StepEquation, ...], name: str, t: str) -> bool:
    """Whether one of the equations speaks of ``name[t - 1]``."""
    found = (node for e in equations for node in walk(e.value) if isinstance(node, Ref) and node.name == name)
    return any(node.indices != (Index(t),) for node in found)


def _plain(node: Expression, t: str, kept: Mapping[str, str]) -> Expression | None:
    """``m[t]`` and ``m[t - 1]`` as names, t as a number."""
    if isinstance(node, Ref) and node.indices:
        return Ref(node.name if node.indices == (Index(t),) else kept.get(node.name, node.name))
    return Ref("t") if node == Index(t) else None


def _told_apart(found: list[Assignment], optimizer: Optimizer) -> tuple[Assignment, ...]:
    """Which assignments are numbers for all parameters: those that speak of no array."""
    arrays = {optimizer.parameter, optimizer.gradient, *optimizer.states}
    done: list[Assignment] = []
    for a in found:
        scalar = a.target not in arrays and not arrays & set(names(a.value))
        arrays |= set() if scalar else {a.target}
        done.append(replace(a, scalar=scalar))
    return tuple(done)


def update_rule(
    optimizer: str = "gradient-descent",
    schedule: str | None = None,
    clip_norm: float | None = None,
    clip_value: float | None = None,
    weight_decay: float | None = None,
) -> UpdateRule:
    """The rule that is asked for: ``update_rule("adam(beta_1=0.8)", "warm-up,cosine", clip_norm=1)``.

    Schedules are applied in their order.  Raises a `DeriveError` for names that there are not, and for values that
    are no numbers or negative.
    """
    text, given = _with_values(optimizer)
    rate = given.pop(RATE, None)
    found = _set(load_optimizer(text), given, "optimizer")
    schedules = tuple(_schedules("constant" if schedule is None else schedule))
    asked = {"clip_norm": clip_norm, "clip_value": clip_value, "weight_decay": weight_decay}
    changes = {option: _positive(option, value) for option, value in asked.items() if value is not None}
    if not found.equations and (schedules or changes or rate):
        raise DeriveError(f"{found.title} takes no learning rate, schedule, clipping or weight decay")
    if "lam" in found.constants and "weight_decay" in changes:  # its own, apart from the gradient
        found = replace(found, constants={**found.constants, "lam": changes.pop("weight_decay")})
    _check_apart(found, schedules, changes)
    return UpdateRule(found, schedules, changes, None if rate is None else _number(RATE, rate))


def rule_for(
    model: Model,
    optimizer: str | UpdateRule | None = None,
    schedule: str | None = None,
    clip_norm: float | None = None,
    clip_value: float | None = None,
    weight_decay: float | None = None,
) -> UpdateRule:
    """The rule for a model: the one given; its optimiser that of the row in `training.toml`, else gradient descent."""
    if isinstance(optimizer, UpdateRule):
        return optimizer
    usual = training_rows().get(model.name, {}).get("optimizer", "gradient-descent")
    return update_rule(usual if optimizer is None else optimizer, schedule, clip_norm, clip_value, weight_decay)


def _schedules(text: str) -> list[Schedule]:
    found: list[Schedule] = []
    for part in re.split(r",(?![^(]*\))", text):
        name, given = _with_values(part)
        schedule = _set(load_schedule(name), given, "schedule")
        if any(schedule.name == other.name for other in found):
            raise DeriveError(f"the schedule '{schedule.name}' is named twice")
        found.append(schedule)
    return [schedule for schedule in found if schedule.value != Ref(BASE_RATE)]


def _with_values(text: str) -> tuple[str, dict[str, str]]:
    """``adam(beta_1=0.8)`` as the name and what is set.

    >>> _with_values("adam(beta_1=0.8, epsilon=1e-7)")
    ('adam', {'beta_1': '0.8', 'epsilon': '1e-7'})
    """
    match = re.fullmatch(r"([^()]*)(?:\(([^()]*)\))?\s*", text)
    if match is None:
        raise DeriveError(f"'{printable(text)}' is no name with values", hint="for example adam(beta_1=0.8)")
    pairs = [part.partition("=") for part in (match[2] or "").split(",") if part.strip()]
    return match[1].strip(), {name.strip(): value.strip() for name, _, value in pairs}


def _set(text: Text, given: Mapping[str, str], what: str) -> Text:
    """The same with other values of its constants."""
    for name in given:
        if name not in text.constants:
            listed = f"its constants are {', '.join(text.constants)}" if text.constants else "it has no constants"
            message = f"the {what} '{text.name}' has no constant '{printable(name)}'"
            raise DeriveError(message, hint=did_you_mean(name, text.constants) or listed)
    return replace(text, constants={**text.constants, **{name: _number(name, value) for name, value in given.items()}})


def _number(name: str, text: str) -> Expression:
    try:
        value = parse_expression(text) if text else None
    except DeriveError:
        value = None
    number = None if value is None else number_value(value)
    if value is None or number is None:
        raise DeriveError(f"the value of '{name}' is not a number: '{printable(text)}'")
    if number < 0:
        raise DeriveError(f"the value of '{name}' must not be negative, not {printable(text)}")
    return value


def _positive(option: str, value: float) -> Expression:
    limit = "must not be negative" if option == "weight_decay" else "must be positive"
    if not math.isfinite(value) or value < 0 or (value == 0 and option != "weight_decay"):
        raise DeriveError(f"the {option.replace('_', ' ')} {limit}, not {value:g}")
    return decimal(Fraction(repr(float(value))))


def _check_apart(optimizer: Optimizer, schedules: tuple[Schedule, ...], changes: Mapping[str, Expression]) -> None:
    """Every name has one meaning."""
    equations = [equation.name for equation in optimizer.equations if equation.name not in optimizer.states]
    found = [*optimizer.constants, *optimizer.states, *equations, optimizer.gradient, STEPS, BASE_RATE]
    found += [name for schedule in schedules for name in schedule.constants]
    asked = [change for change in CHANGES if change.option in changes]
    found += [name for change in asked for name in (change.constant, *((NORM, change.once[0]) if change.once else ()))]
    for name in found:
        if found.count(name) > 1:
            raise DeriveError(f"the name '{name}' has two meanings in what was asked for")
