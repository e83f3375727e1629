"""The generated code against the model itself: its gradients beside complex-step derivatives, at random data.

In: a model and the module generated from it.  Out: a `Comparison` with the worst relative error.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from derive.check.complex_step import complex_step_gradient, evaluate
from derive.check.sample import Sample, sample
from derive.model import Model

LIMIT = 1e-9  # the relative error beyond which a gradient counts as wrong
SEEDS = 5
EXAMPLES = 4
REDRAWN = 5  # how often other data are drawn where the complex step has no digits
LAST_DIGITS = 1e-13  # relative, by which it must hardly change
WORK = 400_000  # evaluations of equations that a check may take, about

_NOISE = 1e-14  # of the largest gradient: what rounding alone may leave where the true value is 0


@dataclass(frozen=True, slots=True)
class Comparison:
    """`worst` is the largest relative error, found in `name`; `draws` times `examples` points were compared."""

    worst: float
    name: str
    draws: int
    examples: int

    @property
    def passed(self) -> bool:
        return self.worst <= LIMIT  # False for NaN


def compare(model: Model, module: ModuleType, draws: int = SEEDS, examples: int = EXAMPLES) -> Comparison:
    """Compares the loss and every gradient; large models with fewer draws.

    Data at which the complex step itself has lost its digits (logits so large that 1 - a is rounded away) tell
    nothing of the code, and others are drawn.
    """
    worst, where = 0.0, model.loss
    if len(model.parameters) * len(model.equations) * examples > WORK:
        examples = 2
    for seed in range(draws):
        drawn = sample(model, seed, examples)
        entries = sum(prod(values.shape) for values in drawn.parameters.values()) or 1
        found = errors(model, module, drawn)
        for again in range(1, REDRAWN):
            name = max(found, key=lambda name: found[name])
            if found[name] <= LIMIT or _is_steady(model, drawn, name, found[name]):
                break
            drawn = sample(model, seed + again * draws, examples)
            found = errors(model, module, drawn)
        for name, error in found.items():
            if not error <= worst:
                worst, where = error, name
        if (seed + 2) * entries * len(drawn.examples) * len(model.equations) > WORK:
            return Comparison(worst, where, seed + 1, len(drawn.examples))
    return Comparison(worst, where, draws, len(drawn.examples))


def compare_at(model: Model, module: ModuleType, drawn: Sample) -> Comparison:
    """The same at given data."""
    found = errors(model, module, drawn)
    worst = max(found, key=lambda name: found[name])
    return Comparison(found[worst], worst, 1, len(drawn.examples))


def errors(model: Model, module: ModuleType, drawn: Sample) -> dict[str, float]:
    """The relative error of the loss, each gradient, each state's next value; infinite where the code's value is."""
    data = drawn.data if drawn.examples[0] else {}
    with np.errstate(all="ignore"):
        loss, grads = module.loss_and_gradients(dict(drawn.parameters), **data, **drawn.constants)
    points = [drawn.values(example) for example in drawn.examples]
    nodes = [evaluate(model, values) for values in points]
    found = {model.loss: _relative(np.asarray(loss), np.mean([each[model.loss] for each in nodes]), 0.0)}
    if model.states:
        states = module.next_states(dict(drawn.parameters), **data, **drawn.constants)
        for equation, name in model.states.items():
            found[name] = _relative(np.asarray(states[name]), np.mean([each[equation] for each in nodes], axis=0), 0.0)
    true = {
        name: np.mean([complex_step_gradient(model, values, name) for values in points], axis=0)
        for name in drawn.parameters
        if name in model.parameters
    }
    largest = max((float(np.max(np.abs(gradient), initial=0.0)) for gradient in true.values()), default=0.0)
    for name, gradient in true.items():
        value = np.asarray(grads.get(name, np.nan), dtype=float)
        found[name] = _relative(value, gradient, largest)
    return found


def _is_steady(model: Model, drawn: Sample, name: str, error: float) -> bool:
    """Whether the complex step's own value changes by much less than an error, when parameters change in their last
    digits."""
    rng = np.random.default_rng(0)
    nearby = {n: v * (1 + LAST_DIGITS * rng.choice((-1, 1), np.shape(v))) for n, v in drawn.parameters.items()}
    moved = replace(drawn, parameters=nearby)

    def told(of: Sample) -> NDArray[Any]:
        points = [of.values(example) for example in of.examples]
        if name not in model.parameters:
            return np.asarray(np.mean([evaluate(model, values)[model.loss] for values in points], axis=0))
        return np.asarray(np.mean([complex_step_gradient(model, values, name) for values in points], axis=0))

    return _relative(told(moved), told(drawn), 0.0) < error / 100


def _relative(value: NDArray[Any], true: Any, largest: float) -> float:
    """max|value − true|/max|true|; what is as small as rounding errors is measured against the largest gradient."""
    true = np.asarray(true)
    if value.shape != true.shape or not np.isfinite(value).all():
        return float("inf")
    difference = float(np.max(np.abs(value - true), initial=0.0))
    if difference == 0:
        return 0.0
    scale = largest if difference <= _NOISE * largest else float(np.max(np.abs(true), initial=0.0))
    return difference / scale if scale > 0 else float("inf")
